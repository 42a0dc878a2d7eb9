"""What a file of sequences holds, and what in it would spoil a model; in one pass."""

import re
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES, PAD, codes_of, complement_codes
from infonoise_bio.data.columns import Columns
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.kmers import digest
from infonoise_bio.data.sources import kind_of, read_sources
from infonoise_bio.data.split import SPLITS, split_of_word, straddling
from infonoise_core.errors import InputError

# Runs of one base: those worth a word, and those worth a warning (padding, poly-A tails).
_RUN = re.compile(rb"([\x00-\x03])\1{9,}")
LONG_RUN = 20


@dataclass(frozen=True)
class Run:
    """A run of one base."""

    base: str
    length: int
    id: str


class Inspection:
    """Totals over records, added one by one; holds some 30 bytes for each."""

    def __init__(self, split_column: str = "split", label: str | None = None) -> None:
        self.lengths: Counter[int] = Counter()
        self.bases: Counter[str] = Counter()
        self.ambiguous: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.columns = Columns()
        self.longest_run: Run | None = None
        self.with_long_run = 0
        self.shortest: tuple[int, str] = (0, "")
        self._split_column, self._label = split_column, label
        self._ids, self._one, self._both = array("Q"), array("Q"), array("Q")
        self._split = bytearray()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, record: Record) -> None:
        """Count one record; InputError where its field for the split names no part."""
        codes = codes_of(record.letters)
        if not self.lengths or len(record) < self.shortest[0]:
            self.shortest = (len(record), record.where)
        self.lengths[len(record)] += 1
        self._count_letters(record, codes)
        self._find_runs(record.id, codes)
        self.columns.add(codes)
        other = complement_codes(codes)
        one = digest(codes)
        self._ids.append(digest(record.id.encode()))
        self._one.append(one)
        self._both.append(one if codes <= other else digest(other))
        if self._label is not None:
            self.labels[record.fields.get(self._label, "").strip() or "(none)"] += 1
        if self._split_column in record.fields:
            self._split.append(split_of_word(record, self._split_column))

    def _count_letters(self, record: Record, codes: bytes) -> None:
        known = 0
        for code, base in enumerate(BASES):
            times = codes.count(code)
            self.bases[base] += times
            known += times
        if known < len(codes):
            for letter in set(record.letters.upper()) - set(BASES.encode()) - set(PAD):
                upper = chr(letter)
                times = record.letters.count(upper.encode())
                self.ambiguous[upper] += times + record.letters.count(upper.lower().encode())

    def _find_runs(self, name: str, codes: bytes) -> None:
        longest = 0
        for match in _RUN.finditer(codes):
            longest = max(longest, len(match[0]))
            if self.longest_run is None or len(match[0]) > self.longest_run.length:
                self.longest_run = Run(BASES[match[0][0]], len(match[0]), name)
        self.with_long_run += longest >= LONG_RUN

    @property
    def gc(self) -> float:
        """Share of G and C among the known bases; nan without any."""
        total = sum(self.bases.values())
        return (self.bases["G"] + self.bases["C"]) / total if total else float("nan")

    def duplicates(self) -> tuple[int, int]:
        """Sequences that repeat an earlier one, and that are another's reverse complement."""
        one, both = len(np.unique(self._one)), len(np.unique(self._both))
        return len(self) - one, one - both

    def repeated_ids(self) -> tuple[int | None, int, int]:
        """Records whose id was taken before.

        Returns:
            The number of the first, from 0; how many there are; and how many ids hold a sequence
            and its reverse complement.
        """
        ids = np.asarray(self._ids)
        order = np.argsort(ids, kind="stable")
        again = order[1:][ids[order][1:] == ids[order][:-1]]
        first = int(again.min()) if len(again) else None
        return first, len(again), len(_pairs(ids, self._one)) - len(_pairs(ids, self._both))

    def across_splits(self) -> tuple[int, int] | None:
        """Sequences that lie in several parts: as copies, and on either strand; None without parts.

        Raises InputError where only some records name their part.
        """
        if not self._split:
            return None
        if len(self._split) != len(self):
            raise InputError(
                f"{len(self) - len(self._split)} of {len(self)} records have no field"
                f" '{self._split_column}'; give it to all or none"
            )
        split = np.frombuffer(self._split, np.uint8)
        copies, either = (
            straddling(np.unique(digests, return_inverse=True)[1].astype(np.int64), split)
            for digests in (np.asarray(self._one), np.asarray(self._both))
        )
        return copies, either

    def parts(self) -> dict[str, int]:
        """Records by the part they name."""
        sizes = np.bincount(np.frombuffer(self._split, np.uint8), minlength=len(SPLITS))
        return dict(zip(SPLITS, sizes.tolist(), strict=True))


def _pairs(ids: NDArray[np.uint64], digests: Iterable[int]) -> NDArray[np.uint64]:
    mixed: NDArray[np.uint64] = np.unique(ids * np.uint64(0x9E3779B97F4A7C15) ^ np.asarray(digests))
    return mixed


