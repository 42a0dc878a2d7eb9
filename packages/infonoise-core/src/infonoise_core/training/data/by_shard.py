"""The order of examples that lie in shards: each process reads shards of its own, one by one.

Any example at any time is best for learning, and worst for disks and networks. Here the places of a
batch are dealt to lanes, and every lane walks through shards of its own; a process has the lanes of
its rows. So what it reads lies together, and still the example at a position is a function of
(seed, position), whatever the number of processes.
"""

import math
from collections.abc import Sequence, Sized
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, derive_seed
from infonoise_core.training.data.order import Order, permute

# Of a batch at most: as many shards are mixed in it, and as many processes can have shards of their
# own.
LANES = 64
# Where data say nothing of shards, neighbours of the index make some: that many examples, or fewer
# so that there are enough for all lanes.
_STRETCH = 4096


@runtime_checkable
class Sharded(Protocol):
    """A task whose examples lie in shards.

    Attributes:
        shards: Examples of each, in the order of the index.
    """

    shards: Sequence[int]


class Visits(Protocol):
    """The order in which examples are visited."""

    def indices(self, start: int, count: int) -> NDArray[np.int64]:
        """(count,) example indices at positions start .. start + count - 1."""


def visits(task: Sized, batch_size: int, seed: int, order: str) -> Visits:
    """The order "examples" or "shards" of a task's examples."""
    if order == "examples":
        return Order(len(task), seed)
    shards = task.shards if isinstance(task, Sharded) else stretches(len(task))
    return ShardOrder(shards, batch_size, seed)


class ShardOrder:
    """Position k -> example: whole passes, each with another order of shards and within them.

    A pass is a permutation of the shards, each of them permuted in itself, end to end. It is cut
    into as many equal stretches as there are lanes, to an example, so a shard on a border is read
    by two lanes, and every other one by one. A lane comes to the next pass when its stretch is
    through.

    Args:
        shards: Examples of each shard.
        batch_size: Examples of an optimizer step; lanes are neighbouring places of it.
    """

    def __init__(self, shards: Sequence[int], batch_size: int, seed: int) -> None:
        self._sizes = np.asarray(shards, np.int64)
        self.examples = int(self._sizes.sum())
        if not self.examples:
            raise InputError("there are no training examples: give data with at least one")
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._batch, self._seed = batch_size, seed
        self.lanes = lanes_of(batch_size, len(self._sizes))
        # The latest passes that lanes were in, and their shards; threads may share the order.
        self._passes: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def indices(self, start: int, count: int) -> NDArray[np.int64]:
        """(count,) example indices at positions start .. start + count - 1."""
        out = np.empty(count, np.int64)
        width, done = self._batch // self.lanes, 0
        while done < count:
            step, place = divmod(start + done, self._batch)
            lane, inside = divmod(place, width)
            rows = min(count - done, width - inside)
            out[done : done + rows] = self._of_lane(lane, step * width + inside, rows)
            done += rows
        return out

    def lane_of(self, position: int) -> int:
        """Which lane a position belongs to."""
        return position % self._batch // (self._batch // self.lanes)

    def _of_lane(self, lane: int, at: int, count: int) -> NDArray[np.int64]:
        """What a lane reads from its `at`-th example on."""
        low, high = (self.examples * i // self.lanes for i in (lane, lane + 1))
        out = np.empty(count, np.int64)
        done = 0
        while done < count:
            number, inside = divmod(at + done, high - low)
            rows = min(count - done, high - low - inside)
            out[done : done + rows] = self._of_pass(number, low + inside, rows)
            done += rows
        return out

    def _of_pass(self, number: int, start: int, count: int) -> NDArray[np.int64]:
        """Examples at `count` places of a pass, from `start` on."""
        shards, ends = self._pass(number)
        out = np.empty(count, np.int64)
        done = 0
        row = int(np.searchsorted(ends, start, side="right"))
        while done < count:
            shard, size = int(shards[row]), int(self._sizes[shards[row]])
            inside = start + done - (int(ends[row]) - size)
            rows = min(count - done, size - inside)
            seed = derive_seed(self._seed, Stream.ORDER, number, 1 + shard)
            places = permute(np.arange(inside, inside + rows), size, seed)
            out[done : done + rows] = int(self._starts[shard]) + places
            done, row = done + rows, row + 1
        return out

    def _pass(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The shards of a pass in their order, and where each ends; none without examples."""
        found = self._passes.get(number)
        if found is None:
            seed = derive_seed(self._seed, Stream.ORDER, number)
            shards = np.random.default_rng(seed).permutation(len(self._sizes))
            shards = shards[self._sizes[shards] > 0]
            found = shards, np.cumsum(self._sizes[shards])
            # Lanes are at most a pass apart, and threads ahead of each other by little.
            kept = {n: one for n, one in self._passes.items() if abs(n - number) <= 2}
            self._passes = {**kept, number: found}
        return found


def lanes_of(batch_size: int, shards: int) -> int:
    """As many as divide a batch, but no more than there are shards: a power of two."""
    lanes = math.gcd(batch_size, LANES)
    while lanes > max(1, shards):
        lanes //= 2
    return lanes


def stretches(examples: int) -> list[int]:
    """Sizes of the shards that neighbours of the index make, as even as can be."""
    number = min(examples, max(LANES, -(-examples // _STRETCH)))
    return [examples * (i + 1) // number - examples * i // number for i in range(number)]
