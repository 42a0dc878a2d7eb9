"""Pictures that images are to be drawn from, one beside each: edges, sketches, grey, masks."""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.source import (
    Half,
    NewArray,
    Opened,
    Paired,
    Pixels,
    Rows,
    Source,
)
from infonoise_vision.data.open import open_source
from infonoise_vision.data.options import Reading

_OTHER: dict[Half, Half] = {"left": "right", "right": "left"}


def unit_values(pixels: Pixels, levels: int | None, rows: NDArray[Any]) -> Tensor:
    """Pixels at `rows` (b,) of (n, c, h, w), grey levels spread over [-1, 1]; (b, c, h, w)."""
    # Only these rows leave a mapped file.
    values = torch.from_numpy(np.asarray(pixels[rows])).to(torch.float32)
    return values if levels is None else values * 2 / (levels - 1) - 1


@dataclass(frozen=True, eq=False)
class Pairs:
    """One picture for each image of a set.

    Attributes:
        pixels: (n, c, h, w), uint8 where `levels` is set, else float32; c is their own.
        levels: Number of grey levels; None for real numbers.
    """

    pixels: Pixels
    levels: int | None

    @property
    def channels(self) -> int:
        """Of one picture."""
        return int(self.pixels.shape[1])

    def x0(self, rows: NDArray[Any]) -> Tensor:
        """(b, c, h, w) between -1 and 1."""
        return unit_values(self.pixels, self.levels, rows)

    def take(self, rows: Rows) -> "Pairs":
        """Those at `rows` (k,), in that order."""
        return replace(self, pixels=self.pixels[rows])


def opened_pairs(opened: Opened, reading: Reading) -> Opened:
    """The same with pairs, where the reading names some.

    Raises:
        InputError: For images without a pair of their name, and for parts that do not fit.
    """
    if reading.side_by_side is not None:
        side: Half = "left" if reading.side_by_side == "left" else "right"
        parts = [p if p is None else _halves(p, side) for p in (opened.train, opened.held_out)]
        assert parts[0] is not None
        return Opened(parts[0], parts[1])
    if reading.pair is None:
        return opened
    if isinstance(opened.train, Paired):
        raise InputError(f"--pair {reading.pair}: {opened.train.name} has pairs; leave it out")
    other = open_source(reading.pair)
    if (other.held_out is None) != (opened.held_out is None):
        with_test = "the images" if other.held_out is None else f"--pair {reading.pair}"
        raise InputError(
            f"--pair {reading.pair}: of images and pairs, {with_test} alone have test images of"
            " their own; give both in the same parts, or a part of each"
        )
    train = _matched(opened.train, other.train, reading.pair)
    if opened.held_out is None or other.held_out is None:
        return Opened(train)
    return Opened(train, _matched(opened.held_out, other.held_out, reading.pair))


def read_pairs(
    source: Paired, rows: Rows, shape: tuple[int, ...], reading: Reading, new: NewArray
) -> tuple[Pairs, Rows]:
    """Pairs of the images at `rows` (n,) of a source, and which of the rows have one.

    Args:
        shape: (h, w) of the images.

    Raises:
        InputError: For pairs of another size.
    """
    assert reading.bad is not None
    pixels, levels, kept = source.read_pairs(rows, reading.size, new, reading.bad)
    if pixels.shape[2:] != shape:
        pair, image = (f"{w}x{h}" for h, w in (pixels.shape[2:], shape))
        raise InputError(
            f"{source.name}: its pairs are {pair} pixels and the images {image}; bring both to one"
            " size with --size N"
        )
    return Pairs(pixels, levels), np.flatnonzero(np.isin(rows, kept))


def _halves(source: Source, given: Half) -> Paired:
    """Images whose other half they are drawn from."""
    # Only here is Pillow needed.
    from infonoise_vision.data.formats.encoded import Encoded

    whole = np.arange(len(source))
    if isinstance(source, Encoded):
        return Paired(replace(source, half=_OTHER[given]), replace(source, half=given), whole)
    if not isinstance(source, Arrays):
        raise InputError(
            f"--side-by-side: {source.name} is prepared or paired already; leave it out, or give"
            " the files"
        )
    width = source.images.shape[3]
    if width % 2:
        raise InputError(
            f"--side-by-side: {source.name} is {width} pixels wide; two images side by side have an"
            " even width"
        )
    left = replace(source, images=source.images[..., : width // 2])
    right = replace(source, images=source.images[..., width // 2 :])
    image, pair = (right, left) if given == "left" else (left, right)
    return Paired(image, pair, whole)


def _matched(images: Source, pairs: Source, named: str) -> Paired:
    """Each image with the picture of its name; arrays one after the other."""
    ours, theirs = _keys(images), _keys(pairs)
    if ours is None or theirs is None:
        if ours is not None or theirs is not None or len(images) != len(pairs):
            raise InputError(
                f"--pair {named}: holds {len(pairs)} pictures for {len(images)} images, and not"
                " both have names; give two folders with the same names, or as many of both"
            )
        return Paired(images, pairs, np.arange(len(images)))
    at = {key: i for i, key in enumerate(theirs)}
    if len(at) < len(theirs) or len(set(ours)) < len(ours):
        several = theirs if len(at) < len(theirs) else ours
        twin = next(key for i, key in enumerate(several) if key in several[:i])
        raise InputError(
            f"--pair {named}: two files are called {twin}, but for their endings; rename one"
        )
    if ours[0] not in at and (ending := _ending(ours, at, named)):
        at = {key.removesuffix(ending): i for key, i in at.items() if key.endswith(ending)}
    lone = [key for key in ours if key not in at]
    if lone:
        more = f" and {len(lone) - 1} others" if len(lone) > 1 else ""
        raise InputError(
            f"--pair {named}: holds no picture called {lone[0]}{more}, as an image is; give every"
            " image a pair of its name, or take it out"
        )
    beside = len(theirs) - len(ours)
    if beside:
        print(f"note: --pair {named}: {beside} pictures without an image left out", file=sys.stderr)
    return Paired(images, pairs, np.array([at[key] for key in ours], np.int64))


def _ending(ours: Sequence[str], theirs: Collection[str], named: str) -> str:
    """What stands behind the names of all pairs, as in 1_mask.png beside 1.png, and a line of it.

    Empty where there is no such word, or several.
    """
    first = ours[0]
    found = {key.removeprefix(first) for key in theirs if key.startswith(first)}
    fitting = [e for e in found if e[0] in "_-." and all(key + e in theirs for key in ours)]
    if len(fitting) != 1:
        return ""
    print(
        f"note: --pair {named}: pictures are called as images, with {fitting[0]}", file=sys.stderr
    )
    return fitting[0]


def _keys(source: Source) -> list[str] | None:
    """Names of its images, where they are files."""
    keys: Callable[[], list[str]] | None = getattr(source, "keys", None)
    return None if keys is None else keys()
