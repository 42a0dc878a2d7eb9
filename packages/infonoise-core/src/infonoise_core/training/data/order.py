"""The order in which examples are visited, as a function of the position alone."""

import math
from collections.abc import Iterator

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, derive_seed

# With more examples, a permutation is computed where it is needed, in place of being held: at this
# many it takes 128 MiB in every process, and seconds at the beginning of every pass.
_HELD = 2**24
# Enough that neighbours end far apart whatever the seed.
_ROUNDS = 6


class Order:
    """Position k -> example: a fresh seeded permutation of all examples for every pass over them.

    There are no epochs to keep books of: position k is position k after any restart and on any
    number of ranks. Memory does not grow with the number of examples beyond 16.8 million.
    """

    def __init__(self, examples: int, seed: int) -> None:
        if examples < 1:
            raise InputError("there are no training examples: give data with at least one")
        self.examples, self.seed = examples, seed
        # The latest pass and its permutation: replaced as one, since threads may share the order.
        self._latest = (-1, np.empty(0, dtype=np.int64))

    def indices(self, start: int, count: int) -> np.ndarray:
        """(count,) int64 example indices at positions start .. start + count - 1."""
        out = np.empty(count, dtype=np.int64)
        done = 0
        while done < count:
            number, place = divmod(start + done, self.examples)
            rows = min(count - done, self.examples - place)
            out[done : done + rows] = self._stretch(number, place, rows)
            done += rows
        return out

    def _stretch(self, number: int, place: int, rows: int) -> np.ndarray:
        """Examples at `rows` places of pass `number`, from `place` on."""
        if self.examples <= _HELD:
            return self._permuted(number)[place : place + rows]
        seed = derive_seed(self.seed, Stream.ORDER, number)
        return permute(np.arange(place, place + rows), self.examples, seed)

    def _permuted(self, number: int) -> np.ndarray:
        latest, permutation = self._latest
        if number != latest:
            seed = derive_seed(self.seed, Stream.ORDER, number)
            permutation = np.random.default_rng(seed).permutation(self.examples)
            self._latest = (number, permutation)
        return permutation


def permute(places: np.ndarray, n: int, seed: int) -> np.ndarray:
    """(m,) where a pseudo-random permutation of range(n) sends `places` (m,), in O(m) memory.

    A place is written as (a, b) on a grid of hardly more than n cells; a round shifts a by a hash
    of b or the other way about, which can be undone, so rounds are a permutation of the grid (a
    Feistel network; Black & Rogaway 2002, "Ciphers with arbitrary finite domains"). What falls
    beyond n goes through again until it does not.
    """
    rows = math.isqrt(n - 1) + 1
    columns = -(-n // rows)
    keys = np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64)
    out = np.array(places, dtype=np.uint64)
    todo = np.arange(len(out))
    while len(todo):
        a, b = np.divmod(out[todo], np.uint64(columns))
        for i in range(0, _ROUNDS, 2):
            a = (a + _hash(b, keys[i])) % np.uint64(rows)
            b = (b + _hash(a, keys[i + 1])) % np.uint64(columns)
        out[todo] = a * np.uint64(columns) + b
        todo = todo[out[todo] >= n]
    return out.astype(np.int64)


def _hash(values: np.ndarray, key: np.uint64) -> np.ndarray:
    """Below 2^32, so that sums do not run over: the mixing of SplitMix64 (Steele et al. 2014)."""
    mixed = values * np.uint64(0x9E3779B97F4A7C15) + key
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed >> np.uint64(32)


def micro_batches(
    batch: int, steps: range, *, rank: int = 0, world: int = 1, grad_accum: int = 1
) -> Iterator[tuple[int, int]]:
    """(first position, count) of every micro-batch of a rank in these optimizer steps.

    All ranks together visit every position once, whatever their number.
    """
    size = batch // (world * grad_accum)
    for step in steps:
        for i in range(grad_accum):
            yield step * batch + (rank * grad_accum + i) * size, size
