"""Parts for training, validation and test that share nothing: by similarity, chromosome or file."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.kmers import similarity_clusters, two_strand_digests
from infonoise_bio.data.options import Splitting
from infonoise_core.errors import InputError
from infonoise_core.shown import amount

SPLITS = ("train", "val", "test")
_WORDS = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("val", "valid", "validation", "dev"), 1),
    **dict.fromkeys(("test", "testing", "held-out", "heldout"), 2),
}
# Clusters with a larger share of the data go to training: held out, they would be most of it.
_LARGE = 0.05
# So many have no stretches that could be held out.
_FEW = 30
# A cluster with more than this share of the data is named.
_MOST = 0.5
# As bedtools writes them: chr1:100-200(+), or behind a name, name::chr1:100-200(+).
_COORDINATES = re.compile(r"^(?:\S*?::)?([^:\s]+):-?\d+--?\d+|^(chr[0-9A-Za-z]+)_\d+_\d+")

Split = NDArray[np.uint8]


class OneCluster(InputError):
    """Too much hangs together for parts to be made of clusters."""


def default_k(length: int, lengths: NDArray[np.int64] | None = None) -> int:
    """24, less for short sequences: a third of them, but at least 12.

    Of several `lengths` (n,) their median counts.
    """
    length = length if lengths is None else int(np.median(lengths))
    return min(24, max(12, length // 3))


def split_by_similarity(
    codes: Codes, splitting: Splitting, lengths: NDArray[np.int64] | None = None
) -> tuple[Split, str]:
    """(n,) index into SPLITS for sequences (n, L), and one line that says what was done.

    No sequence of one part shares a k-mer with one of another (see `similarity_clusters`). Which
    clusters are held out depends on their content and the seed, not on the order of the file.
    """
    k = splitting.cluster_k or default_k(codes.shape[1], lengths)
    cluster = similarity_clusters(codes, k, lengths)
    digests = two_strand_digests(codes, lengths)
    if splitting.val or splitting.test:
        _check_different(codes, digests)
    least = np.full(len(codes), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(least, cluster, digests)
    names, group = np.unique(cluster, return_inverse=True)
    keys = [_key(int(least[name]).to_bytes(8, "little"), splitting.split_seed) for name in names]
    split = _hold_out(group, keys, splitting, _LARGE, "similarity cluster", _fix(k, len(codes)))
    note = f"split by similarity: {amount(len(names), 'cluster')} of sequences that share a {k}-mer"
    largest = int(np.bincount(group).max())
    if largest > _MOST * len(codes):
        note += f" (warning: {largest:,} in one, for training; --split region divides them)"
    return split, note


def _check_different(codes: Codes, digests: NDArray[np.uint64]) -> None:
    """InputError for sequences of which no two parts can be made, whatever the rule."""
    if len(codes) < 2 or (digests != digests[0]).any():
        return
    if (codes == MASKED).all():
        raise InputError(f"none of {len(codes):,} sequences holds a base A C G T; give others")
    raise InputError(
        f"all {len(codes):,} sequences are the same, on either strand: nothing can be learned of"
        " them; give different ones"
    )


def _fix(k: int, n: int) -> str:
    if n < _FEW:  # a stretch with a gap on both sides has no room either
        return "give more sequences that differ"
    longer = f", --cluster-k {min(31, k + 7)}" if k < 31 else ""
    return f"give --split region{longer} or more data"


def split_by_chromosome(records: Sequence[str], splitting: Splitting) -> tuple[Split, str]:
    """(n,) index into SPLITS for the chromosomes (n,) of sequences, and what was done."""
    names, group = np.unique(np.asarray(records), return_inverse=True)
    chosen = {
        name: part
        for part, text in ((1, splitting.val_chromosomes), (2, splitting.test_chromosomes))
        for name in Splitting.chromosomes(text)
    }
    for name in chosen:
        if name not in names:
            raise InputError(
                f"no sequence lies on chromosome '{name}'; there are {', '.join(names[:8])}"
            )
    if chosen:
        split = np.array([chosen.get(str(name), 0) for name in names], np.uint8)[group]
    else:
        keys = [_key(str(name).encode(), splitting.split_seed) for name in names]
        split = _hold_out(
            group, keys, splitting, 1.0, "chromosome", "give --split region or similarity"
        )
    held = {part: [str(n) for n, s in _first(names, group, split) if s == part] for part in (1, 2)}
    return split, (
        f"split by chromosome: val {', '.join(held[1]) or 'none'};"
        f" test {', '.join(held[2]) or 'none'}"
    )


def split_of_word(record: Record, column: str) -> int:
    """Index into SPLITS that the record's own field gives."""
    word = record.fields.get(column)
    if word is None:
        there = ", ".join(record.fields) or "none"
        raise InputError(
            f"{record.where} has no field '{column}'; name it with --split-column; its fields:"
            f" {there}"
        )
    if word.strip().lower() not in _WORDS:
        raise InputError(
            f"{record.where}: {column} is {word!r}; give train, val or test, or another --split"
            " such as similarity"
        )
    return _WORDS[word.strip().lower()]


