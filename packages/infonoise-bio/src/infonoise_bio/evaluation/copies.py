"""Copies of training sequences among generated ones: shared k-mers, longest runs, edit distance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES, Codes, reverse_complement_codes
from infonoise_bio.evaluation.composition import kmers
from infonoise_core.errors import InputError

# Positions per length that a sequence of 50 bases or more can share by chance: hardly any of 16.
DEFAULT_K = 16


@dataclass(frozen=True)
class Nearness:
    """How near (n,) sequences come to the training set.

    Attributes:
        containment: Mean share of a sequence's k-mers that occur in training, on either strand.
        longest: (n,) bases of the longest stretch made of such k-mers, 0 where there is none;
            the length of the longest common substring where that is k or more and all its
            k-mers come from one sequence, else an upper bound of it.
    """

    containment: float
    longest: NDArray[np.int64]

    def copies(self, length: int) -> float:
        """Share of sequences whose longest stretch has `length` bases or more."""
        return float((self.longest >= length).mean())


class TrainingWords:
    """The k-mers of a training set (n, L) on both strands, sorted: 16 bytes for each base."""

    def __init__(self, codes: Codes, k: int = DEFAULT_K) -> None:
        if not 1 <= k <= 31 or k > codes.shape[1]:
            raise InputError(f"{k}-mers of sequences of {codes.shape[1]} bases: give 1 to 31")
        both = []
        for strand in (codes, reverse_complement_codes(codes)):
            words, known = kmers(strand, k)
            both.append(words[known])
        self.k = k
        self._words = np.unique(np.concatenate(both))

    def nearness(self, codes: Codes) -> Nearness:
        """Of sequences (m, L)."""
        words, known = kmers(codes, self.k)
        place = np.searchsorted(self._words, words).clip(max=max(0, len(self._words) - 1))
        found = (self._words[place] == words) & known if len(self._words) else known & False
        share = found.sum(1) / np.maximum(1, known.sum(1))
        run = np.zeros(len(codes), np.int64)
        longest = np.zeros_like(run)
        for column in found.T:
            run = (run + 1) * column
            np.maximum(longest, run, out=longest)
        return Nearness(float(share.mean()), np.where(longest > 0, longest + self.k - 1, 0))


def edit_distance(first: Codes, second: Codes) -> int:
    """Least number of changed, inserted and dropped bases between two sequences (L,) and (M,)
    (Levenshtein).

    One row of the table at a time: insertions along a row are a running minimum.
    """
    steps = np.arange(len(second) + 1)
    row = steps.copy()
    for i, base in enumerate(first, 1):
        change = np.minimum(row[:-1] + (second != base), row[1:] + 1)
        row = np.minimum.accumulate(np.concatenate([[i], change]) - steps) + steps
    return int(row[-1])


def nearest_distance(codes: Codes, train: Codes, shortlist: int = 16) -> NDArray[np.int64]:
    """(m,) edit distance of each sequence (m, L) to the nearest of the training set, on either
    strand, among the `shortlist` that share most different 6-mers with it: an upper bound.
    """
    k = min(6, codes.shape[1])
    own = _presence(codes, k)
    strands = (train, reverse_complement_codes(train))
    tables = [_presence(strand, k) for strand in strands]
    nearest = np.zeros(len(codes), np.int64)
    for i, row in enumerate(own):
        best = codes.shape[1]
        for strand, table in zip(strands, tables, strict=True):
            shared = table[:, row].sum(1)
            count = min(shortlist, len(train))
            for j in np.argpartition(-shared, count - 1)[:count]:
                best = min(best, edit_distance(codes[i], strand[j]))
        nearest[i] = best
    return nearest


def _presence(codes: Codes, k: int) -> NDArray[np.bool_]:
    """(n, 4^k) which k-mers occur."""
    words, known = kmers(codes, k)
    table = np.zeros((len(codes), len(BASES) ** k), np.bool_)
    rows, columns = np.nonzero(known)
    table[rows, words[rows, columns]] = True
    return table
