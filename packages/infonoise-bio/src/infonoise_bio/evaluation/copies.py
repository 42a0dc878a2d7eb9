"""Copies of training sequences among generated ones: shared k-mers, longest runs, edit distance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES, MASKED, Codes, reverse_complement_codes
from infonoise_bio.evaluation.composition import kmers
from infonoise_core.errors import InputError

# Positions per length that a sequence of 50 bases or more can share by chance: hardly any of 16.
DEFAULT_K = 16
# Training sequences whose k-mers are compared at once: 64 MB.
_BLOCK = 4096
_NONE = bytes([MASKED])


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
        found = np.sort(np.concatenate(both))
        # numpy's unique keeps a hash table, which takes thirty times as long on millions of words.
        self._words = found[np.concatenate([[True], found[1:] != found[:-1]])[: len(found)]]

    def nearness(self, codes: Codes) -> Nearness:
        """Of sequences (m, L)."""
        words, known = kmers(codes, self.k)
        place = np.searchsorted(self._words, words).clip(max=max(0, len(self._words) - 1))
        found = (self._words[place] == words) & known if len(self._words) else known & False
        places = known.sum(1)
        # Sequences that are shorter than a k-mer have none to share.
        share = found.sum(1)[places > 0] / places[places > 0]
        run = np.zeros(len(codes), np.int64)
        longest = np.zeros_like(run)
        for column in found.T:
            run = (run + 1) * column
            np.maximum(longest, run, out=longest)
        return Nearness(
            float(share.mean()) if len(share) else 0.0,
            np.where(longest > 0, longest + self.k - 1, 0),
        )


def edit_distance(first: Codes, second: Codes) -> int:
    """Levenshtein's distance of two sequences (L,) and (M,): changes, insertions, deletions.

    What is masked at their ends is padding, or might as well be, and does not count.
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(first.tobytes().strip(_NONE), second.tobytes().strip(_NONE))


def distance_per_base(distances: NDArray[np.int64], codes: Codes) -> float:
    """Mean of edit distances (m,) of sequences (m, L), each per base of its own."""
    bases = np.array([len(row.tobytes().strip(_NONE)) for row in codes])
    return float((distances / np.maximum(1, bases)).mean())


def nearest_distance(codes: Codes, train: Codes, shortlist: int = 16) -> NDArray[np.int64]:
    """(m,) edit distance of each sequence (m, L) to the nearest of the training set (n, L).

    On either strand, among the `shortlist` that share most different 6-mers with it: an upper
    bound.
    """
    k, count = min(6, codes.shape[1]), min(shortlist, len(train))
    own = _presence(codes, k)
    nearest = np.full(len(codes), codes.shape[1], np.int64)
    for strand in (train, reverse_complement_codes(train)):
        blocks = (strand[i : i + _BLOCK] for i in range(0, len(strand), _BLOCK))
        shared = np.concatenate([own @ _presence(block, k).T for block in blocks], 1)
        for i, row in enumerate(np.argpartition(-shared, count - 1, axis=1)[:, :count]):
            nearest[i] = min(nearest[i], *(edit_distance(codes[i], strand[j]) for j in row))
    return nearest


def _presence(codes: Codes, k: int) -> NDArray[np.float32]:
    """(n, 4^k) 1 for k-mers that occur, else 0."""
    words, known = kmers(codes, k)
    table = np.zeros((len(codes), len(BASES) ** k), np.float32)
    rows, columns = np.nonzero(known)
    table[rows, words[rows, columns]] = 1
    return table
