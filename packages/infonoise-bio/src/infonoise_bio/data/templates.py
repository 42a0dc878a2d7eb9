"""Sequences of which some bases may change: what marks them, and reading them."""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from Bio.Data.IUPACData import ambiguous_dna_values
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES, MASKED, Codes, codes_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.genbank import read_genbank
from infonoise_bio.data.formats.kinds import ANNOTATED, format_of
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.formats.regions import check_inside
from infonoise_bio.data.open import read_source
from infonoise_bio.data.options import Change
from infonoise_core.errors import InputError

_HIDE_LOWER = bytes.maketrans(bytes(range(97, 123)), b"N" * 26)


@dataclass(frozen=True, eq=False)
class Templates:
    """Sequences of which some bases may change.

    Attributes:
        codes: (n, L), 4 where a base may change.
        ids: Their names.
        allowed: (n, L, 4) what may stand there, by letters such as R; None where all are N.
        lengths: (n,) bases of each, where they may differ.
    """

    codes: Codes
    ids: tuple[str, ...]
    allowed: NDArray[np.bool_] | None = None
    lengths: NDArray[np.int64] | None = None

    @property
    def free(self) -> float:
        """Share of the bases that may change."""
        beyond = 0 if self.lengths is None else self.codes.size - int(self.lengths.sum())
        return (int((self.codes == MASKED).sum()) - beyond) / (self.codes.size - beyond)

    def names(self, each: int) -> Callable[[int], str]:
        """Number of a design, from 0 -> its name; with several for each template, numbered."""
        if each == 1:
            return lambda number: self.ids[number]
        return lambda number: f"{self.ids[number // each]}_{number % each + 1}"


def read_templates(
    path: Path, reading: Reading, change: Change, length: int, *, shorter: bool = False
) -> Templates:
    """Templates of `length` bases.

    Args:
        path: The file.
        reading: How it is read.
        change: What of them may change.
        length: Bases of the model's sequences.
        shorter: Whether they may have fewer.

    Raises:
        InputError: Names a record of another length, with the id of another one, or with nothing
            that may change.
    """
    rows, letters, ids = bytearray(), bytearray(), dict[str, None]()
    lengths = array("q")
    for record in _marked(path, reading, change):
        if len(record) > length or (len(record) != length and not shorter):
            most = "at most " if shorter else ""
            raise InputError(
                f"{record.where} has {len(record)} bases and the model takes {most}{length}; give"
                f" templates of {most}{length}"
            )
        if record.id in ids:
            raise InputError(f"{record.where}: the id is taken twice; give every template its own")
        codes = codes_of(record.letters)
        if MASKED not in codes:
            raise InputError(f"{record.where}: nothing in it may change; {_FIXES[change]}")
        ids[record.id] = None
        rows += codes.ljust(length, bytes([MASKED]))
        letters += record.letters.upper().ljust(length, b"N")
        lengths.append(len(record))
    found = np.frombuffer(rows, np.uint8).reshape(len(ids), length)
    free = found == MASKED
    said = np.frombuffer(letters, np.uint8).reshape(len(ids), length)
    some = free & (said != ord("N"))
    allowed = _ALLOWED[said] | ~free[..., None] if some.any() else None
    return Templates(found, tuple(ids), allowed, np.array(lengths) if shorter else None)


# Letter -> the bases that it stands for (256, 4).
_ALLOWED = np.array(
    [[base in ambiguous_dna_values.get(chr(i), "ACGT") for base in BASES] for i in range(256)]
)
_FIXES = {
    "n": "write N for bases that may, or give --change lower",
    "lower": "write lower case for bases that may",
    "feature": "give a --feature that has bases of its own",
}


def _marked(path: Path, reading: Reading, change: Change) -> Iterator[Record]:
    """Records with N wherever a base may change."""
    if change == "feature":
        yield from _by_feature(path, reading)
        return
    for record in read_source(path, reading, Counts()):
        if change == "lower":
            record = replace(record, letters=record.letters.translate(_HIDE_LOWER))
        yield record


def _by_feature(path: Path, reading: Reading) -> Iterator[Record]:
    kind = format_of(path)
    if kind not in ANNOTATED or reading.feature is None:
        raise InputError(
            f"{path}: --change feature needs a GenBank or EMBL file and --feature, such as spacer"
        )
    for record in read_genbank(path, Counts(), reading.feature, kind):
        if not record.regions:
            raise InputError(
                f"{record.where} has no feature '{reading.feature}': nothing in it may change"
            )
        letters = bytearray(record.letters)
        for region in record.regions:
            check_inside(region, len(record))
            for part in region.parts:
                letters[part.start : part.end] = b"N" * (part.end - part.start)
        yield replace(record, letters=bytes(letters))
