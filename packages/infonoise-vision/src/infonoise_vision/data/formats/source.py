"""What every reader of a format gives: images that can be taken in part, and their labels."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords

Bytes = NDArray[np.uint8]
Pixels = Bytes | NDArray[np.float32]
Labels = NDArray[np.int64] | None
Rows = NDArray[np.int64]
# Of a file: its bytes, or the error that it cannot be read.
Content = bytes | InputError
Progress = Callable[[int, int], None]
# Of a file that holds two images side by side.
Half = Literal["left", "right"]
# Shape -> array of bytes to fill: in memory, or in a file.
NewArray = Callable[[tuple[int, ...]], Bytes]

# Images looked at together where all are gone through: flat memory whatever their number.
CHUNK = 1024


class Read(NamedTuple):
    """What was read of a source.

    Attributes:
        pixels: (n, c, h, w).
        levels: Their number of grey levels, or None.
        rows: (n,) where they stand in the source; bad ones among those wanted are left out.
    """

    pixels: Pixels
    levels: int | None
    rows: Rows


class Source(Protocol):
    """A set of images."""

    @property
    def name(self) -> str:
        """For reports."""

    @property
    def labels(self) -> Labels:
        """(n,) class index of each image, or None."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty without labels."""

    def __len__(self) -> int: ...

    def read(
        self,
        rows: Rows,
        size: int | None,
        new: NewArray,
        progress: Progress | None,
        bad: BadRecords,
    ) -> "Read":
        """Images at ascending `rows`.

        Args:
            size: Cut the centred square out and bring it to size x size.
            new: Makes the array that image files are decoded into.
            bad: Counts the files that cannot be read.
        """


@dataclass(frozen=True)
class Opened:
    """What a path or name holds: training images, and the held-out ones where it says which."""

    train: Source
    held_out: Source | None = None

    def __post_init__(self) -> None:
        held_out, classes = self.held_out, self.train.classes
        if held_out is None or held_out.labels is None or held_out.classes == classes:
            return
        alone = sorted(set(classes) ^ set(held_out.classes))
        some = ", ".join(alone[:5]) + (", ..." if len(alone) > 5 else "")
        if not classes or not set(held_out.classes) <= set(classes):
            raise InputError(
                f"{self.train.name}: has {len(classes)} classes for training and"
                f" {len(held_out.classes)} for testing, or others ({some} in one alone); name"
                " one of the two parts"
            )
        print(f"note: {self.train.name}: no test images of class {some}", file=sys.stderr)
        whole: Source = Relabelled(held_out, classes)
        if isinstance(held_out, Paired):
            whole = replace(held_out, source=Relabelled(held_out.source, classes))
        object.__setattr__(self, "held_out", whole)


@dataclass(frozen=True, eq=False)
class _Around:
    """A source in place of another, which it is but for what it says itself."""

    source: Source

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def labels(self) -> Labels:
        return self.source.labels

    def __len__(self) -> int:
        return len(self.source)

    def read(
        self,
        rows: Rows,
        size: int | None,
        new: NewArray,
        progress: Progress | None,
        bad: BadRecords,
    ) -> Read:
        return self.source.read(rows, size, new, progress, bad)


@dataclass(frozen=True, eq=False)
class Relabelled(_Around):
    """A source whose classes are some of `classes`, which its labels are to count into."""

    classes: tuple[str, ...]

    @property
    def labels(self) -> Labels:
        if self.source.labels is None:
            return None
        at = [self.classes.index(name) for name in self.source.classes]
        return np.array(at, np.int64)[self.source.labels]


@dataclass(frozen=True, eq=False)
class Paired(_Around):
    """Images, and beside each a picture that it is to be drawn from.

    Attributes:
        source: Of the images.
        pairs: Of the pictures.
        at: (n,) which of these belongs to each image.
    """

    pairs: Source
    at: Rows

    @property
    def classes(self) -> tuple[str, ...]:
        return self.source.classes

    @property
    def lone(self) -> str | None:
        """The one class folder of the images."""
        found: str | None = getattr(self.source, "lone", None)
        return found

    def read_pairs(self, rows: Rows, size: int | None, new: NewArray, bad: BadRecords) -> Read:
        """The pictures of the images at `rows`, in their order; `rows` are the images'."""
        places = self.at[rows]
        order = np.argsort(places)
        found = self.pairs.read(places[order], size, new, None, bad)
        # Which of the wanted ones are there, and where each lies in what was read.
        there = np.flatnonzero(np.isin(places, found.rows))
        back = np.searchsorted(found.rows, places[there])
        whole = len(back) == len(found.rows) and bool((np.diff(back) > 0).all())
        # What lies in its order stays in its file.
        pixels = found.pixels if whole else found.pixels[back]
        return Read(pixels, found.levels, rows[there])


def in_memory(shape: tuple[int, ...]) -> Bytes:
    """An array to fill."""
    return np.empty(shape, np.uint8)


def chunks(pixels: Bytes) -> Iterator[Bytes]:
    """Views of CHUNK images each."""
    return (pixels[i : i + CHUNK] for i in range(0, len(pixels), CHUNK))


def index_labels(
    where: str, stored: NDArray[Any] | Sequence[int] | Sequence[str]
) -> tuple[Labels, tuple[str, ...]]:
    """Class index of each label, and the class names: the distinct labels, sorted.

    Where all are -1 there are no labels.

    Raises:
        InputError: For a negative number among others.
    """
    try:
        stored = np.asarray(stored)
    except (OverflowError, ValueError):  # too large, or lists among labels
        stored = np.asarray(None)
    if stored.dtype.kind not in "iubUST" or stored.ndim == 0:
        raise InputError(f"{where}: has labels that are no names or numbers of 64 bits; give such")
    if stored.dtype.kind == "i" and len(stored) and stored.min() < 0:
        if (stored == -1).all():
            return None, ()
        raise InputError(
            f"{where}: has label {stored.min()}, and a number below 0 stands for no class; give"
            " every image a class from 0 on, or none"
        )
    names, index = np.unique(stored, return_inverse=True)
    return index.reshape(-1).astype(np.int64), tuple(str(name) for name in names)


def named_labels(
    where: str, labels: NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[Rows, tuple[str, ...]]:
    """Labels that count into `classes`; InputError for one that is no index of them."""
    wrong = labels[(labels < 0) | (labels >= len(classes))]
    if len(wrong):
        raise InputError(
            f"{where}: has label {wrong[0]} for {len(classes)} classes; correct the labels"
        )
    return labels, classes
