"""Micro-batches prepared in the background: in order, a few ahead, and over with the block."""

import threading

import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.data.prefetch import Prefetch


def test_prefetched_is_what_is_fetched() -> None:
    never = threading.Event()

    def fetch(position: int, count: int) -> tuple[int, int]:
        # The first is the slowest: the order must not come from who is ready first.
        if position == 0:
            never.wait(0.05)
        return position, count

    plan = [(i, i % 3) for i in range(50)]
    for workers in (0, 1, 3):
        with Prefetch(fetch, plan, workers) as batches:
            assert [*batches] == plan


def test_the_next_are_prepared_while_nobody_asks() -> None:
    done = threading.Semaphore(0)

    def fetch(position: int, count: int) -> int:
        done.release()
        return position

    with Prefetch(fetch, [(i, 1) for i in range(100)], workers=2) as batches:
        assert next(batches) == 0
        # Two workers, two ahead of each, and the one that was asked for.
        assert all(done.acquire(timeout=10) for _ in range(5))
        # And no more than that.
        assert not done.acquire(timeout=0.05)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_comes_in_its_place(workers: int) -> None:
    def fetch(position: int, count: int) -> int:
        if position == 3:
            raise InputError("number 3: is bad")
        return position

    with Prefetch(fetch, [(i, 1) for i in range(9)], workers) as batches:
        assert [next(batches) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(InputError, match="number 3"):
            next(batches)
        assert next(batches) == 4


def test_the_threads_end_with_the_block() -> None:
    before = threading.active_count()
    entered, gate = threading.Event(), threading.Event()

    def fetch(position: int, count: int) -> int:
        if position:
            entered.set()
            gate.wait(0.05)
        return position

    def body() -> None:
        with Prefetch(fetch, [(i, 1) for i in range(1000)], workers=2) as batches:
            next(batches)
            entered.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        body()
    assert threading.active_count() == before
    with pytest.raises(InputError, match="--workers -1: give 0 or more"):
        Prefetch(fetch, [], -1)


def test_after_its_end_there_is_nothing_more() -> None:
    batches = Prefetch(lambda position, count: position, [(0, 1)] * 9, workers=1)
    next(batches)
    batches.close()
    assert [*batches] == []
