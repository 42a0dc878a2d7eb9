"""Archives that end early or hold damaged members: the first is an error, or some are counted."""

import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_vision.cli import main
from infonoise_vision.data.images import load_images, load_split

from .. import image_files
from ..image_files import noise, png, tarred, unpacked, zipped

PIXELS = noise(12, 9, 8, 3)
BLOCK = tarfile.BLOCKSIZE


def sample(i: int) -> dict[str, bytes]:
    """An image, a class of one byte, and notes of some 400."""
    notes = json.dumps({"caption": "words " * 64, "label": i % 3}).encode()
    return {f"{i:03}.cls": b"%d" % (i % 3), f"{i:03}.png": png(PIXELS[i]), f"{i:03}.json": notes}


def shard(path: Path) -> tuple[Path, dict[str, tarfile.TarInfo]]:
    files = {name: content for i in range(12) for name, content in sample(i).items()}
    tarred(path, files)
    with tarfile.open(path) as archive:
        return path, {member.name: member for member in archive.getmembers()}


PLACES: dict[str, Callable[[dict[str, tarfile.TarInfo]], int]] = {
    "before the first header": lambda m: 0,
    "inside the first header": lambda m: 100,
    "after a header": lambda m: m["004.cls"].offset_data,
    "inside a header": lambda m: m["004.cls"].offset + 300,
    "inside the padding after a .cls": lambda m: m["004.cls"].offset_data + 5,
    "inside a .json": lambda m: m["004.json"].offset_data + 200,
    "inside the padding after a .json": lambda m: m["004.json"].offset_data + 500,
    "inside an image": lambda m: m["004.png"].offset_data + m["004.png"].size // 2,
    "between two members": lambda m: m["005.cls"].offset,
    "inside the last image": lambda m: m["011.png"].offset_data + 1,
    "inside the last .json": lambda m: m["011.json"].offset_data + 1,
    "before the end's zeros": lambda m: m["011.json"].offset_data + BLOCK,
    "inside the end's zeros": lambda m: m["011.json"].offset_data + BLOCK + 100,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("packed", [False, True])
def test_a_shard_that_ends_too_early(tmp_path, place, packed):
    path, members = shard(tmp_path / "whole.tar")
    content = path.read_bytes()[: PLACES[place](members)]
    cut = tmp_path / ("a.tar.gz" if packed else "a.tar")
    cut.write_bytes(gzip.compress(content) if packed else content)
    message = image_files.refused(cut, "damaged or cut short")
    assert str(cut) in message


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.97])
def test_a_packed_shard_that_ends_too_early(tmp_path, share):
    content = gzip.compress(shard(tmp_path / "whole.tar")[0].read_bytes())
    cut = tmp_path / "a.tgz"
    cut.write_bytes(content[: int(share * len(content))])
    assert str(cut) in image_files.refused(cut, "damaged or cut short")


@pytest.mark.parametrize("place", ["inside the padding after a .cls", "inside a .json"])
def test_a_shard_that_was_cut_after_it_was_opened(tmp_path, place):
    from infonoise_vision.data.open import open_source

    path, members = shard(tmp_path / "a.tar")
    opened = open_source(path)
    path.write_bytes(path.read_bytes()[: PLACES[place](members)])
    with pytest.raises(InputError, match="damaged or cut short"):
        list(opened.train.contents(np.arange(12)))  # type: ignore[attr-defined]


# Members that cannot be read, among others


def spoiled_zip(path: Path, spoil: list[int]) -> Path:
    """Some of twelve images have a byte changed, so that their checksum no longer fits."""
    zipped(path, {f"{i:02}.png": png(image) for i, image in enumerate(PIXELS)})
    content = bytearray(path.read_bytes())
    for i in spoil:
        start = content.index(b"IDAT", content.index(b"%02d.png" % i))
        content[start + 30] ^= 255
    path.write_bytes(content)
    return path


def prepared(source: Path, out: Path, limit: int) -> int:
    return main(["prepare", str(source), "--out", str(out), "--bad-limit", str(limit)])


def check_left_out(found: Path, left_out: list[int]) -> None:
    kept = {image.tobytes() for part in load_split(found) for image in part.pixels}
    stored = PIXELS.transpose(0, 3, 1, 2)
    assert kept == {stored[i].tobytes() for i in range(12) if i not in left_out}


@pytest.mark.parametrize("spoil", [[0], [3, 11]])
def test_damaged_members_of_a_zip_are_named_and_left_out(tmp_path, capsys, spoil):
    path = spoiled_zip(tmp_path / "a.zip", spoil)
    assert "damaged or cut short" in image_files.refused(path, f"a.zip, {spoil[0]:02}.png: ")
    assert prepared(path, tmp_path / "out", len(spoil)) == 0
    shown = capsys.readouterr()
    assert f"{len(spoil)} bad records skipped" in shown.out
    for i in spoil:
        assert f"{path}, {i:02}.png: damaged or cut short (Bad CRC-32" in shown.err
    check_left_out(tmp_path / "out", spoil)


def test_more_damaged_members_than_are_borne(tmp_path, capsys):
    path = spoiled_zip(tmp_path / "a.zip", [3, 5, 7])
    assert prepared(path, tmp_path / "out", 2) == 2
    assert "07.png" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_files_of_a_folder_that_cannot_be_opened_are_left_out(tmp_path, capsys):
    files = {f"{i:02}.png": png(image) for i, image in enumerate(PIXELS)}
    source = unpacked(tmp_path / "set", files)
    (source / "04.png").unlink()
    (source / "04.png").symlink_to(tmp_path / "nowhere.png")
    image_files.refused(source, "04.png: cannot be read .No such file")
    assert prepared(source, tmp_path / "out", 1) == 0
    assert "04.png" in capsys.readouterr().err
    check_left_out(tmp_path / "out", [4])


def test_a_batch_of_cifar_that_is_damaged_in_a_zip_is_an_error(tmp_path):
    files = {f"data_batch_{i}.bin": bytes(3073 * 2) for i in range(1, 6)}
    path = tarred(tmp_path / "cifar.tar", files)
    assert len(load_images(path)) == 10
    content = path.read_bytes()
    path.write_bytes(content[: 3073 * 7])
    image_files.refused(path, "damaged or cut short")


def test_what_is_no_image_is_told_without_an_object(tmp_path):
    files = {f"{i:02}.png": png(image) for i, image in enumerate(PIXELS)}
    source = unpacked(tmp_path / "set", {**files, "05.png": b"nothing"})
    message = image_files.refused(source, "05.png: cannot be read .no kind of image that Pillow")
    assert "object at" not in message
