"""Images that are an array already."""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.source import (
    Bytes,
    Labels,
    NewArray,
    Pixels,
    Progress,
    Read,
    Rows,
    chunks,
)


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images that are an array already.

    Attributes:
        images: (n, c, h, w), uint8 for whole numbers, float32 for real ones.
        levels: Number of grey levels, where the format says it; else None.
    """

    name: str
    images: Pixels
    levels: int | None = None
    labels: Labels = None
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def read(
        self,
        rows: Rows,
        size: int | None,
        new: NewArray,
        progress: Progress | None,
        bad: BadRecords,
    ) -> Read:
        pixels = self.images[rows]
        if size is not None and pixels.shape[2:] != (size, size):
            # Only here is Pillow needed.
            from infonoise_vision.data.formats.decode import resize_array

            say_resized(self.name, size, np.full(len(pixels), min(pixels.shape[2:])))
            pixels = resize_array(pixels, size)
        if self.levels is not None or pixels.dtype != np.uint8:
            return Read(pixels, self.levels, rows)
        grey = np.asarray(pixels, np.uint8)
        return Read(grey, black_or_white(grey), rows)


def say_resized(name: str, size: int, sides: NDArray[np.int64]) -> None:
    """A line about images whose centred square, of these sides, was not of the size."""
    larger, smaller = int((sides > size).sum()), int((sides < size).sum())
    said = [f"{larger} shrunk"] * (larger > 0) + [f"{smaller} enlarged"] * (smaller > 0)
    if said:
        range_ = f"{sides.min()}" if sides.min() == sides.max() else f"{sides.min()}..{sides.max()}"
        print(
            f"note: {name}: {len(sides)} images from {range_} to {size} pixels a side:"
            f" {', '.join(said)}",
            file=sys.stderr,
        )


def black_or_white(pixels: Bytes) -> int:
    """Number of grey levels: 2 for pixels of two values, which are made 0 and 1 in place, else 256.

    The two values are 0 and 1, or 0 and 255.
    """
    top = max(int(part.max()) for part in chunks(pixels))
    if top not in (1, 255):
        return 256
    if not all(((part == 0) | (part == top)).all() for part in chunks(pixels)):
        return 256
    if all(part.all() for part in chunks(pixels)):
        return 256
    for part in chunks(pixels):
        np.floor_divide(part, top, out=part)
    return 2
