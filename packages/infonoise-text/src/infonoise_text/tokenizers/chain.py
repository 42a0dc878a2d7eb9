"""A sequence of symbols in which pairs are merged: what learning and applying pairs stand on."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Places = NDArray[np.int64]


class Chain:
    """A sequence of symbols in which all occurrences of a pair can be merged at once.

    Positions are linked in both directions, and each pair knows where it occurs, so that a merge
    costs what it changes. A pair (a, b) has the key a * size + b. Symbols below 0 are no part of
    any pair: -1 the barrier and the end of the sequence, -2 what a merge has swallowed.
    """

    def __init__(self, ids: NDArray[np.integer], size: int, barrier: int | None) -> None:
        n = len(ids)
        self._size = size
        self._symbol = np.append(np.asarray(ids, np.int64), -1)
        if barrier is not None:
            self._symbol[self._symbol == barrier] = -1
        self._next = np.append(np.arange(1, n + 1), n)
        self._previous = np.append(np.arange(-1, n - 1) % (n + 1), n)
        keys = self._keys(np.arange(n))
        order = np.argsort(keys, kind="stable")
        self._order = order[np.searchsorted(keys[order], 0) :]
        unique, start, count = np.unique(keys[self._order], return_index=True, return_counts=True)
        self._unique, self._count = unique, count
        ends = (start + count).tolist()
        self._slice = dict(
            zip(unique.tolist(), zip(start.tolist(), ends, strict=True), strict=True)
        )
        self._made: dict[int, list[Places]] = {}

    def pairs(self) -> tuple[Places, Places]:
        """Keys of the pairs at the beginning, in rising order, and how often each occurred."""
        return self._unique, self._count

    def symbols(self, barrier: int | None) -> Ids:
        """(m,) what is left, in order, with `barrier` where one stood."""
        left = self._symbol[:-1]
        left = left[left != -2]
        return np.where(left == -1, 0 if barrier is None else barrier, left).astype(np.int32)

    def merge(self, a: int, b: int, new: int) -> tuple[Places, Places]:
        """Replace each (a, b) by `new`, from the left; returns keys and how their count changes."""
        at = self._occurrences(a, b)
        if not len(at):  # earlier merges have taken all of them
            return at, at
        swallowed = self._next[at]
        before = self._keys(np.unique(np.concatenate([self._previous[at], at, swallowed])))
        behind = self._next[swallowed]
        self._symbol[at], self._symbol[swallowed] = new, -2
        self._next[at] = behind
        self._previous[behind] = at
        touched = np.unique(np.concatenate([self._previous[at], at]))
        after = self._keys(touched)
        self._remember(touched, after)
        keys, where = np.unique(np.concatenate([before, after]), return_inverse=True)
        sign = np.repeat([-1, 1], [len(before), len(after)])
        change = np.bincount(where, sign, len(keys)).astype(np.int64)
        kept = (keys >= 0) & (change != 0)
        return keys[kept], change[kept]

    def _occurrences(self, a: int, b: int) -> Places:
        key = a * self._size + b
        found = self._made.pop(key, [])
        if key in self._slice:
            start, end = self._slice.pop(key)
            found = [*found, self._order[start:end]]
        at: Places = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
        at = at[(self._symbol[at] == a) & (self._symbol[self._next[at]] == b)]
        if a != b:
            return at
        # In a run a a a a the pairs overlap: take every other one.
        index = np.arange(len(at))
        begins = np.append(True, self._next[at[:-1]] != at[1:])[: len(at)]
        first = np.maximum.accumulate(np.where(begins, index, 0))
        every_other: Places = at[(index - first) % 2 == 0]
        return every_other

    def _remember(self, positions: Places, keys: Places) -> None:
        order = np.argsort(keys, kind="stable")
        keys, positions = keys[order], positions[order]
        unique, start = np.unique(keys, return_index=True)
        for key, where in zip(unique.tolist(), np.split(positions, start[1:]), strict=True):
            if key >= 0:
                self._made.setdefault(key, []).append(where)

    def _keys(self, positions: Places) -> Places:
        left, right = self._symbol[positions], self._symbol[self._next[positions]]
        return np.where((left < 0) | (right < 0), -1, left * self._size + right)
