"""Any source -> a prepared set, written whole or not at all, in flat memory."""

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from tyro.conf import Positional

from infonoise_core.errors import InputError
from infonoise_core.files import whole_folder, write_json
from infonoise_core.training.data.records import BadRecords
from infonoise_core.training.progress import progress
from infonoise_vision.data.formats.packed import (
    FORMAT,
    MANIFEST_FILE,
    PARTS,
    VERSION,
    is_packed,
    labels_file,
    read_packed,
)
from infonoise_vision.data.formats.source import CHUNK, Bytes, Opened, Rows
from infonoise_vision.data.images import (
    ImageSet,
    Reading,
    image_set,
    opened_enough,
    refuse_unlike,
    refuse_void,
)
from infonoise_vision.data.split import check_held_out, divide


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

    The same images as `data.load_split` gives, decoded once: image files go straight into a file,
    so a set of them may be larger than memory. held_out: where the source has no test images, the
    share or number to hold out. Raises InputError for what is wrong with the source or `out`;
    then, and after an interruption, `out` is as it was.
    """
    reading = reading or Reading()
    _refuse_existing(out, overwrite)
    check_held_out(held_out)
    opened = opened_enough(source)
    refuse_void(opened, held_out)
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
    write_json(folder / MANIFEST_FILE, manifest)
    scratch.clear()


class _Scratch:
    """Files that images are decoded into, before it is known which are held out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()

    def new(self, shape: tuple[int, ...]) -> Bytes:
        file = self.folder / f"scratch-{next(self._numbers)}.npy"
        return open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)

    def clear(self) -> None:
        for file in self.folder.glob("scratch-*.npy"):
            file.unlink()


def _write(folder: Path, part: str, images: ImageSet, rows: Rows) -> None:
    pixels = open_memmap(
        folder / f"{part}.npy",
        mode="w+",
        dtype=images.pixels.dtype,
        shape=(len(rows), *images.shape),
    )
    for start in range(0, len(rows), CHUNK):
        pixels[start : start + CHUNK] = images.pixels[rows[start : start + CHUNK]]
    pixels.flush()
    if images.labels is not None:
        np.save(labels_file(folder, part), images.labels[rows])


def _refuse_existing(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if not overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")
    if not (out.is_dir() and (is_packed(out) or not any(out.iterdir()))):
        raise InputError(f"--out {out} is no prepared set, and is not replaced: give another name")


@dataclass(frozen=True)
class Prepare:
    """Decode images once, into a folder that every other command opens at once."""

    data: Positional[str]
    """a folder or archive of images, hf:NAME, or digits"""
    out: Path
    """folder to write"""
    size: int | None = None
    """crop to a square and resize to this many pixels"""
    binarize: float | None = None
    """make pixels black or white: white above this share of the brightest, such as 0.5"""
    limit: int | None = None
    """keep that many images, evenly spaced through the data"""
    held_out: float | None = None
    """where the data have no test images: share (below 1) or number of those to hold out; default a
    fifth, at most 10,000"""
    bad_limit: int = 0
    """image files that may be unreadable or of another size; they are named and left out"""
    overwrite: bool = False
    """replace what an earlier prepare left in --out"""


def run_prepare(config: Prepare) -> None:
    """Write config.out and say what is in it."""
    bad = BadRecords(config.bad_limit)
    with ExitStack() as stack:
        reporters = {}

        def advance(done: int, total: int) -> None:
            if total not in reporters:
                reporters[total] = stack.enter_context(progress(total, "prepare"))
            reporters[total].advance(1)

        reading = Reading(config.size, config.limit, config.binarize, advance, bad)
        train, held_out = prepare(
            config.data, config.out, reading, held_out=config.held_out, overwrite=config.overwrite
        )
    print(
        f"{config.out}: {len(train)} images {'x'.join(map(str, train.shape))} of {train.name} and"
        f" {len(held_out)} held out, {train.levels or 'real-valued'}"
        f"{' grey levels' if train.levels else ''}, {len(train.classes)} classes"
    )
    if bad.summary():
        print(bad.summary())
