"""Shards of one's own: the same order on any number of processes, whole passes, few readers."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_core.training.data.by_shard import LANES, ShardOrder, lanes_of, stretches
from infonoise_core.training.data.order import micro_batches
from infonoise_core.training.data.prefetch import Prefetch

SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=20).filter(any)


@given(SIZES, st.sampled_from((1, 6, 8, 64)), st.integers(0, 2**31), st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_order_is_a_function_of_the_position(
    sizes: list[int], batch: int, seed: int, start: int
) -> None:
    whole = ShardOrder(sizes, batch, seed).indices(0, start + 70)
    assert np.array_equal(ShardOrder(sizes, batch, seed).indices(start, 70), whole[start:])


@given(SIZES, st.sampled_from((1, 6, 8, 64)), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_passes_of_the_lanes_are_all_examples_once(sizes: list[int], batch: int, seed: int) -> None:
    order, n = ShardOrder(sizes, batch, seed), sum(sizes)
    width = batch // order.lanes
    read = defaultdict(list)
    found = order.indices(0, batch * (3 * (-(-n // batch)) + 3))
    for position, example in enumerate(found):
        read[order.lane_of(position)].append(int(example))
    assert {len(rows) % width for rows in read.values()} == {0}
    for number in range(3):
        taken = []
        for lane, rows in read.items():
            size = n * (lane + 1) // order.lanes - n * lane // order.lanes
            taken += rows[number * size : (number + 1) * size]
        assert sorted(taken) == list(range(n))


def by_rank(order: ShardOrder, batch: int, steps: range, world: int, accum: int = 1) -> np.ndarray:
    """(steps, batch): what ranks read, in the order of their rows."""
    parts = [
        [order.indices(*place) for place in micro_batches(
            batch, steps, rank=rank, world=world, grad_accum=accum
        )]
        for rank in range(world)
    ]  # fmt: skip
    rows = [np.concatenate(part).reshape(len(steps), -1) for part in parts]
    return np.concatenate(rows, axis=1)


def test_any_number_of_ranks_reads_the_same_and_goes_on_the_same() -> None:
    sizes, batch, steps = [37, 50, 1, 12, 80, 44, 23, 9], 16, range(40)
    alone = by_rank(ShardOrder(sizes, batch, 5), batch, steps, 1)
    for world, accum in ((2, 1), (4, 1), (4, 2), (8, 1)):
        assert np.array_equal(
            by_rank(ShardOrder(sizes, batch, 5), batch, steps, world, accum), alone
        )
    # Begun on four, gone on with on one, then on two: new objects, as after a restart.
    pieces = [(range(13), 4), (range(13, 21), 1), (range(21, 40), 2)]
    again = [by_rank(ShardOrder(sizes, batch, 5), batch, part, world) for part, world in pieces]
    assert np.array_equal(np.concatenate(again), alone)


@pytest.mark.parametrize("world", [2, 4, 8])
def test_a_shard_is_read_by_one_rank_in_a_pass_but_on_borders(world: int) -> None:
    sizes, batch = [100] * 64, 64
    order, shard_of = ShardOrder(sizes, batch, 0), np.repeat(np.arange(64), 100)
    steps = range(100)  # a pass
    readers = defaultdict(set)
    rows = shard_of[by_rank(order, batch, steps, world)]
    for rank, columns in enumerate(np.split(rows, world, axis=1)):
        for shard in np.unique(columns):
            readers[int(shard)].add(rank)
    # As many shards as lanes, all of one size: no border cuts any.
    assert Counter(map(len, readers.values())) == {1: 64}
    # Uneven ones are cut at the borders of ranks, each by two.
    sizes = [90 + i % 21 for i in range(64)]
    order, shard_of = ShardOrder(sizes, batch, 0), np.repeat(np.arange(64), sizes)
    readers.clear()
    for rank, columns in enumerate(
        np.split(shard_of[by_rank(order, batch, range(sum(sizes) // batch), world)], world, axis=1)
    ):
        for shard in np.unique(columns):
            readers[int(shard)].add(rank)
    counts = Counter(map(len, readers.values()))
    assert counts[1] >= 64 - (world - 1)
    assert set(counts) <= {1, 2}


def test_a_lane_reads_one_shard_after_the_other_and_passes_differ() -> None:
    order = ShardOrder([50] * 4, 4, 1)
    found = order.indices(0, 800).reshape(-1, 4)
    for lane in range(4):
        first, second = found[:50, lane], found[50:100, lane]
        assert len(set(first // 50)) == 1
        assert sorted(first % 50) == list(range(50))
        assert not np.array_equal(first, second)


def test_lanes_are_what_batch_and_shards_allow() -> None:
    assert [lanes_of(batch, 1000) for batch in (1, 6, 96, 128, 4096)] == [1, 2, 32, 64, LANES]
    assert [lanes_of(128, shards) for shards in (1, 3, 40)] == [1, 2, 32]


@given(st.integers(1, 10**6))
def test_stretches_are_even_and_all(n: int) -> None:
    sizes = stretches(n)
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 4096
    assert len(sizes) >= min(n, LANES)


def test_no_examples_are_refused() -> None:
    with pytest.raises(InputError, match="no training examples"):
        ShardOrder([0, 0], 8, 0)


def test_an_order_may_be_shared_by_threads() -> None:
    order = ShardOrder([3, 5, 2, 7], 4, 1)
    whole = ShardOrder([3, 5, 2, 7], 4, 1).indices(0, 4000)
    plan = [(start, 5) for start in range(0, 3995, 5)]
    with Prefetch(order.indices, plan, workers=4) as batches:
        assert np.array_equal(np.concatenate(list(batches)), whole[:3995])
