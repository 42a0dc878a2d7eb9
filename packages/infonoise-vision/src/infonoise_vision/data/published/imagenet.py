"""Downsampled ImageNet (Chrabaszcz et al. 2017) as handed out: .npz files of flat rows.

train_data_batch_1.npz ... train_data_batch_10.npz, val_data.npz: data (n, 3 side^2) bytes, channel
by channel, labels (n,) from 1 on, mean. At 64x64 a batch is 1.5 GB: one is in memory at a time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.npz import read_archive, read_numbers
from infonoise_vision.data.formats.source import (
    Labels,
    NewArray,
    Opened,
    Progress,
    Read,
    Rows,
    index_labels,
)

_TRAIN = re.compile(r"train_data(_batch_(\d+))?\.npz$")
_TEST = "val_data.npz"


def train_batches(folder: Path) -> list[Path]:
    """The training files of a folder, in order of their numbers."""
    found = ((_TRAIN.fullmatch(file.name), file) for file in folder.iterdir())
    return [file for _, file in sorted((int(m[2] or 0), file) for m, file in found if m)]


def read_batches(folder: Path) -> Opened:
    """All training files as one set, and the validation images held out where they are there."""
    train = Batches.of(folder.resolve().name, train_batches(folder))
    test = folder / _TEST
    return Opened(train, Batches.of(train.name, [test])) if test.is_file() else Opened(train)


@dataclass(frozen=True, eq=False)
class Batches:
    """Images in several files of rows.

    Attributes:
        counts: How many images each file has.
    """

    name: str
    files: Sequence[Path]
    counts: Sequence[int]
    labels: Labels
    classes: tuple[str, ...]

    @classmethod
    def of(cls, name: str, files: Sequence[Path]) -> "Batches":
        """The labels alone are read."""
        stored = [read_numbers(file, "labels") for file in files]
        where = f"{files[0].parent}, labels"
        labels, classes = index_labels(where, np.concatenate(stored))
        return cls(name, files, [len(part) for part in stored], labels, classes)

    def __len__(self) -> int:
        return sum(self.counts)

    def read(
        self,
        rows: Rows,
        size: int | None,
        new: NewArray,
        progress: Progress | None,
        bad: BadRecords,
    ) -> Read:
        pixels, done = None, 0
        starts = np.cumsum([0, *self.counts])
        for (file, arrays), start, end in zip(
            _read(self.files), starts[:-1], starts[1:], strict=True
        ):
            inside = rows[(rows >= start) & (rows < end)] - start
            part = np.asarray(arrays.read(inside, size, new, None, bad).pixels, np.uint8)
            if pixels is None:
                pixels = new((len(rows), *part.shape[1:]))
            if part.shape[1:] != pixels.shape[1:]:
                raise InputError(f"{file}: its images are of another size; fetch it again")
            pixels[done : done + len(part)] = part
            done += len(part)
            if progress is not None:
                progress(done, len(rows))
        if pixels is None:
            raise InputError(f"{self.name}: holds no images")
        return Read(pixels, 256, rows)


def _read(files: Sequence[Path]) -> Iterator[tuple[Path, Arrays]]:
    for file in files:
        arrays = read_archive(file).train
        if not isinstance(arrays, Arrays) or arrays.images.dtype != np.uint8:
            raise InputError(f"{file}: holds no bytes; fetch it again")
        yield file, arrays