def inspect_file(
    source: str | Path,
    reading: Reading | None = None,
    window: int | None = None,
    split_column: str = "split",
    label: str | None = None,
) -> tuple[list[str], str | None]:
    """Lines of a report, and in one line what would stop a training on this file, or None.

    The file is read once, record by record (a second time, to name a record whose id is taken).

    Args:
        window: The length that examples shall have; sequences must not be shorter.
    """
    reading = reading or Reading()
    counts, found = Counts(), Inspection(split_column, label)
    for record in read_sources(source, reading, counts, label):
        found.add(record)
    if not len(found):
        raise InputError(f"{source}: no sequence is left ({'; '.join(counts.lines())})")
    lines = [f"{source} ({kind_of(source)})"]
    lines += [f"  {name:<17} {text}" for name, text in _report(found, counts)]
    return lines, _fault(source, reading, found, window)


def _report(found: Inspection, counts: Counts) -> list[tuple[str, str]]:
    total = sum(found.bases.values())
    unknown = sum(found.ambiguous.values())
    letters = ", ".join(f"{letter} {n:,}" for letter, n in found.ambiguous.most_common())
    share = "  ".join(f"{b} {found.bases[b] / max(1, total):.1%}" for b in BASES)
    same, reverse = found.duplicates()
    _, repeated, both_strands = found.repeated_ids()
    lines = [
        ("sequences", f"{len(found):,}"),
        ("lengths", _lengths(found.lengths)),
        ("bases", f"{total + unknown:,}"),
        ("not A C G T", f"{unknown:,} ({letters}), masked" if unknown else "none"),
        ("GC", f"{found.gc:.1%} ({share})"),
        ("duplicates", f"{same:,} copies, {reverse:,} reverse complements of others"),
        ("ids taken twice", f"{repeated:,}" + _both_strands(both_strands)),
        ("homopolymers", _runs(found)),
        ("constant columns", _columns(found.columns.constant()[:5])),
        ("strand", found.columns.strand_hint()),
    ]
    lines += [(f"label {name}", f"{n:,}") for name, n in sorted(found.labels.items())]
    across = found.across_splits()
    if across is not None:
        sizes = ", ".join(f"{name} {n:,}" for name, n in found.parts().items())
        lines += [
            ("split", sizes),
            ("across splits", f"{across[0]:,} copies, {across[1]:,} counting both strands"),
        ]
    notable = Counts(
        comments=counts.comments, blank=counts.blank, uracil=counts.uracil, lower=counts.lower,
        unstranded=counts.unstranded, joined=counts.joined, no_summit=counts.no_summit,
        other_summit=counts.other_summit, partial=counts.partial, remote=counts.remote,
        pseudo=counts.pseudo,
        outside=counts.outside, repeated=counts.repeated, remarks=counts.remarks,
    )  # fmt: skip
    lines += [("note", line) for line in notable.lines()]
    lines += [("warning", line) for line in _warnings(found)]
    return lines


def _both_strands(number: int) -> str:
    return f", {number:,} of them for both strands of one sequence" if number else ""


def _lengths(lengths: Counter[int]) -> str:
    low, high = min(lengths), max(lengths)
    if low == high:
        return f"{low:,}"
    middle, seen = sum(lengths.values()) / 2, 0
    for median in sorted(lengths):
        seen += lengths[median]
        if seen >= middle:
            break
    return f"{low:,} to {high:,}, median {median:,}"


def _columns(stretches: list[str]) -> str:
    return f"{'; '.join(stretches)} (from 0, ends not included)" if stretches else "none"


def _runs(found: Inspection) -> str:
    run = found.longest_run
    if run is None:
        return "none of 10 or more"
    return (
        f"longest {run.base} x {run.length:,} in '{run.id}'; {found.with_long_run:,} sequences with"
        f" a run of {LONG_RUN} or more"
    )


def _warnings(found: Inspection) -> list[str]:
    across = found.across_splits()
    total = sum(found.bases.values())
    unknown = sum(found.ambiguous.values())
    warnings = {
        "columns that never change (adapters?) teach a model nothing": found.columns.constant(),
        "copies of one sequence lie in several parts of the split": across and across[1],
        "most letters are no clear base: is this DNA?": unknown > total,
        "more than 1 % of the sequences have long runs of one base: padding?": (
            found.with_long_run > 0.01 * len(found)
        ),
    }
    return [text for text, holds in warnings.items() if holds]


def _fault(
    source: str | Path, reading: Reading, found: Inspection, window: int | None
) -> str | None:
    first, _, _ = found.repeated_ids()
    if first is not None:
        record = next(islice(read_sources(source, reading, Counts()), first, None))
        return (
            f"{record.where} (number {first + 1}): the id '{record.id}' was taken by an earlier"
            " record; give every sequence its own"
        )
    if window is not None and found.shortest[0] < window:
        length, where = found.shortest
        return (
            f"{where} has {length} bases, fewer than the window of {window}; give a smaller"
            " --window, or --shorter pad or drop"
        )
    return None
