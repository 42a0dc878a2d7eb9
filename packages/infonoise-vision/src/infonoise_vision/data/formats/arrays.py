"""Images that are an array already.

Headers of .npy files are checked before anything is allocated for them: numpy makes room for what
one declares before it reads a byte, and 300 bytes can ask for 73 GiB.
"""

import math
import sys
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.reading import check_fits, check_regular, size_words
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

_MAGIC = b"\x93NUMPY"
# Deflate makes at most 1,032 bytes of one; the members of an .npz are stored or deflated.
_DEFLATE = 1_032
_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# Pixels fill -1..1; latents and standardised values reach some 4.
_LARGEST = 4.0
# Numbers of channels that a picture has.
_COLOURS = range(1, 5)


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
    # Most sets show by their first image that they have more, and are not read once again.
    if not np.isin(pixels[:1], (0, 1, 255)).all():
        return 256
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


def channels_first(where: str, images: NDArray[Any]) -> NDArray[Any]:
    """(n, h, w), (n, h, w, c) or (n, c, h, w) -> (n, c, h, w).

    Of four sides, 1 to 4 counts channels wherever it is; else the one that is no side of a square,
    as in latents (n, 16, 8, 8); else the smaller of the outer two.
    """
    shape = images.shape
    if 0 in shape:
        raise InputError(f"{where}: has shape {shape}, so no pixels; store images in it")
    outer = (shape[1], shape[3]) if images.ndim == 4 else (0, 0)
    if images.ndim == 3 and not (shape[2] in _COLOURS and shape[1] > 2 * _COLOURS[-1]):
        return images[:, None]
    if outer[0] == outer[1] or (shape[2] <= _COLOURS[-1] < min(outer)):
        thin = outer[0] != outer[1] and min(outer) > 0
        last = "; move the last axis first if it counts the images" if thin else ""
        last = "; of one image make images[None]" if images.ndim == 3 else last
        raise InputError(
            f"{where}: has shape {shape}; reshape it to (images, height, width), "
            f"(images, height, width, channels) or (images, channels, height, width){last}"
        )
    squares = (shape[2] == shape[3], shape[1] == shape[2])
    last_counts = outer[1] < outer[0]
    if min(outer) > _COLOURS[-1] and any(squares):
        last_counts = squares[1]
    return np.moveaxis(images, 3, 1) if last_counts else images


def real_numbers(where: str, images: NDArray[Any]) -> NDArray[np.float32]:
    """Finite real numbers, used as they are; their range is said, or refused."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, refused below
        real = np.ascontiguousarray(images, np.float32)
    bad = np.flatnonzero(~np.isfinite(real).reshape(len(real), -1).all(axis=1))
    if len(bad):
        raise InputError(
            f"{where}: {len(bad)} images hold NaN or infinite values, first at index {bad[0]}; "
            "repair or remove them"
        )
    _say_range(where, float(real.min()), float(real.max()))
    return real


def _say_range(where: str, low: float, high: float) -> None:
    """A line about the range of real numbers; InputError for one that no network here is made for.

    Networks expect values about -1..1, and noise levels from --sigma-min to --sigma-max.
    """
    if max(-low, high) > _LARGEST:
        bytes_ = low >= 0 and high <= 255
        fix = "store x / 127.5 - 1, or whole numbers" if bytes_ else "bring them to about -1..1"
        raise InputError(
            f"{where}: has real numbers from {low:.4g} to {high:.4g}, and {_LARGEST:g} is the"
            f" largest that is taken; {fix}"
        )
    unit = "; these are 0..1, and 2 x - 1 would fill -1..1" if low >= 0 and high <= 1 else ""
    print(
        f"note: {where}: real numbers from {low:.4g} to {high:.4g}, used as they are{unit}",
        file=sys.stderr,
    )


def grey_levels(where: str, images: NDArray[Any], levels: int | None) -> NDArray[np.uint8]:
    """Whole numbers or truth values as so many grey levels, 256 where None; others are refused."""
    if images.dtype.kind not in "bui":
        raise InputError(f"{where}: has type {images.dtype}; store whole or real numbers")
    top = (levels or 256) - 1
    low, high = int(images.min()), int(images.max())
    if low < 0 or high > top:
        raise InputError(
            f"{where}: has values {low}..{high}, but grey levels run from 0 to {top}; "
            "rescale them, or store floats to use the values as they are"
        )
    return np.ascontiguousarray(images, np.uint8)


def check_npz(path: Path) -> None:
    """Check the headers of an archive of arrays; nothing else is unpacked.

    Raises:
        InputError: Where an array declares more than its member can hold, or more than this machine
            has memory.
    """
    check_regular(path)
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            where = f"{path}, array '{info.filename.removesuffix('.npy')}'"
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(f"{where}: is packed in a way that numpy does not write")
            if info.file_size > _DEFLATE * (info.compress_size + 64):
                raise InputError(
                    f"{where}: says {size_words(info.file_size)} but cannot hold that; it is"
                    " damaged or cut short: write the archive again"
                )
            with archive.open(info) as member:
                check_npy(member, info.file_size, where)


def check_npy(stream: Any, size: int, where: str) -> None:
    """InputError where the header at the start of a stream declares more than its `size` bytes."""
    head = stream.read(len(_MAGIC) + 2)
    if not head.startswith(_MAGIC):
        return  # not an array: whoever reads it says so
    reader = _READERS.get((head[-2], head[-1]))
    if reader is None:
        raise InputError(f"{where}: is an array of a version that is not read; save it again")
    counted = _Counted(stream)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, _, dtype = reader(counted)
        needed = math.prod(int(side) for side in shape) * dtype.itemsize
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, EOFError) as error:
        raise InputError(f"{where}: damaged or cut short ({type(error).__name__})") from None
    if dtype.hasobject:
        return  # its bytes say nothing of its size, and it is never read
    if needed < 0 or needed > size - len(head) - counted.read_bytes:
        raise InputError(
            f"{where}: declares {size_words(max(0, needed))} in shape {_shape_words(shape)} and"
            f" holds {size_words(size)}; it is damaged or cut short: write it again"
        )
    check_fits(needed, where)


def _shape_words(shape: tuple[int, ...]) -> str:
    words = "x".join(str(side)[:20] for side in shape[:8])
    return words + ("x..." if len(shape) > 8 else "")


class _Counted:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.read_bytes = stream, 0

    def read(self, n: int = -1) -> bytes:
        part = self._stream.read(n)
        self.read_bytes += len(part)
        return part
