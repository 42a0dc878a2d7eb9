"""What sequences share on either strand: digests of whole ones, k-mers, connected components."""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import MASKED, Codes, complement_codes

# k-mers held and sorted at once, about 0.6 GB; more of them are done in several passes.
_AT_ONCE = 2**24
_BLOCK = 2**20
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
# Codes present in a k-mer as bits -> whether it counts: three letters or more, none masked.
_COUNTS = np.array([m < 1 << MASKED and m.bit_count() >= 3 for m in range(32)])


def digest(codes: bytes) -> int:
    """64 bits of a sequence."""
    return int.from_bytes(hashlib.blake2b(codes, digest_size=8).digest(), "little")


def two_strand_digest(codes: bytes) -> int:
    """64 bits of a sequence, the same for its reverse complement."""
    return digest(min(codes, complement_codes(codes)))


def two_strand_digests(
    codes: Codes, lengths: NDArray[np.int64] | None = None
) -> NDArray[np.uint64]:
    """`two_strand_digest` of each row of (n, L), without padding where there are lengths (n,)."""
    ends = [None] * len(codes) if lengths is None else lengths.tolist()
    rows = (row[:end].tobytes() for row, end in zip(codes, ends, strict=True))
    return np.fromiter(map(two_strand_digest, rows), np.uint64, len(codes))


def similarity_clusters(
    codes: Codes, k: int, lengths: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """(n,) cluster of each sequence (n, L), or of lengths (n,), named by its first member.

    Two sequences are in one cluster if they are the same on either strand, or share a k-mer
    (k <= 31) on either strand that has no masked base and three different letters or more; and so
    are all that hang together in this way. Time grows like n log n; memory does not grow beyond
    a few times that of the codes.
    """
    parent = np.arange(len(codes), dtype=np.int64)
    parent = _join(parent, *_neighbours(two_strand_digests(codes, lengths), parent))
    width = codes.shape[1] - k + 1
    if width < 1:
        return parent
    passes = -(-len(codes) * width // _AT_ONCE)
    for number in range(passes):
        pieces = list(_kmers(codes, k, passes, number))
        keys = np.concatenate([key for key, _ in pieces])
        rows = np.concatenate([row for _, row in pieces])
        parent = _join(parent, *_neighbours(keys, rows))
    return parent


def _kmers(
    codes: Codes, k: int, passes: int, number: int
) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """Two-strand k-mers and their rows; of several passes, each takes its share of all k-mers."""
    rows = max(1, _BLOCK // codes.shape[1])
    for start in range(0, len(codes), rows):
        kmers, counts = two_strand_kmers(codes[start : start + rows], k)
        if passes > 1:
            share = (kmers * _SPREAD >> np.uint64(40)) % np.uint64(passes)
            counts &= share == number
        yield kmers[counts], np.nonzero(counts)[0] + start


def two_strand_kmers(codes: Codes, k: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """(n, L-k+1) each k-mer's number, the same on both strands, and whether it counts."""
    width = codes.shape[1] - k + 1
    base = codes.astype(np.uint64) & np.uint64(3)
    forward = np.zeros((len(codes), width), np.uint64)
    backward = np.zeros_like(forward)
    present = np.zeros(forward.shape, np.uint8)
    bit = np.left_shift(1, codes, dtype=np.uint8)
    for i in range(k):
        column = base[:, i : i + width]
        forward = forward << np.uint64(2) | column
        backward |= (np.uint64(3) - column) << np.uint64(2 * i)
        present |= bit[:, i : i + width]
    return np.minimum(forward, backward), _COUNTS[present]


def _neighbours(
    keys: NDArray[np.uint64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of rows with equal keys, enough of them to connect all that have the key."""
    order = np.argsort(keys)
    keys, rows = keys[order], rows[order]
    same = keys[1:] == keys[:-1]
    return rows[:-1][same], rows[1:][same]


def _join(
    parent: NDArray[np.int64], a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Components (n,) -> components with the edges a-b added; each is named by its least member.

    In every round each root with a lesser neighbour hangs itself below it, and all paths are
    shortened to one step; edges within a component are forgotten.
    """
    while True:
        a, b = parent[a], parent[b]
        apart = a != b
        if not apart.any():
            return parent
        a, b = np.minimum(a, b)[apart], np.maximum(a, b)[apart]
        parent = parent.copy()
        np.minimum.at(parent, b, a)
        while not np.array_equal(higher := parent[parent], parent):
            parent = higher
