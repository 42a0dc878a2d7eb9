"""The order in which examples are visited, as a function of the position alone."""

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.training.randomness import Stream, derive_seed


class Order:
    """Position k -> example: a fresh seeded permutation of all examples for every pass over them.

    There are no epochs to keep books of: position k is position k after any restart and on any
    number of ranks.
    """

    def __init__(self, examples: int, seed: int) -> None:
        if examples < 1:
            raise InputError("there are no training examples: give data with at least one")
        self.examples, self.seed = examples, seed
        self._pass = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def indices(self, start: int, count: int) -> np.ndarray:
        """(count,) int64 example indices at positions start .. start + count - 1."""
        positions = np.arange(start, start + count, dtype=np.int64)
        passes, places = np.divmod(positions, self.examples)
        out = np.empty(count, dtype=np.int64)
        for p in np.unique(passes):
            here = passes == p
            out[here] = self._permuted(int(p))[places[here]]
        return out

    def _permuted(self, number: int) -> np.ndarray:
        if number != self._pass:
            seed = derive_seed(self.seed, Stream.ORDER, number)
            self._permutation = np.random.default_rng(seed).permutation(self.examples)
            self._pass = number
        return self._permutation
