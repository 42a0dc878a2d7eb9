"""Images from arrays and from Datasets of torch: the same as those of files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset

import infonoise_vision
from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet, load_split
from infonoise_vision.data.own import Images

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 5, 4), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (40, 3, 5, 4), dtype=np.uint8)
LABELS = np.arange(40) % 3


def parts(images: Images, folder: Path) -> tuple[ImageSet, ImageSet]:
    """As every verb reads them."""
    return load_split(images.save(folder))


def same(one: tuple[ImageSet, ImageSet], other: tuple[ImageSet, ImageSet]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert (a.levels, a.classes) == (b.levels, b.classes)
        assert (a.labels is None) == (b.labels is None)
        if a.labels is not None and b.labels is not None:
            np.testing.assert_array_equal(a.labels, b.labels)


def test_arrays_are_what_an_archive_of_them_is(tmp_path: Path) -> None:
    assert infonoise_vision.Images is Images
    np.savez(tmp_path / "data.npz", images=COLOUR, labels=LABELS)
    found = parts(Images.from_arrays(COLOUR, LABELS), tmp_path / "mine")
    same(found, load_split(tmp_path / "data.npz"))


@pytest.mark.parametrize(
    "given",
    [
        COLOUR, torch.from_numpy(COLOUR), np.moveaxis(COLOUR, 1, -1), COLOUR.astype(np.int64),
        COLOUR / 255, (COLOUR / 127.5 - 1).astype(np.float32),
        torch.from_numpy(COLOUR).float() / 255,
    ],
    ids=["bytes", "tensor", "channels last", "whole", "0..1", "-1..1", "ToTensor"],
)  # fmt: skip
def test_the_same_pictures_in_other_words_are_the_same(given: Any, tmp_path: Path) -> None:
    images = Images.from_arrays(given, LABELS)
    same(parts(images, tmp_path / "a"), parts(Images.from_arrays(COLOUR, LABELS), tmp_path / "b"))
    assert len(images) == 40


def test_real_numbers_that_are_no_bytes_stay(tmp_path: Path) -> None:
    real = RNG.uniform(-1, 1, (40, 5, 4)).astype(np.float32)
    train, held_out = parts(Images.from_arrays(real), tmp_path / "real")
    assert train.levels is None
    np.testing.assert_array_equal(np.sort(np.concatenate([train.pixels, held_out.pixels]), None),
                                  np.sort(real, None))  # fmt: skip


class Pairs(Dataset[Any]):
    """Of the kind that has a length; going through it would find no end."""

    classes = ("a", "b", "c")

    def __init__(self, images: Any, labels: Any = None) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Any:
        i %= len(self.images)
        return self.images[i] if self.labels is None else (self.images[i], self.labels[i])


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(zip(torch.from_numpy(COLOUR), LABELS, strict=True))


@pytest.mark.parametrize(
    "dataset",
    [
        Pairs(torch.from_numpy(COLOUR), torch.from_numpy(LABELS)),
        Pairs(torch.from_numpy(COLOUR).float() / 255, LABELS),
        Pairs(np.moveaxis(COLOUR, 1, -1), LABELS),
        Pairs([Image.fromarray(x) for x in np.moveaxis(COLOUR, 1, -1)], [int(x) for x in LABELS]),
    ],
    ids=["tensors", "ToTensor", "arrays", "pictures"],
)
def test_datasets_are_what_their_images_are(dataset: Any, tmp_path: Path) -> None:
    known = Images.from_arrays(COLOUR, LABELS, classes=["a", "b", "c"])
    same(parts(Images.from_dataset(dataset), tmp_path / "a"), parts(known, tmp_path / "b"))


def test_streams_and_images_without_labels(tmp_path: Path) -> None:
    known = parts(Images.from_arrays(COLOUR, LABELS), tmp_path / "a")
    same(parts(Images.from_dataset(Stream()), tmp_path / "b"), known)
    train, _ = parts(Images.from_dataset(Pairs(GREY)), tmp_path / "c")
    assert (train.labels, train.shape) == (None, (1, 5, 4))


def test_test_images_are_held_out(tmp_path: Path) -> None:
    one, two = slice(30), slice(30, 40)
    images = Images.from_dataset(
        Pairs(COLOUR[one], LABELS[one]), test=Pairs(COLOUR[two], LABELS[two])
    )
    train, held_out = parts(images, tmp_path / "a")
    assert (len(train), len(held_out), train.classes) == (30, 10, ("a", "b", "c"))
    again = Images.from_arrays(
        COLOUR[one], LABELS[one], test=COLOUR[two], test_labels=LABELS[two], classes=Pairs.classes
    )
    same((train, held_out), parts(again, tmp_path / "b"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Images.from_arrays(GREY[:4]).save("x"), "holds 4 images; at least 8"),
        (lambda: Images.from_arrays(GREY, LABELS[:3]), "labels of shape (3,) for 40 images"),
        (lambda: Images.from_arrays(GREY, LABELS, classes=["a"]), "label 1 for 1 classes"),
        (lambda: Images.from_arrays(GREY * 20.0), "4 is the largest that is taken"),
        (lambda: Images.from_arrays(GREY, levels=4), "grey levels run from 0 to 3"),
        (lambda: Images.from_arrays(np.full((9, 2, 2), np.nan)), "NaN or infinite"),
        (lambda: Images.from_dataset(Pairs([GREY[0], GREY[0, :3]])), "bring them to one size"),
        (lambda: Images.from_dataset([]), "holds no images"),
    ],
)
def test_mistakes_are_one_line(make: Any, said: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert said in str(error.value)
    assert "\n" not in str(error.value)
