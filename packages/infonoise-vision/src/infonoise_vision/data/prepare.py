"""Any source -> a prepared set, written whole or not at all, in flat memory."""

import itertools
import math
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from infonoise_core.errors import InputError
from infonoise_core.files import whole_folder, write_json
from infonoise_core.reading import sha256_of
from infonoise_vision.data.formats.packed import (
    FORMAT,
    MANIFEST_FILE,
    PAIRS,
    PARTS,
    VERSION,
    is_packed,
    labels_file,
    pairs_file,
    read_packed,
)
from infonoise_vision.data.formats.source import CHUNK, Bytes, Opened, Pixels, Rows
from infonoise_vision.data.images import (
    ImageSet,
    image_set,
    opened_enough,
    refuse_unlike,
)
from infonoise_vision.data.options import Reading, check_held_out
from infonoise_vision.data.split import divide, refuse_void

# Bytes up to which a set is decoded in memory: a file that is mapped costs a fault for each page.
_IN_MEMORY = 1 << 26


def prepare(
    source: str | Path | None,
    out: Path,
    reading: Reading | None = None,
    *,
    held_out: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> tuple[ImageSet, ImageSet]:
    """Write `source` into the folder `out`, as training and held-out images; returns the two.

    The same images as `images.load_split` gives, decoded once: image files go straight into a file,
    so a set of them may be larger than memory. After an error or an interruption `out` is as it
    was.

    Args:
        held_out: Where the source has no test images, the share or number to hold out.

    Raises:
        InputError: For what is wrong with the source or `out`.
    """
    _refuse_existing(out, overwrite)
    check_held_out(held_out)
    reading = reading or Reading()
    return prepare_opened(
        opened_enough(source, reading), out, reading,
        held_out=held_out, seed=seed, overwrite=overwrite,
    )  # fmt: skip


def prepare_opened(
    opened: Opened,
    out: Path,
    reading: Reading | None = None,
    *,
    held_out: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> tuple[ImageSet, ImageSet]:
    """The same of a source that is open."""
    reading = reading or Reading()
    _refuse_existing(out, overwrite)
    check_held_out(held_out)
    if opened.held_out is not None:
        refuse_void(opened.train.name, len(opened.held_out), held_out)
    with whole_folder(out) as folder:
        _fill(folder, opened, reading, held_out, seed)
    first, second = (image_set(part, Reading()) for part in read_packed(out))
    return first, second


def _fill(
    folder: Path, opened: Opened, reading: Reading, held_out: float | None, seed: int
) -> None:
    scratch = _Scratch(folder)
    train = image_set(opened.train, reading, scratch.new)
    if opened.held_out is None:
        parts, rows = (train, train), divide(train.name, train.pixels, held_out, seed)
    else:
        test = image_set(opened.held_out, reading, scratch.new)
        refuse_unlike(train, test)
        parts, rows = (train, test), (np.arange(len(train)), np.arange(len(test)))
    for part, images, chosen in zip(PARTS, parts, rows, strict=True):
        _write(folder, part, images, chosen)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "name": train.name,
        "levels": train.levels,
        "classes": list(train.classes),
        "sha256": {file.name: sha256_of(file) for file in _files(folder)},
        "parts": {p: [len(r), *train.shape] for p, r in zip(PARTS, rows, strict=True)},
        "prepared": {
            "size": reading.size,
            "limit": reading.limit,
            "binarize": reading.binarize,
            "held_out": held_out,
            "seed": seed,
            "bad": 0 if reading.bad is None else len(reading.bad),
        },
    }
    if train.pairs is not None:
        shapes = {
            p: [len(r), *train.pairs.pixels.shape[1:]] for p, r in zip(PARTS, rows, strict=True)
        }
        manifest[PAIRS] = {"levels": train.pairs.levels, "parts": shapes}
    write_json(folder / MANIFEST_FILE, manifest)
    scratch.clear()


def _files(folder: Path) -> list[Path]:
    """Those of the prepared set, without scratch."""
    parts = (folder / f"{part}.npy" for part in PARTS)
    labels = (labels_file(folder, part) for part in PARTS)
    pairs = (pairs_file(folder, part) for part in PARTS)
    return [file for file in (*parts, *labels, *pairs) if file.is_file()]


class _Scratch:
    """What images are decoded into, before it is known which are held out: files, of large sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()

    def new(self, shape: tuple[int, ...]) -> Bytes:
        if math.prod(shape) <= _IN_MEMORY:
            return np.empty(shape, np.uint8)
        file = self.folder / f"scratch-{next(self._numbers)}.npy"
        # As a plain array: each image taken of a mapped one would be an object that knows its file.
        return np.asarray(open_memmap(file, mode="w+", dtype=np.uint8, shape=shape))

    def clear(self) -> None:
        for file in self.folder.glob("scratch-*.npy"):
            file.unlink()


def _write(folder: Path, part: str, images: ImageSet, rows: Rows) -> None:
    _copied(folder / f"{part}.npy", images.pixels, rows)
    if images.pairs is not None:
        _copied(pairs_file(folder, part), images.pairs.pixels, rows)
    if images.labels is not None:
        np.save(labels_file(folder, part), images.labels[rows])


def _copied(file: Path, taken: Pixels, rows: Rows) -> None:
    """The images (n, c, h, w) at `rows`, in a file."""
    shape = (len(rows), *taken.shape[1:])
    if math.prod(shape) * taken.dtype.itemsize <= _IN_MEMORY:
        np.save(file, taken[rows])
        return
    pixels = open_memmap(file, mode="w+", dtype=taken.dtype, shape=shape)
    for start in range(0, len(rows), CHUNK):
        pixels[start : start + CHUNK] = taken[rows[start : start + CHUNK]]
    pixels.flush()


def _refuse_existing(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")
    if not (out.is_dir() and (is_packed(out) or not any(out.iterdir()))):
        raise InputError(f"--out {out} is no prepared set, and is not replaced: give another name")
