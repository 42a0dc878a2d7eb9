"""Codes that follow meaning: tokens used alike share their first bits.

Three steps, each a function: count which tokens occur near each other and factor the counts into
vectors; split the tokens in halves again and again by those vectors; read the way through the tree
as the code, coarse to fine.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from infonoise_text.codes.book import CodeBook, bits_for

Vectors = NDArray[np.float32]
Counts = NDArray[np.int32]

_WINDOW = 4  # neighbours counted on each side
_DIMENSIONS = 64
_CELLS = 1 << 26  # of the table of counts, which bounds the memory at any vocabulary
_CONTEXTS = 4096
_TOKENS = 20_000_000  # read at most
_CHUNK = 1 << 19
_LEAF_BITS = 4
_ROUNDS = 20
_ROWS = 256  # of the table at a time


def semantic_codes(ids: NDArray[np.integer], size: int, unknown: int = 0) -> CodeBook:
    """The semantic code book of a corpus.

    Args:
        ids: (n,) the corpus, memory-mapped or not; the first 20 million tokens are read.
        size: Of the vocabulary.
        unknown: See CodeBook.
    """
    vectors = token_vectors(cooccurrence(ids, size))
    bits = bits_for(size)
    return CodeBook(torch.from_numpy(tree_codes(vectors, bits)), bits, unknown, "semantic")


def cooccurrence(ids: NDArray[np.integer], size: int) -> Counts:
    """(size, contexts): how often each token stands within four places of each frequent token.

    The contexts are the most frequent tokens, at most 4096 and fewer in a huge vocabulary.
    """
    ids = ids[:_TOKENS]
    frequency = np.bincount(ids, minlength=size)
    contexts = min(size, _CONTEXTS, max(_CELLS // size, _DIMENSIONS))
    column = np.full(size, -1, np.int64)
    column[np.argsort(-frequency, kind="stable")[:contexts]] = np.arange(contexts)
    counts = torch.zeros(size * contexts, dtype=torch.int32)
    for start in range(0, len(ids), _CHUNK):
        # The next chunk begins where this one's first parts end, so no pair is left out.
        part = np.asarray(ids[start : start + _CHUNK + _WINDOW], np.int64)
        for distance in range(1, _WINDOW + 1):
            left, right = part[: min(_CHUNK, len(part) - distance)], part[distance:]
            right = right[: len(left)]
            for token, context in ((left, right), (right, left)):
                cell = token * contexts + column[context]
                cell = cell[column[context] >= 0]
                counts.index_add_(
                    0, torch.from_numpy(cell), torch.ones(len(cell), dtype=torch.int32)
                )
    return counts.reshape(size, contexts).numpy()


def token_vectors(counts: Counts, dimensions: int = _DIMENSIONS) -> Vectors:
    """(size, at most `dimensions`) unit vectors from co-occurrence counts; 0 where there is none.

    Positive pointwise mutual information with contexts smoothed by the power 3/4, factored by a
    randomised singular value decomposition, the left vectors scaled by the root of their singular
    value (Levy, Goldberg & Dagan 2015, "Improving distributional similarity"; Halko et al.,
    arXiv 0909.4061).
    """
    weights = counts.astype(np.float32)
    token = weights.sum(1, dtype=np.float64)
    context = counts.sum(0, dtype=np.float64) ** 0.75
    context /= max(context.sum(), 1.0)
    # In place and by rows: the table is by far the biggest thing in memory.
    for start in range(0, len(weights), _ROWS):
        part = weights[start : start + _ROWS]
        with np.errstate(divide="ignore", invalid="ignore"):
            part /= token[start : start + _ROWS, None].astype(np.float32)
            part /= context[None].astype(np.float32)
            np.log(part, out=part)
        part[~np.isfinite(part)] = 0
        np.maximum(part, 0, out=part)
    rank = min(dimensions + 16, *weights.shape)
    basis = np.random.default_rng(0).standard_normal((weights.shape[1], rank)).astype(np.float32)
    for _ in range(4):
        basis = np.linalg.qr(weights.T @ np.linalg.qr(weights @ basis)[0])[0]
    left, values, _ = np.linalg.svd(weights @ basis, full_matrices=False)
    vectors = left[:, :dimensions] * np.sqrt(values[:dimensions])
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 1e-6)
    return unit


def tree_codes(vectors: Vectors, bits: int) -> NDArray[np.int64]:
    """(n,) different codes below 2^bits for n <= 2^bits vectors (n, dimensions).

    Each group is split into two halves of equal size by two means, and the halves likewise; the
    choices are the code's bits, first the coarsest. The last four bits number the up to 16 members
    of a leaf along its main direction, in Gray code, so that neighbours differ in one bit.
    """
    codes = np.zeros(len(vectors), np.int64)
    groups = [(np.arange(len(vectors)), 0, bits)]
    while groups:
        members, prefix, left = groups.pop()
        if left <= _LEAF_BITS or len(members) < 2:
            rank = np.arange(len(members))
            ordered = members[_order(vectors[members])]
            codes[ordered] = (prefix << left) | (rank ^ (rank >> 1))
            continue
        for bit, half in enumerate(_halves(members, vectors[members])):
            groups.append((half, (prefix << 1) | bit, left - 1))
    return codes


def _halves(
    members: NDArray[np.int64], vectors: Vectors
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two means with equal shares; the first half holds the smallest member."""
    middle = (len(members) + 1) // 2
    first = np.sort(_order(vectors)[:middle])
    for _ in range(_ROUNDS):
        inside = np.zeros(len(members), bool)
        inside[first] = True
        if inside.all():
            break
        towards = vectors[inside].mean(0) - vectors[~inside].mean(0)
        again = np.sort(np.argsort(-(vectors @ towards), kind="stable")[:middle])
        if np.array_equal(again, first):
            break
        first = again
    inside = np.zeros(len(members), bool)
    inside[first] = True
    one, other = members[inside], members[~inside]
    return (one, other) if one[0] < other[0] else (other, one)


def _order(vectors: Vectors) -> NDArray[np.int64]:
    """Ranks along the direction of greatest variance, ties in the given order."""
    centred = vectors - vectors.mean(0)
    covariance = centred.T @ centred
    direction = covariance[np.argmax(np.diag(covariance))]
    for _ in range(_ROUNDS):
        direction = covariance @ direction
        norm = np.linalg.norm(direction)
        if norm < 1e-12:
            return np.arange(len(vectors))
        direction = direction / norm
    return np.argsort(centred @ direction, kind="stable")