def chromosome_of(record: Record) -> str:
    """From where it was cut, a field, or an id such as chr1:100-200."""
    for name in ("chromosome", "chrom", "chr"):
        if name in record.fields:
            return record.fields[name]
    match = _COORDINATES.match(record.id)
    chromosome = record.chromosome or (match and (match[1] or match[2]))
    if not chromosome:
        raise InputError(
            f"{record.where}: its chromosome is not known; give a column 'chromosome' or ids like"
            " chr1:100-200"
        )
    return chromosome


def straddling(cluster: NDArray[np.int64], split: Split) -> int:
    """Number of clusters (n,) with sequences in more than one part (n,)."""
    pairs = np.unique(cluster * len(SPLITS) + split)
    _, parts = np.unique(pairs // len(SPLITS), return_counts=True)
    return int((parts > 1).sum())


def _key(content: bytes, seed: int) -> bytes:
    return hashlib.blake2b(content, digest_size=8, key=str(seed).encode()).digest()


def _first(names: NDArray[np.str_], group: NDArray[np.intp], split: Split) -> list[tuple[str, int]]:
    _, index = np.unique(group, return_index=True)
    return [(str(name), int(split[i])) for name, i in zip(names, index, strict=True)]


def _hold_out(
    group: NDArray[np.intp],
    keys: Sequence[bytes],
    splitting: Splitting,
    large: float,
    what: str,
    fix: str,
) -> Split:
    """Groups in the order of their keys fill the test part, then the validation part.

    A group goes where it fits; where none fits, the smallest goes.
    """
    sizes = np.bincount(group)
    part = np.zeros(len(sizes), np.uint8)
    cap = max(1.0, large * len(group))
    free = sorted((g for g in range(len(sizes)) if sizes[g] <= cap), key=lambda g: keys[g])
    free = free or sorted(range(len(sizes)), key=lambda g: keys[g])
    shares = {2: splitting.test, 1: splitting.val}
    # Where most of the data stay together, what is left is shared out in proportion.
    left = sum(int(sizes[g]) for g in free)
    scale = min(1.0, left / max(1.0, sum(shares.values()) * len(group)))
    for index, share in shares.items():
        if not share:
            continue
        room = max(1, round(scale * share * len(group)))
        taken: list[int] = []
        for g in free:
            if sizes[g] <= room:
                taken.append(g)
                room -= int(sizes[g])
        taken = taken or sorted(free, key=lambda g: (sizes[g], keys[g]))[:1]
        part[taken] = index
        free = [g for g in free if part[g] == 0]
    parts = len({0, *(i for i, share in ((1, splitting.val), (2, splitting.test)) if share)})
    if len(np.unique(part)) < parts:
        largest = int(sizes.max())
        raise OneCluster(
            f"too few to hold some out: {len(group)} sequences, each {what} kept whole, make"
            f" {len(sizes)}, the largest of {largest:,} ({largest / len(group):.0%}); {fix}"
        )
    return part[group]
