"""Files -> examples: whatever `formats` can open becomes an ImageSet for training and one held out.

Nothing here knows a format; `source` says what their readers have in common.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.source import (
    Labels,
    NewArray,
    Opened,
    Paired,
    Pixels,
    Progress,
    Rows,
    Source,
    in_memory,
)
from infonoise_vision.data.latent_code import LatentCode
from infonoise_vision.data.open import open_source
from infonoise_vision.data.options import MIN_IMAGES, Reading, check_held_out
from infonoise_vision.data.pairs import Pairs, opened_pairs, read_pairs, unit_values
from infonoise_vision.data.split import refuse_void
from infonoise_vision.data.streamed import LEVELS, divided, streamed, taken
from infonoise_vision.data.thresholds import COLOURS, thresholded

Index = int | slice | Sequence[int] | NDArray[np.int64] | Tensor


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images as grey levels or as real numbers, in memory or mapped from a prepared file.

    Attributes:
        name: Of the source, for reports.
        pixels: (n, channels, height, width), uint8 where `levels` is set, else float32.
        levels: Number of grey levels of discrete images (2 binarised, 17 scikit-learn's digits,
            256 bytes); None where real numbers are used as they are.
        labels: (n,) int64 class index, or None.
        classes: Class names; empty without labels.
        scale: What the model's values are multiplied with.
        code: Of latents, how they were made; None for images.
        pairs: What each is drawn from; None where there is nothing beside them.
    """

    name: str
    pixels: Pixels
    levels: int | None
    labels: Labels = None
    classes: tuple[str, ...] = ()
    scale: float = 1.0
    code: LatentCode | None = None
    pairs: Pairs | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4:
            raise InputError(
                f"{self.name}: pixels have shape {self.pixels.shape}; "
                "give (images, channels, height, width)"
            )
        wanted = np.float32 if self.levels is None else np.uint8
        if self.pixels.dtype != wanted:
            raise InputError(
                f"{self.name}: pixels are {self.pixels.dtype} with levels={self.levels}; "
                "give uint8 with levels, float32 without"
            )
        if self.labels is not None and self.labels.shape != (len(self),):
            raise InputError(
                f"{self.name}: labels have shape {self.labels.shape} for {len(self)} images; "
                "give one label per image"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        _, c, h, w = self.pixels.shape
        return c, h, w

    @property
    def dim(self) -> int:
        """Number of values of one image, channels * height * width."""
        c, h, w = self.shape
        return c * h * w

    def x0(self, index: Index) -> Tensor:
        """Images as the model sees them, (b, c, h, w) float32; one number gives b = 1.

        Discrete images: 2 * pixel / (levels - 1) - 1, so that they fill [-1, 1]; times `scale`.
        """
        rows = _rows(index, len(self))
        return self.scale * unit_values(self.pixels, self.levels, rows)

    def given(self, index: Index) -> Tensor | None:
        """The pairs of these images, (b, c, h, w) times `scale`; None where there are none."""
        if self.pairs is None:
            return None
        return self.scale * self.pairs.x0(_rows(index, len(self)))

    @property
    def pair_channels(self) -> int:
        """Of a pair; 0 where there are none."""
        return 0 if self.pairs is None else self.pairs.channels

    def take(self, rows: Rows) -> "ImageSet":
        """The images at `rows`, in that order."""
        labels = None if self.labels is None else self.labels[rows]
        pairs = None if self.pairs is None else self.pairs.take(rows)
        return replace(self, pixels=taken(self.pixels, rows), labels=labels, pairs=pairs)

    def split(self, held_out: float | None = None, seed: int = 0) -> tuple["ImageSet", "ImageSet"]:
        """Training and held-out images: disjoint, in their old order, the same for one `seed`.

        Args:
            held_out: A share, a number of images, or None for a fifth, at most 10,000. All copies
                of an image, whatever their labels, fall on one side (`split.divide`), but for
                streamed ones, of which the held-out ones are decoded here.

        Raises:
            InputError: Where one side would be empty.
        """
        train, chosen = divided(self.name, self.pixels, held_out, seed)
        aside = self.take(chosen)
        return self.take(train), replace(aside, pixels=aside.pixels[:])


@dataclass(frozen=True)
class Parts:
    """The images that are trained on, and those that are not.

    Attributes:
        own_test: Whether the held-out ones are the data's own test images.
    """

    train: ImageSet
    held_out: ImageSet
    own_test: bool

    @property
    def both(self) -> tuple[ImageSet, ImageSet]:
        """Training and held-out images."""
        return self.train, self.held_out

    def refuse_void(self, held_out: float | None) -> None:
        """InputError where a number to hold out is given, but there are test images."""
        if self.own_test:
            refuse_void(self.train.name, len(self.held_out), held_out)


def _rows(index: Index, n: int) -> NDArray[np.int64]:
    if isinstance(index, slice):
        return np.arange(*index.indices(n))
    return np.atleast_1d(np.asarray(index))


def to_bytes(x0: Tensor | NDArray[np.float32], levels: int | None = None) -> NDArray[np.uint8]:
    """Images (n, c, h, w) in [-1, 1] -> (n, h, w, c) bytes to show or save; the inverse of x0.

    Args:
        levels: Number of grey levels to round to before they are spread over 0..255, so that
            level k becomes round(255 k / (levels - 1)); None means 256. Values beyond [-1, 1]
            are clipped, and a ValueError is raised for NaN, which no grey level can show.
    """
    x0 = torch.as_tensor(x0).detach().to("cpu", torch.float32)
    if x0.isnan().any():
        raise ValueError("images to show hold NaN: the model or the sampler has diverged")
    top = (levels or 256) - 1
    grey = ((x0.clamp(-1, 1) + 1) / 2 * top).round()
    shown: NDArray[np.uint8] = (grey * 255 / top).round().to(torch.uint8).movedim(1, -1).numpy()
    return np.ascontiguousarray(shown)


def load_images(
    source: str | Path | None = None,
    *,
    size: int | None = None,
    limit: int | None = None,
    binarize: float | None = None,
    progress: Progress | None = None,
    pair: str | None = None,
    side_by_side: str | None = None,
) -> ImageSet:
    """The training images of `source`; see `open.open_source` and `Reading`.

    Byte images with no values but 0 and 1, or 0 and 255, are binarised images: levels = 2.

    Raises:
        InputError: For whatever cannot be read, with the file or key at fault.
    """
    reading = Reading(size, limit, binarize, progress, pair=pair, side_by_side=side_by_side)
    return image_set(opened_enough(source, reading).train, reading)


def load_split(
    source: str | Path | None = None,
    *,
    size: int | None = None,
    limit: int | None = None,
    binarize: float | None = None,
    held_out: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[ImageSet, ImageSet]:
    """Training and held-out images of `source`, each of at most `limit`; see `Reading`.

    Held out are its own test images where it has some, else as many random ones as `held_out` says
    (see `ImageSet.split`).
    """
    return load_parts(source, Reading(size, limit, binarize, progress), held_out, seed).both


def load_parts(
    source: str | Path | None, reading: Reading, held_out: float | None = None, seed: int = 0
) -> Parts:
    """What `load_split` gives, and whether the source itself says which images are held out."""
    check_held_out(held_out)
    opened = opened_enough(source, reading)
    train = image_set(opened.train, reading)
    if opened.held_out is None:
        return Parts(*train.split(held_out, seed), own_test=False)
    test = image_set(opened.held_out, replace(reading, stream=False))
    refuse_unlike(train, test)
    return Parts(train, test, own_test=True)


def opened_enough(source: str | Path | Opened | None, reading: Reading) -> Opened:
    """`open_source` of what is not open yet, with its pairs; InputError for too few images."""
    opened = source if isinstance(source, Opened) else open_source(source)
    opened = opened_pairs(opened, reading)
    name = opened.train.name if isinstance(source, Opened) else source
    count = len(opened.train) + (0 if opened.held_out is None else len(opened.held_out))
    if count < MIN_IMAGES:
        raise InputError(f"{name}: holds {count} images; at least {MIN_IMAGES} are needed")
    return opened


def image_set(source: Source, reading: Reading, new: NewArray = in_memory) -> ImageSet:
    """Read a source; `new` makes the array that image files are decoded into."""
    count = len(source)
    # Evenly spaced, so that sorted classes all stay in.
    wanted = min(count, reading.limit or count)
    rows = np.arange(wanted) * count // wanted
    bad = BadRecords(0) if reading.bad is None else reading.bad
    pairs: Pairs | None = None
    levels: int | None = LEVELS
    if reading.stream:
        pixels = streamed(source, rows, reading.size)
    else:
        with _as_large(reading.allow_large):
            pixels, levels, rows = source.read(rows, reading.size, new, reading.progress, bad)
            if isinstance(source, Paired):
                known = replace(reading, bad=bad)
                pairs, kept = read_pairs(source, rows, pixels.shape[2:], known, new)
                if len(kept) < len(rows):
                    pixels, rows = pixels[kept], rows[kept]
    if len(rows) < MIN_IMAGES and bad.limit:
        raise InputError(f"{source.name}: {len(rows)} images can be read; {MIN_IMAGES} are needed")
    if reading.binarize is not None and (levels != 2 or pixels.shape[1] == COLOURS):
        pixels, levels = thresholded(source.name, pixels, levels, reading.binarize, new), 2
    labels = None if source.labels is None else source.labels[rows]
    classes = source.classes
    if reading.lone_class and labels is None and (lone := getattr(source, "lone", None)):
        labels, classes = np.zeros(len(rows), np.int64), (lone,)
    return ImageSet(source.name, pixels, levels, labels, classes, pairs=pairs)


def _as_large(allow: bool) -> AbstractContextManager[None]:
    if not allow:
        return nullcontext()
    # Only here is Pillow needed.
    from infonoise_vision.data.formats.decode import large_allowed

    return large_allowed()


def refuse_unlike(train: ImageSet, test: ImageSet) -> None:
    """InputError where one network cannot serve both."""
    for what, one, other in (
        ("shape", train.shape, test.shape),
        ("number of grey levels", train.levels, test.levels),
        ("number of channels of pairs", train.pair_channels, test.pair_channels),
    ):
        if one != other:
            raise InputError(
                f"{train.name}: the {what} of training images is {one}, of test images {other};"
                " bring them together with --size or --binarize, or name one of the two parts"
            )
