"""Motif hits by matrices, scored by Bio.motifs, at a stated false-positive rate."""

import difflib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from Bio import motifs
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES, MASKED, Codes
from infonoise_bio.data.options import Strand
from infonoise_bio.evaluation.matrices import Matrix, read_matrices
from infonoise_core.errors import InputError

# Added to every count, as JASPAR's own tools do in proportion to the background.
_PSEUDOCOUNT = 0.8
_PRECISION = 1000
# Scores that differ by less are the same, in bits.
_FLAT = 1e-6


@dataclass(frozen=True, eq=False)
class Scanner:
    """A matrix with its threshold.

    Attributes:
        name: Id and name in the file.
        scores: (width, 4) log2 odds of A C G T.
        threshold: The least score of a hit; a random place and strand of the background has it
            with probability `rate`, which a motif of few bases cannot have as low as it was asked
            for.
        strand: Where it is looked for.
        called: Its id and its name, by which it may be asked for.
    """

    name: str
    scores: NDArray[np.float64]
    threshold: float
    rate: float
    strand: Strand = "both"
    called: tuple[str, ...] = ()

    def best(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(n,) highest score in each sequence (n, L), and the first base of that place.

        -inf where no place has only known bases.
        """
        scores = self.score(codes)
        place = scores.argmax(1)
        return scores[np.arange(len(codes)), place], place

    def score(self, codes: Codes) -> NDArray[np.float64]:
        """(n, L - width + 1) score at each place, the higher of both strands'."""
        if self.strand == "forward":
            return _scan(codes, self.scores)
        return np.maximum(_scan(codes, self.scores), _scan(codes, self.scores[::-1, ::-1]))

    def hit_rate(self, codes: Codes) -> float:
        """Share of sequences with a hit."""
        return float((self.best(codes)[0] >= self.threshold).mean())

    def per_kilobase(self, codes: Codes) -> float:
        """Hits in 1000 bases, a place counted once for both strands."""
        hits = int((self.score(codes) >= self.threshold).sum())
        return 1000 * hits / max(1, int((codes != MASKED).sum()))

    def within(self, codes: Codes, low: int, high: int) -> float:
        """Share of sequences whose best place begins at low .. high, both included, from 0."""
        score, place = self.best(codes)
        return float(((place >= low) & (place <= high) & np.isfinite(score)).mean())


@dataclass(frozen=True)
class Window:
    """A motif and where its best place shall begin: positions low .. high, from 0."""

    scanner: Scanner
    low: int
    high: int


Place = tuple[int, int] | None


def parse_motif(text: str) -> tuple[str, Place]:
    """A name, and the places of "NAME@LOW-HIGH" from 0; InputError for what are no places."""
    name, at, span = text.partition("@")
    if not at:
        return name, None
    try:
        low, high = map(int, span.split("-"))
    except ValueError:
        low, high = 1, 0
    if not 0 <= low <= high:
        raise InputError(f"--motif {text}: give two positions from 0, as in {name}@35-41")
    return name, (low, high)


def placed(scanners: Sequence[Scanner], places: Iterable[tuple[str, Place]]) -> list[Window]:
    """A window for each scanner whose id or name has a place, and for each of its places."""
    return [
        Window(scanner, *place)
        for name, place in dict.fromkeys(places)
        if place is not None
        for scanner in scanners
        if name in scanner.called
    ]


def read_scanners(
    path: Path,
    names: Sequence[str] = (),
    rate: float = 1e-4,
    background: Sequence[float] = (0.25, 0.25, 0.25, 0.25),
    strand: Strand = "both",
) -> list[Scanner]:
    """Matrices of a file, with their thresholds.

    Args:
        path: The file.
        names: Ids or names of those that are taken; all without any.
        rate: False positives per place and strand, over independent bases of `background` (A C
            G T).
        background: Shares of A C G T.
        strand: Where they are searched for.
    """
    if not 0 < rate < 1:
        raise InputError(f"--motif-rate {rate:g}: give a false-positive rate between 0 and 1")
    found = read_matrices(path)
    for name in names:
        if not any(name in (m.id, m.name) for m in found):
            raise InputError(f"{path}: holds no motif '{name}'; {_nearest(name, found)}")
    chosen = [m for m in found if not names or {m.id, m.name} & set(names)]
    chosen = _once(chosen, path)
    return [_scanner(matrix, rate, background, strand, path) for matrix in chosen]


def _once(chosen: Sequence[Matrix], path: Path) -> list[Matrix]:
    """Without copies; InputError for two motifs that nothing tells apart."""
    kept: dict[str, Matrix] = {}
    for matrix in chosen:
        before = kept.setdefault(_title(matrix), matrix)
        if not np.array_equal(before.counts, matrix.counts):
            raise InputError(
                f"{path}: holds two motifs called '{_title(matrix)}'; give each a name of its own,"
                " or name others with --motif"
            )
    return list(kept.values())


def _title(matrix: Matrix) -> str:
    return f"{matrix.id} {matrix.name}".strip()


def _nearest(name: str, found: Sequence[Matrix]) -> str:
    known = list(dict.fromkeys(word for m in found for word in (m.name, m.id) if word))
    lower = {word.lower(): word for word in reversed(known)}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    if near:
        return f"did you mean {lower[near[0]]}?"
    more = f" and {len(known) - 8:,} others" if len(known) > 8 else ""
    return f"there are {', '.join(known[:8])}{more}"


def _scanner(
    matrix: Matrix, rate: float, background: Sequence[float], strand: Strand, path: Path
) -> Scanner:
    base = dict(zip(BASES, background, strict=True))
    pseudo = {letter: _PSEUDOCOUNT * share for letter, share in base.items()}
    columns = dict(zip(BASES, matrix.counts.T.tolist(), strict=True))
    motif: Any = motifs.Motif(alphabet=BASES, counts=columns)  # type: ignore[no-untyped-call]
    pssm = motif.counts.normalize(pseudocounts=pseudo).log_odds(base)
    scores = np.array([pssm[letter] for letter in BASES]).T
    if np.ptp(scores, axis=1).max() < _FLAT:
        raise InputError(
            f"{path}: motif '{_title(matrix)}' has the same letters at every position as the"
            " sequences have on average: it is found nowhere or everywhere; take it out, or name"
            " others with --motif"
        )
    with warnings.catch_warnings():
        # The distribution's grid may have an empty bin at its end.
        warnings.simplefilter("ignore", RuntimeWarning)
        threshold = pssm.distribution(background=base, precision=_PRECISION).threshold_fpr(rate)
    # What the best words have by chance.
    best = scores >= scores.max(1, keepdims=True) - _FLAT
    least = float((best * np.array(background)).sum(1).prod())
    called = tuple(filter(None, (matrix.id, matrix.name)))
    return Scanner(_title(matrix), scores, float(threshold), max(rate, least), strand, called)


def check_fits(scanners: Sequence[Scanner], windows: Sequence[Window], length: int) -> None:
    """InputError for a motif, or a place of one, that sequences of `length` have no room for."""
    for scanner in scanners:
        width = len(scanner.scores)
        if width > length:
            raise InputError(
                f"motif {scanner.name}: has {width} bases, and the sequences {length}; leave it"
                " out by naming others with --motif"
            )
    for window in windows:
        last = length - len(window.scanner.scores)
        if window.high > last:
            raise InputError(
                f"--motif {window.scanner.name}@{window.low}-{window.high}: in sequences of"
                f" {length} bases it begins at 0 to {last}"
            )


def _scan(codes: Codes, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    width = len(scores)
    places = codes.shape[1] - width + 1
    if places < 1:
        raise InputError(f"a motif of {width} bases in sequences of {codes.shape[1]}: too long")
    table = np.concatenate([scores, np.full((width, 1), -np.inf)], 1)
    total = np.zeros((len(codes), places))
    for i in range(width):
        total += table[i][codes[:, i : i + places]]
    return total
