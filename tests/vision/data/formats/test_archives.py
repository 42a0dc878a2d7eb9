"""EDM's zips and folders, WebDataset tars and archives of class folders: the same pixels, the same
labels, and one-line errors.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_vision.data.images import load_images, load_split

from .. import image_files
from ..image_files import png, tarred, unpacked, zipped

SHARED = Path(__file__).parents[4].parent / "shared" / "data" / "vision"
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)
STORED = PIXELS.transpose(0, 3, 1, 2)
LABELS = [7, 3, 3, 10, 7, 3, 10, 10, 7, 3, 7, 3]


def edm_names(n: int = 12) -> list[str]:
    """EDM's dataset_tool: five-digit folders of a thousand images, eight-digit numbers."""
    return [f"{i // 1000:05d}/img{i:08d}.png" for i in range(n)]


def edm_files(labels: object) -> dict[str, bytes]:
    files = {name: png(image) for name, image in zip(edm_names(), PIXELS, strict=True)}
    return {**files, "dataset.json": json.dumps({"labels": labels}).encode()}


def listed(labels: Sequence[object]) -> list[list[object]]:
    return [[name, label] for name, label in zip(edm_names(), labels, strict=False)]


def shard_files(rows: Sequence[int], kind: str = "cls") -> dict[str, bytes]:
    files = {}
    for i in rows:
        label = {"cls": b"%d" % LABELS[i], "json": json.dumps({"label": LABELS[i]}).encode()}[kind]
        files |= {f"sample{i:04}.png": png(PIXELS[i]), f"sample{i:04}.{kind}": label}
    return files


def refused(source: Path, match: str) -> str:
    message = image_files.refused(source, match)
    assert str(source) in message
    return message


# EDM


@pytest.mark.parametrize("pack", [zipped, unpacked])
def test_edms_data_sets_read_as_they_are(tmp_path, pack):
    images = load_images(pack(tmp_path / "cifar.zip", edm_files(listed(LABELS))))
    assert np.array_equal(images.pixels, STORED)
    assert images.classes == ("3", "7", "10")
    assert [int(images.classes[i]) for i in images.labels] == LABELS


@pytest.mark.parametrize("pack", [zipped, unpacked])
@pytest.mark.parametrize("labels", [None, listed([-1] * 12)])
def test_edms_data_sets_without_labels_have_no_classes(tmp_path, pack, labels):
    # Two folders of images, which would be classes without dataset.json.
    files = edm_files(labels)
    old, new = "00000/img00000003", "00001/img00000003"
    files = {k.replace(old, new): v.replace(old.encode(), new.encode()) for k, v in files.items()}
    images = load_images(pack(tmp_path / "set.zip", files))
    assert len(images) == 12
    assert images.labels is None


def test_the_order_of_dataset_json_does_not_matter(tmp_path):
    images = load_images(zipped(tmp_path / "a.zip", edm_files(listed(LABELS)[::-1])))
    assert [int(images.classes[i]) for i in images.labels] == LABELS


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (listed(LABELS[:-1]), "11 labels for 12 images; 00000/img00000011.png has none"),
        ([*listed(LABELS), ["00000/img00000099.png", 1]], "13 labels for 12 images"),
        (listed([[0.0, 1.0]] * 12), "label \\[0.0, 1.0\\] is no whole number"),
        (listed([True] * 12), "label True is no whole number"),
        (listed([*LABELS[:-1], -1]), "has label -1, and a number below 0 stands for no class"),
        ([1, 2, 3], "no list of \\[name, class\\]"),
        (5, "no list of \\[name, class\\]"),
    ],
)
def test_labels_of_dataset_json_that_do_not_fit(tmp_path, labels, message):
    refused(zipped(tmp_path / "a.zip", edm_files(labels)), f"dataset.json: .*{message}")


def test_dataset_json_that_is_no_json(tmp_path):
    files = {**edm_files(None), "dataset.json": b"{'labels': None}"}
    refused(zipped(tmp_path / "a.zip", files), "dataset.json: is no JSON")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_zip(tmp_path, kept):
    path = zipped(tmp_path / "a.zip", edm_files(None))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    refused(path, "damaged or cut short")


def test_a_zip_with_a_damaged_member(tmp_path):
    path = zipped(tmp_path / "a.zip", edm_files(None))
    content = bytearray(path.read_bytes())
    content[120] ^= 255  # within the first image, so that its checksum no longer fits
    path.write_bytes(content)
    refused(path, "damaged or cut short")


def test_a_damaged_image_in_a_zip_is_named(tmp_path):
    files = {**edm_files(None), edm_names()[4]: b"\x89PNG not"}
    refused(zipped(tmp_path / "a.zip", files), "img00000004.png: cannot be read")


def test_images_outside_the_folder_of_dataset_json_have_no_label(tmp_path):
    files = {f"set/{name}": content for name, content in edm_files(listed(LABELS)).items()}
    images = load_images(zipped(tmp_path / "a.zip", files))
    assert [int(images.classes[i]) for i in images.labels] == LABELS
    files["stray.png"] = png(PIXELS[0])
    refused(zipped(tmp_path / "a.zip", files), "12 labels for 13 images; stray.png has none")


def test_an_archive_beside_images_is_left_alone(tmp_path):
    unpacked(tmp_path / "set", {name: png(PIXELS[i]) for i, name in enumerate(edm_names())})
    tarred(tmp_path / "set" / "old.tar", shard_files(range(10)))
    assert len(load_images(tmp_path / "set")) == 12


def test_a_zip_of_class_folders(tmp_path):
    files = {f"pets/{'cat' if i % 3 else 'dog'}/{i:02}.png": png(PIXELS[i]) for i in range(12)}
    files["__MACOSX/pets/cat/._01.png"] = b"left by an archive"
    images = load_images(zipped(tmp_path / "a.zip", files))
    assert images.classes == ("cat", "dog")
    assert np.bincount(images.labels).tolist() == [8, 4]


