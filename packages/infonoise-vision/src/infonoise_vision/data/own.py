"""Images that are there in Python: arrays, or any Dataset of torch."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import (
    Arrays,
    channels_first,
    grey_levels,
    real_numbers,
)
from infonoise_vision.data.formats.source import Labels, Opened, index_labels, named_labels
from infonoise_vision.data.images import opened_enough
from infonoise_vision.data.options import Reading
from infonoise_vision.data.prepare import prepare_opened

# How far real numbers may lie from whole ones to be bytes that were divided.
_WHOLE = 1e-3


@dataclass(frozen=True)
class Images:
    """Images to train on, in memory.

    `save` writes them as `infonoise-vision prepare` does, for every verb to take by that name.
    """

    opened: Opened

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any = None,
        *,
        test: Any = None,
        test_labels: Any = None,
        classes: Sequence[str] = (),
        levels: int | None = None,
        name: str = "images",
    ) -> "Images":
        """Arrays or tensors.

        Args:
            images: (n, h, w), (n, h, w, c) or (n, c, h, w): bytes, truth values, other whole
                numbers with `levels`, or real numbers of about -1..1. Real numbers that are bytes
                over 255, or over 127.5 less 1, are taken as the bytes.
            labels: (n,) whole numbers from 0 on, or names; None for none.
            test: Images to be held out; None for a share of the others.
            test_labels: Theirs.
            classes: Names that whole numbers count into; by default the labels themselves.
            levels: Number of grey levels where there are not 256.
            name: For reports.

        Raises:
            InputError: Names what is wrong.
        """
        train = _arrays(name, images, labels, classes, levels)
        if test is None:
            return cls(Opened(train))
        return cls(Opened(train, _arrays(f"{name}, test", test, test_labels, classes, levels)))

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        test: Any = None,
        classes: Sequence[str] | None = None,
        name: str | None = None,
    ) -> "Images":
        """Any Dataset of torch, or another iterable, of images or of pairs of image and label.

        Args:
            dataset: Its images, of one size, are tensors or arrays (c, h, w), (h, w, c) or (h, w),
                or pictures of Pillow; see `from_arrays`.
            test: Another one, to be held out.
            classes: Names of the labels; by default the dataset's own `classes`, where it has some.
            name: For reports; by default its class.
        """
        name = name or type(dataset).__name__
        own = classes if classes is not None else getattr(dataset, "classes", ())
        images, labels = _gathered(name, dataset)
        if test is None:
            return cls.from_arrays(images, labels, classes=own, name=name)
        more, test_labels = _gathered(f"{name}, test", test)
        return cls.from_arrays(
            images, labels, test=more, test_labels=test_labels, classes=own, name=name
        )

    def __len__(self) -> int:
        return len(self.opened.train)

    def save(
        self, folder: str | Path, *, held_out: float | None = None, overwrite: bool = False
    ) -> Path:
        """Write a prepared set.

        Args:
            folder: To write; a prepared set that is there is replaced with `overwrite` alone.
            held_out: Where there are no test images, the share or number to hold out.

        Returns:
            The folder.
        """
        out = Path(folder)
        opened = opened_enough(self.opened, Reading())
        prepare_opened(opened, out, held_out=held_out, overwrite=overwrite)
        return out


def _arrays(
    name: str, images: Any, labels: Any, classes: Sequence[str], levels: int | None
) -> Arrays:
    stored = channels_first(name, np.asarray(images))
    index, names = _labels(name, labels, tuple(map(str, classes)), len(stored))
    if stored.dtype.kind == "f":
        found = _bytes(name, stored)
        if found is None:
            return Arrays(name, real_numbers(name, stored), None, index, names)
        stored = found
    levels = 2 if stored.dtype.kind == "b" else levels
    return Arrays(name, grey_levels(name, stored, levels), levels, index, names)


def _bytes(name: str, real: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Bytes that real numbers were made of, as torchvision's ToTensor does; None for others."""
    low, high = float(real.min()), float(real.max())
    if not (low >= -1 and high <= 1):
        return None
    levels = real * 255 if low >= 0 else (real + 1) * 127.5
    whole = np.rint(levels)
    # Of a picture that is all black or white, nothing would be known.
    if np.abs(levels - whole).max() > _WHOLE or low == high:
        return None
    how = "bytes over 255" if low >= 0 else "bytes over 127.5, less 1"
    print(f"note: {name}: real numbers that are {how} are taken as the bytes", file=sys.stderr)
    return whole.astype(np.uint8)


def _labels(
    name: str, labels: Any, classes: tuple[str, ...], n: int
) -> tuple[Labels, tuple[str, ...]]:
    if labels is None:
        return None, ()
    stored = np.asarray(labels)
    if stored.shape != (n,):
        raise InputError(f"{name}: labels of shape {stored.shape} for {n} images; give one each")
    index, names = index_labels(name, stored)
    if not classes or index is None or stored.dtype.kind in "US":
        return index, names
    return named_labels(name, stored.astype(np.int64), classes)


def _gathered(name: str, dataset: Any) -> tuple[NDArray[Any], list[Any] | None]:
    """All images (n, ...) of one kind, and their labels where there are some."""
    pixels: list[NDArray[Any]] = []
    labels: list[Any] = []
    for item in _items(dataset):
        pair = isinstance(item, tuple | list) and len(item) > 1
        pixels.append(_image(item[0] if isinstance(item, tuple | list) else item))
        if pair:
            labels.append(item[1] if isinstance(item[1], str) else np.asarray(item[1]).item())
        if pixels[-1].shape != pixels[0].shape:
            raise InputError(
                f"{name}: image {len(pixels) - 1} is {pixels[-1].shape} and the first"
                f" {pixels[0].shape}; bring them to one size, as a transform of the dataset"
            )
    if not pixels:
        raise InputError(f"{name}: holds no images")
    return np.stack(pixels), labels or None


def _items(dataset: Any) -> Iterator[Any]:
    """A Dataset with a length may know no end when it is gone through."""
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return (dataset[i] for i in range(len(dataset)))
    items: Iterable[Any] = dataset
    return iter(items)


def _image(image: Any) -> NDArray[Any]:
    """A tensor, an array or a picture as an array; which number counts channels is seen later."""
    stored = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    return stored[None] if stored.ndim == 2 else stored
