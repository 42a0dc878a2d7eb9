"""Composition of sets of sequences: k-mers, GC, CpG, bases by position.

A Markov chain of order 5 passes all of these but the last: alone they are no evidence.
"""

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_core.errors import InputError

_BLOCK = 4096
# Two letters as one number.
_C, _G = 1, 2


def kmer_counts(codes: Codes, k: int) -> NDArray[np.int64]:
    """(4^k,) how often each k-mer occurs in (n, L), on the strand as it is.

    One with a masked base does not count. The last base runs fastest.
    """
    if not 1 <= k <= 12 or k > codes.shape[1]:
        raise InputError(f"{k}-mers in sequences of {codes.shape[1]} bases: give 1 to 12 that fit")
    counts = np.zeros(4**k, np.int64)
    for start in range(0, len(codes), _BLOCK):
        words, known = kmers(codes[start : start + _BLOCK], k)
        counts += np.bincount(words[known], minlength=4**k)
    return counts


def kmers(codes: Codes, k: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(n, L - k + 1) the k-mers (k <= 31) as numbers, and whether all their bases are known."""
    width = codes.shape[1] - k + 1
    words = np.zeros((len(codes), width), np.int64)
    known = np.ones((len(codes), width), np.bool_)
    for i in range(k):
        part = codes[:, i : i + width]
        words = words * 4 + np.where(part == MASKED, 0, part)
        known &= part != MASKED
    return words, known


def jensen_shannon(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Divergence in bits between two histograms, 0 to 1."""
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    total = 0.0
    for part in (p, q):
        seen = part > 0
        total += float((part[seen] * np.log2(part[seen] / middle[seen])).sum()) / 2
    return total


def pearson(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Correlation of two histograms; nan where one is flat."""
    if first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def gc_content(codes: Codes) -> NDArray[np.float64]:
    """(n,) share of G and C among the known bases; nan where there are none."""
    strong = ((codes == _C) | (codes == _G)).sum(1)
    known = (codes != MASKED).sum(1)
    share: NDArray[np.float64] = np.full(len(codes), np.nan)
    np.divide(strong, known, out=share, where=known > 0)
    return share


def cpg_ratio(codes: Codes) -> float:
    """CpG observed over expected from the bases, in the whole set.

    Source: Gardiner-Garden & Frommer 1987.
    """
    pairs, known = kmers(codes, 2)
    counts = kmer_counts(codes, 1)
    expected = counts[_C] * counts[_G] / counts.sum() ** 2 * known.sum()
    found = ((pairs == 4 * _C + _G) & known).sum()
    return float(found / expected) if expected else float("nan")


def base_profile(codes: Codes) -> NDArray[np.float64]:
    """(L, 4) share of A C G T at each position; nan where no base is known."""
    counts = np.stack([(codes == base).sum(0) for base in range(MASKED)], 1).astype(np.float64)
    total = counts.sum(1, keepdims=True)
    share: NDArray[np.float64] = np.full(counts.shape, np.nan)
    np.divide(counts, total, out=share, where=total > 0)
    return share


def profile_distance(first: Codes, second: Codes) -> float:
    """Root mean square difference of the base shares, over positions and bases."""
    return float(np.sqrt(np.nanmean((base_profile(first) - base_profile(second)) ** 2)))
