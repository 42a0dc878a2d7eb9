"""Files -> examples: sequences as codes that fit a memory map.

`sources` knows the formats, `windows` their lengths, `split` holds some out.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import MASKED, Codes, codes_of, lower_of
from infonoise_bio.data.fields import field_of, labels_like_none, number_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.kmers import similarity_clusters, two_strand_digests
from infonoise_bio.data.options import Splitting, Windowing
from infonoise_bio.data.region import Place, place_of, split_by_region
from infonoise_bio.data.sources import read_sources
from infonoise_bio.data.split import (
    SPLITS,
    OneCluster,
    Split,
    chromosome_of,
    default_k,
    split_by_chromosome,
    split_by_similarity,
    split_of_word,
    straddling,
)
from infonoise_bio.data.windows import fit, of_lengths, padded
from infonoise_core.errors import InputError
from infonoise_core.shown import amount


@dataclass(frozen=True, eq=False)
class SequenceSet:
    """Sequences of one length L, or of several up to L; every array may be a memory map.

    Attributes:
        source: Where they come from, for reports.
        codes: (n, L) uint8, A C G T as 0 1 2 3, and 4 for a base that is not known.
        ids: (n,) text.
        split: (n,) uint8, index into split.SPLITS: train, val, test.
        labels: (n,) int64 index into `classes`, len(classes) for none of them; or None.
        numbers: (n, len(number_names)) float32, or None.
        lower: (n, L) whether a base was in lower case, or None where that was not kept.
        lengths: (n,) bases of each, code 4 being padding from there on; None where all have L.
        counts: What was met in reading.
        notes: What was decided, one line each.
    """

    source: str
    codes: Codes
    ids: NDArray[np.str_]
    split: Split
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    numbers: NDArray[np.float32] | None = None
    number_names: tuple[str, ...] = ()
    lower: NDArray[np.bool_] | None = None
    lengths: NDArray[np.int64] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n, length = self.codes.shape
        expected = {
            "codes": (self.codes, (n, length)),
            "ids": (self.ids, (n,)),
            "split": (self.split, (n,)),
            "labels": (self.labels, (n,)),
            "numbers": (self.numbers, (n, len(self.number_names))),
            "lower": (self.lower, (n, length)),
            "lengths": (self.lengths, (n,)),
        }
        for name, (values, shape) in expected.items():
            if values is not None and values.shape != shape:
                raise InputError(
                    f"{self.source}: {name} of shape {values.shape} for {n} sequences of {length}"
                    f" bases; give {shape}"
                )

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def length(self) -> int:
        """Bases of one sequence, of the longest where they differ."""
        return int(self.codes.shape[1])

    @property
    def mean_length(self) -> float:
        """Bases of a sequence on average, unknown ones included."""
        return self.length if self.lengths is None else float(self.lengths.mean())

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(n, L) True where the base is known: what counts in the loss and in the profile."""
        return np.not_equal(self.codes, MASKED)

    def take(self, rows: NDArray[np.int64]) -> "SequenceSet":
        """The sequences at `rows`, in that order."""
        return replace(
            self,
            codes=self.codes[rows],
            ids=self.ids[rows],
            split=self.split[rows],
            labels=None if self.labels is None else self.labels[rows],
            numbers=None if self.numbers is None else self.numbers[rows],
            lower=None if self.lower is None else self.lower[rows],
            lengths=None if self.lengths is None else self.lengths[rows],
        )

    def part(self, name: str) -> "SequenceSet":
        """The sequences of train, val or test."""
        if name not in SPLITS:
            raise InputError(f"no part '{name}': give one of {', '.join(SPLITS)}")
        return self.take(np.flatnonzero(self.split == SPLITS.index(name)))


def load_sequences(
    source: str | Path,
    reading: Reading | None = None,
    windowing: Windowing | None = None,
    splitting: Splitting | None = None,
    label: str | None = None,
    numbers: Sequence[str] = (),
    *,
    unlabelled: bool = False,
) -> SequenceSet:
    """Read files into memory, one byte per base.

    Args:
        source: As in `sources.paths_of`.
        label, numbers: Names of the fields that hold the class and the numbers of a sequence:
            columns of a table, key=value words of a FASTA header, qualifiers of a GenBank
            feature.
        unlabelled: Whether a sequence may be without a label, of no class.

    Raises:
        InputError: Names the record at fault, in one line.
    """
    reading, windowing = reading or Reading(), windowing or Windowing()
    splitting = splitting or Splitting()
    counts = Counts()
    windows = fit(read_sources(source, reading, counts, label), windowing, counts)
    keep_lower = windowing.lower_case == "keep"
    gathered = _Gathered(label, tuple(numbers), splitting, keep_lower, unlabelled)
    gathered.extend(windows)
    if not gathered.ids:
        what = "; ".join(counts.lines()) or "nothing was read"
        raise InputError(f"{source}: no sequence is left ({what}); ask for less")
    return gathered.finish(str(source), counts)