# WebDataset and other tars


@pytest.mark.parametrize("kind", ["cls", "json"])
@pytest.mark.parametrize("suffix", ["tar", "tgz", "tar.xz"])
def test_a_shard_reads_in_its_order(tmp_path, kind, suffix):
    order = list(range(12))[::-1]
    files = shard_files(order, kind)
    path = tarred(tmp_path / f"shard.{suffix}", files)
    images = load_images(path)
    assert np.array_equal(images.pixels, STORED[order])
    assert [int(images.classes[i]) for i in images.labels] == [LABELS[i] for i in order]


def test_shards_may_use_the_same_keys(tmp_path):
    for number, rows in enumerate([range(5), range(5, 12)]):
        named = {
            f"{i:03}.{kind}": content
            for i, row in enumerate(rows)
            for kind, content in (("png", png(PIXELS[row])), ("cls", b"%d" % LABELS[row]))
        }
        tarred(tmp_path / f"set-{number:06}.tar", named)
    images = load_images(tmp_path)
    assert np.array_equal(images.pixels, STORED)
    assert [int(images.classes[i]) for i in images.labels] == LABELS
    limited = load_images(tmp_path, limit=8)
    assert np.array_equal(limited.pixels, STORED[np.arange(8) * 12 // 8])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("set-train-000.tar", "set-test-000.tar"),
        ("000.tar", "val_000.tar"),
        ("train0.tar", "Test0.tar"),
        ("test-set-train-0.tar", "test-set-validation-0.tar"),
    ],
)
def test_shards_called_test_are_held_out(tmp_path, one, other):
    tarred(tmp_path / one, shard_files(range(12)))
    tarred(tmp_path / other, shard_files(range(10)))
    train, test = load_split(tmp_path)
    assert (len(train), len(test)) == (12, 10)
    assert np.array_equal(test.pixels, STORED[:10])
    assert len(load_images(tmp_path)) == 12


@pytest.mark.parametrize(
    ("one", "other"),
    [("interval-0.tar", "square-0.tar"), ("a.tar", "latest.tar"), ("test0.tar", "test1.tar")],
)
def test_a_part_of_a_word_holds_nothing_out(tmp_path, one, other):
    tarred(tmp_path / one, shard_files(range(6)))
    tarred(tmp_path / other, shard_files(range(6, 12)))
    assert np.array_equal(load_images(tmp_path).pixels, STORED)


def test_a_json_without_a_known_key_is_no_label(tmp_path):
    files = {name.replace("cls", "json"): c for name, c in shard_files(range(12)).items()}
    files = {k: b'{"caption": "a cat"}' if k.endswith("json") else c for k, c in files.items()}
    assert load_images(tarred(tmp_path / "a.tar", files)).labels is None


def test_labels_may_be_names(tmp_path):
    files = shard_files(range(12))
    files = {k: b"n0%d\n" % LABELS[int(k[6:10])] if "cls" in k else c for k, c in files.items()}
    images = load_images(tarred(tmp_path / "a.tar", files))
    assert images.classes == ("n010", "n03", "n07")


def test_a_label_missing_from_a_shard(tmp_path):
    files = shard_files(range(12))
    del files["sample0004.cls"]
    assert "sample0000.png has" in refused(
        tarred(tmp_path / "a.tar", files), "sample0004.png: has no label"
    )


def test_a_label_that_is_a_list(tmp_path):
    files = {**shard_files(range(12), "json"), "sample0003.json": b'{"cls": [1, 2]}'}
    refused(tarred(tmp_path / "a.tar", files), r"sample0003.json: label \[1, 2\] is neither")


@pytest.mark.parametrize("suffix", ["tar", "tgz", "tar.xz"])
@pytest.mark.parametrize("share", [0.0, 0.11, 0.5, 0.77])
def test_a_truncated_tar(tmp_path, suffix, share):
    path = tarred(tmp_path / f"a.{suffix}", shard_files(range(12)))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content)) // 512 * 512 + 100 * bool(share)])
    refused(path, "damaged or cut short")


def test_a_tar_that_is_none(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"hello" * 1000)
    refused(tmp_path / "a.tar", "damaged or cut short")


def test_folders_named_train_and_test(tmp_path):
    for i, image in enumerate(PIXELS):
        for part in ("train", "test"):
            file = tmp_path / part / ("cat" if i % 2 else "dog") / f"{i:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(image if part == "train" else 255 - image))
    train, test = load_split(tmp_path)
    assert train.classes == test.classes == ("cat", "dog")
    by_class = [*range(1, 12, 2), *range(0, 12, 2)]
    assert np.array_equal(train.pixels, STORED[by_class])
    assert np.array_equal(test.pixels, 255 - STORED[by_class])


def test_train_and_test_with_other_classes(tmp_path):
    for i, image in enumerate(PIXELS):
        for part in ("train", "test"):
            file = tmp_path / part / f"{part if i % 2 else 'dog'}" / f"{i:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(image))
    with pytest.raises(InputError, match="2 classes for training and 2 for testing"):
        load_split(tmp_path)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "cifar10-jpeg").is_dir(), reason="no CIFAR-10 (JPEG)")
def test_cifar10_jpeg():
    path = SHARED / "cifar10-jpeg" / "cifar10-jpeg-test.tar.xz"
    images = load_images(path, limit=40)
    assert images.shape == (3, 32, 32)
    assert images.classes == tuple(
        "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905
    )
    assert np.bincount(images.labels).tolist() == [4] * 10
    assert re.fullmatch("cifar10-jpeg-test", images.name)
