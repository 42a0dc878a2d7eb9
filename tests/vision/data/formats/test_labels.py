"""Labels from folders, of one archive or several, and what is said of images without one."""

import numpy as np
import pytest

from infonoise_vision.data.images import load_images, load_split

from ..image_files import folder_of, noise, npz, png, refused, save, tarred, unpacked, zipped

PIXELS = noise(12, 4, 4)
CLASSES = ["cat", "dog", "emu"]
LABELS = [0, 0, 1, 1, 0, 2, 2, 1, 0, 2, 1, 0]


def named(rows, before: str = "") -> dict[str, bytes]:
    return {f"{before}{CLASSES[LABELS[i]]}/{i:02}.png": png(PIXELS[i]) for i in rows}


def classes_of(images) -> list[str]:
    """In the order of PIXELS."""
    place = {image.tobytes(): i for i, image in enumerate(images.pixels[:, 0])}
    return [images.classes[images.labels[place[image.tobytes()]]] for image in PIXELS]


@pytest.mark.parametrize(
    ("before", "names"),
    [
        (["", ""], ["0", "1"]),
        (["set/", "set/"], ["0", "1"]),
        (["part-0/", "part-1/"], ["part-0", "part-1"]),  # as packing a folder adds its name
    ],
)
def test_folders_are_read_across_shards(tmp_path, before, names):
    for rows, inside, name in zip([range(5), range(5, 12)], before, names, strict=True):
        tarred(tmp_path / f"{name}.tar", named(rows, inside))
    images = load_images(tmp_path)
    assert images.classes == tuple(CLASSES)
    assert classes_of(images) == [CLASSES[i] for i in LABELS]


def test_shards_that_hold_one_class_each(tmp_path):
    for label, name in enumerate(CLASSES):
        rows = [i for i in range(12) if LABELS[i] == label]
        tarred(tmp_path / f"{name}.tar", named(rows))
    assert classes_of(load_images(tmp_path)) == [CLASSES[i] for i in LABELS]


def test_shards_without_folders_have_no_classes(tmp_path):
    for part in (0, 1):
        rows = range(6 * part, 6 * part + 6)
        tarred(tmp_path / f"{part}.tar", {f"{i:02}.png": png(PIXELS[i]) for i in rows})
    assert load_images(tmp_path).labels is None


@pytest.mark.parametrize("pack", [zipped, tarred, unpacked])
@pytest.mark.parametrize("stray", ["cover.png", "a cover.png"])
def test_an_image_beside_the_folders_is_named(tmp_path, pack, stray):
    source = pack(
        tmp_path / f"set.{pack.__name__[:3]}", {**named(range(12)), stray: png(PIXELS[0])}
    )
    message = refused(source, f"{stray}: lies beside the 3 folders of classes")
    assert "put it into one of them" in message
    assert str(tmp_path) in message


def test_an_image_beside_the_folders_of_another_shard(tmp_path):
    tarred(tmp_path / "0.tar", named(range(12)))
    tarred(tmp_path / "1.tar", {"cover.png": png(PIXELS[0])})
    assert str(tmp_path / "1.tar") in refused(tmp_path, "cover.png: lies beside")


def test_an_image_beside_one_folder_is_no_stray(tmp_path):
    folder_of(tmp_path / "more", noise(5, 4, 4))
    folder_of(tmp_path, noise(5, 4, 4, seed=1))
    assert load_images(tmp_path).labels is None


def test_other_files_beside_train_and_test_change_nothing(tmp_path):
    for part, sign in (("train", 0), ("test", 255)):
        for i, image in enumerate(PIXELS):
            save(tmp_path / part / CLASSES[LABELS[i]] / f"{i:02}.png", image ^ sign)
    (tmp_path / "LICENSE").write_text("do what you like")
    train, test = load_split(tmp_path)
    assert (len(train), len(test)) == (12, 12)
    assert train.classes == test.classes == tuple(CLASSES)


# -1, which stands for no label where classes are numbers


@pytest.mark.parametrize("kind", ["cls", "json"])
def test_minus_one_is_no_class_in_a_shard(tmp_path, kind):
    note = b"%d" if kind == "cls" else b'{"label": %d}'
    files = {f"{i:02}.png": png(image) for i, image in enumerate(PIXELS)}
    none = files | {f"{i:02}.{kind}": note % -1 for i in range(12)}
    assert load_images(tarred(tmp_path / "none.tar", none)).labels is None
    some = files | {f"{i:02}.{kind}": note % (i - 1) for i in range(12)}
    refused(tarred(tmp_path / "some.tar", some), "has label -1")


def test_minus_one_is_no_class_in_an_npz(tmp_path):
    assert load_images(npz(tmp_path / "a.npz", x=PIXELS, y=np.full(12, -1))).labels is None
    refused(npz(tmp_path / "b.npz", x=PIXELS, y=np.arange(12) - 1), "array 'y': has label -1")
