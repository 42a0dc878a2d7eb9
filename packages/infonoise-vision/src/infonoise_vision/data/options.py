"""Options of how images are read and divided; imports neither torch nor numpy."""

from collections.abc import Callable
from dataclasses import dataclass

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords

MIN_IMAGES = 8
# A fifth of a small set, for a measure of few images is all noise; of a large one no more than the
# measures can use, which learn little from more than 10,000.
SHARE, AT_MOST = 0.2, 10_000


@dataclass(frozen=True)
class Reading:
    """How images are read; InputError for what makes no sense.

    Attributes:
        size: Cut the centred square out of each image and bring it to size x size.
        limit: Keep that many images, evenly spaced through the source.
        binarize: Pixels above this share of the brightest become 1, all others 0 (after resizing,
            and after colours were turned to grey).
        progress: Called with (done, total) while image files are decoded.
        bad: Counts image files that cannot be read, which are left out; without, the first is an
            error.
        allow_large: Read pictures of any number of pixels, which Pillow refuses from 179 million
            on.
        lone_class: Where there are no classes and all images lie in one folder, that is one.
        pair: Where a picture of the same name beside each image is.
        side_by_side: Each file holds two images, and this half, left or right, is the pair.
        stream: Decode training images when they are asked for, in place of all now.
    """

    size: int | None = None
    limit: int | None = None
    binarize: float | None = None
    progress: Callable[[int, int], None] | None = None
    bad: BadRecords | None = None
    allow_large: bool = False
    lone_class: bool = False
    pair: str | None = None
    side_by_side: str | None = None
    stream: bool = False

    def __post_init__(self) -> None:
        check_pair(self.pair, self.side_by_side)
        if self.size is not None and self.size < 1:
            raise InputError(
                f"--size {self.size}: give the side of the square in pixels, 1 or more"
            )
        if self.limit is not None and self.limit < MIN_IMAGES:
            raise InputError(f"--limit {self.limit}: at least {MIN_IMAGES} images are needed")
        if self.binarize is not None and not 0 <= self.binarize < 1:
            raise InputError(
                f"--binarize {self.binarize:g}: give a share of the brightest, from 0 to below 1"
            )


def check_pair(pair: str | None, side_by_side: str | None) -> None:
    """InputError for two ways to say what is beside images, and for a side that is none."""
    if side_by_side not in (None, "left", "right"):
        raise InputError(
            f"--side-by-side {side_by_side}: give the half that images are drawn from, left or"
            " right"
        )
    if pair is not None and side_by_side is not None:
        raise InputError(
            f"--pair {pair} --side-by-side {side_by_side}: pairs lie in files of their own or"
            " beside the images; give one of them"
        )


def check_held_out(held_out: float | None) -> None:
    """InputError for what is neither a share nor a number of images."""
    if held_out is None or 0 < held_out < 1 or (held_out >= 2 and held_out % 1 == 0):
        return
    raise InputError(
        f"--held-out {held_out:g}: give a share between 0 and 1, like 0.2, or a number of images,"
        " 2 or more"
    )