class _Gathered:
    """Sequences read so far, in arrays that grow."""

    def __init__(
        self,
        label: str | None,
        numbers: tuple[str, ...],
        splitting: Splitting,
        keep_lower: bool,
        unlabelled: bool,
    ) -> None:
        self._label, self._numbers, self._splitting = label, numbers, splitting
        self._keep_lower, self._unlabelled = keep_lower, unlabelled
        self._by, self._may_divide = splitting.split, False
        self._codes, self._lower, self._lengths = bytearray(), bytearray(), array("q")
        self.ids: dict[str, int] = {}
        self._labels: list[str] = []
        self._values = array("f")
        self._groups: list[str] = []
        self._places: list[Place] = []
        self._split = bytearray()

    def extend(self, windows: Iterable[Record]) -> None:
        for window in windows:
            number = len(self.ids) + 1
            if (before := self.ids.setdefault(window.id, number)) != number:
                raise InputError(
                    f"{window.where} (number {number}): the id '{window.id}' was taken by number"
                    f" {before}; give every sequence its own"
                )
            self._codes += codes_of(window.letters)
            self._lengths.append(len(window))
            if self._keep_lower:
                self._lower += lower_of(window.letters)
            if self._label:
                self._labels.append(self._label_of(window, self._label))
            self._values.extend(number_of(window, name) for name in self._numbers)
            self._note_split(window)

    def _label_of(self, window: Record, name: str) -> str:
        """The class, or nothing where there may be none."""
        if self._unlabelled:
            return window.fields.get(name, "").strip()
        label = field_of(window, name, "--label").strip()
        if not label:
            raise InputError(
                f"{window.where}: its field '{name}' (--label) is empty; fill it in, or give"
                " --unlabelled"
            )
        return label

    def _note_split(self, window: Record) -> None:
        if self._by == "auto":
            column = self._splitting.split_column
            # A name that was given is meant, even where the field is not there.
            own = column in window.fields or column != Splitting.split_column
            self._by = "column" if own else "similarity"
            self._may_divide = not own
        if self._by == "column":
            self._split.append(split_of_word(window, self._splitting.split_column))
        elif self._by == "chromosome":
            self._groups.append(chromosome_of(window))
        elif self._by == "region":
            self._places.append(place_of(window))
        elif self._may_divide:
            place = place_of(window)
            self._may_divide = place is not None
            self._places.append(place)

    def finish(self, source: str, counts: Counts) -> SequenceSet:
        n = len(self.ids)
        every = np.array(self._lengths)
        codes = padded(self._codes, every, MASKED)
        lower = padded(self._lower, every, 0).view(np.bool_) if self._keep_lower else None
        lengths = every if (every != codes.shape[1]).any() else None
        names = sorted(set(self._labels) - {""})
        if self._label and not names:
            raise InputError(f"{source}: no sequence has a field '{self._label}' (--label)")
        # What has no label comes after the last class.
        number = {name: i for i, name in enumerate([*names, ""])}
        index = np.array([number[label] for label in self._labels], np.int64)
        values = np.array(self._values, np.float32).reshape(n, -1) if self._numbers else None
        split, keep, note = self._decide(codes, lengths)
        sizes = zip(SPLITS, np.bincount(split[keep], minlength=3), strict=True)
        part_sizes = ", ".join(f"{name} {size:,}" for name, size in sizes)
        repeated = n - len(np.unique(two_strand_digests(codes, lengths)))
        copies = (
            (amount(repeated, "copy", "copies") + " of another sequence, on either strand",)
            if repeated
            else ()
        )
        notes = [*counts.lines(), *of_lengths(every), *copies, *labels_like_none(self._labels)]
        whole = SequenceSet(
            source,
            codes,
            np.array(list(self.ids)),
            split,
            index if self._label else None,
            tuple(names),
            values,
            self._numbers,
            lower,
            lengths,
            counts.to_dict(),
            (*notes, f"{note}; {part_sizes}"),
        )
        return whole if keep.all() else whole.take(np.flatnonzero(keep))

    def _decide(
        self, codes: Codes, lengths: NDArray[np.int64] | None
    ) -> tuple[Split, NDArray[np.bool_], str]:
        """Part of each sequence, which are kept, and what was done."""
        keep = np.ones(len(codes), np.bool_)
        if self._by == "chromosome":
            split, note = split_by_chromosome(self._groups, self._splitting)
            return split, keep, note
        if self._by == "similarity":
            try:
                split, note = split_by_similarity(codes, self._splitting, lengths)
            except OneCluster:
                # Windows of one genome that overlap: nothing but stretches of it can be held out.
                if not self._may_divide:
                    raise
                self._by = "region"
            else:
                return split, keep, note
        k = self._splitting.cluster_k or default_k(codes.shape[1], lengths)
        if self._by == "region":
            split, keep, note = split_by_region(self._places, codes.shape[1], self._splitting)
        else:
            split = np.frombuffer(self._split, np.uint8)
            note = f"split as field '{self._splitting.split_column}' says"
        kept = None if lengths is None else lengths[keep]
        across = straddling(similarity_clusters(codes[keep], k, kept), split[keep])
        if across:
            note += f" (warning: {across:,} clusters that share a {k}-mer lie in several parts)"
        return split, keep, note
