"""N-gram language models: the reference that needs no training run and no download.

Interpolated Witten-Bell smoothing (Witten & Bell 1991, method C; Chen & Goodman 1999, section 2.5):
with c(h, w) how often w followed the context h, and T(h) how many different tokens did,

    p(w | h) = (c(h, w) + T(h) p(w | h without its first token)) / (c(h) + T(h)),

down to the uniform distribution. It works on bytes as on token ids.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError

Ids = NDArray[np.integer]
# Of a number that is not negative.
_BITS = 63


class _Level(NamedTuple):
    """All k-grams of one length k.

    Attributes:
        keys: (M,) sorted, context's number * size + last token; a k-gram's number is its place.
        counts: (M,).
        total, types: (contexts,) c(h) and T(h).
    """

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]
    total: NDArray[np.int64]
    types: NDArray[np.int64]


class NGram:
    """A model of sequences of ids 0 .. size-1, from the counts of one long sequence.

    Args:
        ids: (N,).
        order: Length of the longest n-gram, so of its context plus one.
    """

    def __init__(self, ids: Ids, size: int, order: int) -> None:
        if order < 1:
            raise InputError(f"an n-gram model of order {order}: give at least 1")
        if not len(ids) or not 0 <= ids.min() <= ids.max() < size:
            raise InputError(f"{len(ids)} ids for {size} symbols: give some, all from 0 to size-1")
        self.size, self.order = size, order
        self._levels: list[_Level] = []
        tokens = ids.astype(np.int64)
        context, contexts = np.zeros(len(ids), np.int64), 1
        for _ in range(order):
            # The context of token i is the number of the (k-1)-gram that ends before it.
            keys, number, counts = distinct(context * size + tokens)
            which = keys // size
            total = np.bincount(which, counts, contexts).astype(np.int64)
            self._levels.append(_Level(keys, counts, total, np.bincount(which, None, contexts)))
            context, contexts, tokens = number[:-1], len(keys), tokens[1:]
            if not len(tokens):
                break

    def nats(self, ids: Ids, order: int | None = None) -> NDArray[np.float64]:
        """(..., L) -log p of each id given those before it in its row of (..., L).

        Args:
            order: Of a shorter model, which is part of this one.
        """
        tokens = np.asarray(ids, np.int64)
        p = np.full(tokens.shape, 1 / self.size)
        context = np.zeros(tokens.shape, np.int64)
        for level in self._levels[:order]:
            known = context >= 0
            h = np.where(known, context, 0)
            key = h * self.size + tokens
            place = np.minimum(np.searchsorted(level.keys, key), len(level.keys) - 1)
            found = known & (level.keys[place] == key)
            types, total = np.where(known, level.types[h], 0), np.where(known, level.total[h], 0)
            mass = types + total
            p = np.where(
                mass > 0,
                (np.where(found, level.counts[place], 0) + types * p) / np.maximum(mass, 1),
                p,
            )
            # The first tokens of a row have shorter contexts.
            context = np.full_like(context, -1)
            context[..., 1:] = np.where(found, place, -1)[..., :-1]
        nats: NDArray[np.float64] = -np.log(p)
        return nats

    def perplexity(self, ids: Ids, order: int | None = None) -> float:
        """exp of the mean -log p over all ids."""
        return math.exp(float(self.nats(ids, order).mean()))


def distinct(
    x: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct numbers of x (N,), none below 0, in order; the number of each of x; their counts.

    As `numpy.unique`, but x and its places are sorted as one number where both fit into it: several
    times faster than sorting places by numbers.
    """
    shift = (len(x) - 1).bit_length()
    if int(x.max()).bit_length() + shift > _BITS:
        return np.unique(x, return_inverse=True, return_counts=True)
    both = np.sort(x << shift | np.arange(len(x)))
    place = both & ((1 << shift) - 1)
    both >>= shift
    first = np.flatnonzero(np.diff(both, prepend=-1))
    counts = np.diff(first, append=len(x))
    number = np.empty(len(x), np.int64)
    number[place] = np.repeat(np.arange(len(first)), counts)
    return both[first], number, counts


def byte_ids(text: str) -> Ids:
    """(N,) UTF-8 bytes of a text, for a model of 256 symbols."""
    return np.frombuffer(text.encode(), np.uint8)


def bits_per_symbol(nats: NDArray[np.float64]) -> float:
    """The mean in bits: per byte of what `NGram.nats` gives for bytes."""
    return float(nats.mean()) / math.log(2)
