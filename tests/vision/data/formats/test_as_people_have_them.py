"""Files as they lie on people's disks: beside what is no image, twice, or under another's names."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_vision.data.images import load_images, load_split

from ..image_files import refused

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 6), np.uint8)


def encoded(image: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, kind)
    return out.getvalue()


def test_more_endings_are_read_and_the_rest_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, (ending, kind) in enumerate(
        [("png", "PNG"), ("jfif", "JPEG"), ("jpe", "JPEG"), ("tga", "TGA")] * 3
    ):
        (tmp_path / f"{i:02d}.{ending}").write_bytes(encoded(PIXELS[i], kind))
    for name in ("a.svg", "b.svg", "c.heic", "README"):
        (tmp_path / name).write_text("no picture")
    assert len(load_images(tmp_path)) == 12
    (line,) = capsys.readouterr().err.splitlines()
    assert "of a kind that is read: 2 .svg, 1 .heic, 1 without an ending; convert HEIC" in line


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.tobytes()


@pytest.mark.parametrize("given", [".", "MNIST", "MNIST/raw"])
def test_files_that_lie_beside_their_packed_copies_are_read_once(
    tmp_path: Path, given: str
) -> None:
    source, raw = tmp_path / given, tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind, array in (
            ("images-idx3", PIXELS),
            ("labels-idx1", np.arange(12, dtype=np.uint8)),
        ):
            content = idx(array if part == "train" else array[::-1])
            (raw / f"{part}-{kind}-ubyte").write_bytes(content)
            (raw / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
    train, test = load_split(source)
    assert np.array_equal(train.pixels[:, 0], PIXELS)
    assert np.array_equal(test.pixels[:, 0], PIXELS[::-1])
    assert train.labels is not None
    assert train.labels.tolist() == list(range(12))


@pytest.mark.parametrize("labelled", [True, False])
def test_samples_of_guided_diffusion_have_their_labels(tmp_path: Path, labelled: bool) -> None:
    images = np.repeat(PIXELS[..., None], 3, 3)
    second = np.arange(12) % 3 if labelled else images
    np.savez(tmp_path / "samples.npz", images, second)
    found = load_images(tmp_path / "samples.npz")
    assert np.array_equal(found.pixels, images.transpose(0, 3, 1, 2))
    assert found.classes == (("0", "1", "2") if labelled else ())


def test_two_columns_of_images_are_named(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    cells = [{"bytes": encoded(image, "PNG"), "path": None} for image in PIXELS]
    features = datasets.Features({"before": datasets.Image(), "after": datasets.Image()})
    rows = datasets.Dataset.from_dict({"before": cells, "after": cells}, features=features)
    rows.save_to_disk(tmp_path / "set")
    refused(tmp_path / "set", "has 2 columns of images, before, after; keep one")


@pytest.mark.parametrize(
    ("kind", "options"),
    [("TGA", {}), ("ICO", {"sizes": [(16, 16)]}), ("PPM", {}), ("JPEG2000", {"no_jp2": True})],
)
def test_kinds_without_an_ending_are_known_by_content(
    tmp_path: Path, kind: str, options: dict
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), np.uint8)
    for i, image in enumerate(pixels):
        with (tmp_path / f"picture{i}").open("wb") as file:
            Image.fromarray(image).save(file, kind, **options)
    assert len(load_images(tmp_path)) == 9


def test_heic_without_an_ending_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "IMG_0001").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    refused(tmp_path, "holds HEIC and no other image; convert")
    for i in range(9):
        (tmp_path / f"{i}.png").write_bytes(encoded(PIXELS[i], "PNG"))
    assert len(load_images(tmp_path)) == 9
    assert "1 .heic; convert HEIC" in capsys.readouterr().err


def test_many_kinds_are_counted_to_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(9):
        (tmp_path / f"{i}.png").write_bytes(encoded(PIXELS[i], "PNG"))
    for i in range(15):
        (tmp_path / f"more.x{chr(97 + i)}").touch()
    load_images(tmp_path)
    assert "1 .xl and 3 of other kinds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("set.npz", r"holds set.npz and no image; give \S*set.npz"),
        ("0.npy", r"holds 0.npy and no image; make one array of them"),
        ("data.mdb", r"holds 1 files but no image \(1 .mdb\)"),
    ],
)
def test_folders_of_other_files_say_what_they_hold(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    refused(tmp_path, words)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "it is empty"), (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS")],
)
def test_files_that_are_not_there_yet(tmp_path: Path, content: bytes, words: str) -> None:
    for i in range(9):
        (tmp_path / f"{i}.png").write_bytes(content)
    refused(tmp_path, words)
