"""A prepared set: pixels and labels as .npy files, mapped into memory, and a manifest.

manifest.json          format, version, name, levels, classes, parts, and how it was prepared
train.npy              (n, c, h, w) uint8, or float32 for real numbers
train-labels.npy       (n,) int64, where there are labels
held_out.npy           likewise
held_out-labels.npy
train-pairs.npy        (n, c', h, w), where each image has a pair that it is drawn from
held_out-pairs.npy
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.reading import check_regular, read_any_json, sha256_of
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.source import (
    Labels,
    NewArray,
    Paired,
    Progress,
    Read,
    Rows,
    Source,
    named_labels,
)

MANIFEST_FILE = "manifest.json"
FORMAT = "infonoise-vision images"
VERSION = 1
PARTS = ("train", "held_out")
# Of the manifest: levels and parts of the pairs.
PAIRS = "pairs"


@dataclass(frozen=True, eq=False)
class Mapped:
    """One part of a prepared set. `read` leaves it in its file, but for a `limit`."""

    arrays: Arrays

    @property
    def name(self) -> str:
        return self.arrays.name

    @property
    def labels(self) -> Labels:
        return self.arrays.labels

    @property
    def classes(self) -> tuple[str, ...]:
        return self.arrays.classes

    def __len__(self) -> int:
        return len(self.arrays)

    def read(
        self,
        rows: Rows,
        size: int | None,
        new: NewArray,
        progress: Progress | None,
        bad: BadRecords,
    ) -> Read:
        images = self.arrays.images
        height, width = images.shape[2:]
        if size is not None and (height, width) != (size, size):
            raise InputError(
                f"{self.name}: was prepared at {width}x{height} pixels; prepare it again with"
                f" --size {size}"
            )
        chosen = images if len(rows) == len(self) else images[rows]
        return Read(chosen, self.arrays.levels, rows)


def is_packed(folder: Path) -> bool:
    """Whether `prepare` wrote this folder."""
    manifest = folder / MANIFEST_FILE
    try:
        content = read_any_json(manifest) if manifest.is_file() else None
    except InputError:
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def read_packed(folder: Path) -> tuple[Source, Source]:
    """Training and held-out part of a prepared set."""
    manifest = read_any_json(folder / MANIFEST_FILE)
    if manifest.get("version") != VERSION:
        raise InputError(
            f"{folder}: was prepared in format {manifest.get('version')}, this version reads"
            f" {VERSION}; prepare it again"
        )
    _check_sums(folder, manifest.get("sha256", {}))
    try:
        train, held_out = (_part(folder, part, manifest) for part in PARTS)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / MANIFEST_FILE}: damaged; prepare it again") from error
    return train, held_out


def _check_sums(folder: Path, sums: Any) -> None:
    """InputError where a file is not as it was prepared; earlier releases noted no checksums."""
    if not isinstance(sums, dict):
        raise InputError(f"{folder / MANIFEST_FILE}: damaged; prepare it again")
    for name, expected in sums.items():
        file = folder / Path(str(name)).name
        check_regular(file)
        if not file.is_file() or sha256_of(file) != expected:
            raise InputError(f"{file}: is not what was prepared (its sha256); prepare it again")


def _part(folder: Path, part: str, manifest: dict[str, Any]) -> Source:
    images = _mapped(folder / f"{part}.npy")
    classes, levels = tuple(manifest["classes"]), manifest["levels"]
    expected = np.uint8 if levels is not None else np.float32
    if list(images.shape) != manifest["parts"][part] or images.dtype != expected:
        raise InputError(f"{folder / part}.npy: is not what was prepared; prepare it again")
    labels: Labels = None
    if classes and (folder / f"{part}-labels.npy").exists():
        labels, _ = named_labels(str(folder), np.array(_mapped(labels_file(folder, part))), classes)
        if labels.shape != images.shape[:1]:
            raise InputError(f"{labels_file(folder, part)}: is cut short; prepare it again")
    whole = Mapped(
        Arrays(manifest["name"], images, levels, labels, classes if labels is not None else ())
    )
    if PAIRS not in manifest:
        return whole
    pairs, about = _mapped(pairs_file(folder, part)), manifest[PAIRS]
    expected = np.uint8 if about["levels"] is not None else np.float32
    if list(pairs.shape) != about["parts"][part] or pairs.dtype != expected:
        raise InputError(f"{pairs_file(folder, part)}: is not what was prepared; prepare it again")
    beside = Mapped(Arrays(manifest["name"], pairs, about["levels"]))
    return Paired(whole, beside, np.arange(len(whole)))


def pairs_file(folder: Path, part: str) -> Path:
    """Where the pairs of a part lie."""
    return folder / f"{part}-pairs.npy"


def labels_file(folder: Path, part: str) -> Path:
    """Where the labels of a part lie."""
    return folder / f"{part}-labels.npy"


def _mapped(file: Path) -> NDArray[Any]:
    check_regular(file)
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError) as error:
        raise InputError(f"{file}: missing, damaged or cut short; prepare it again") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{file}: is no .npy file; prepare it again")
    return array
