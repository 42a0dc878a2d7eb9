"""The order of examples: whole passes, each another, from the position alone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_core.training.data.order import Order, permute
from infonoise_core.training.data.prefetch import Prefetch


@given(st.integers(1, 40), st.integers(0, 2**31), st.integers(0, 200), st.integers(1, 100))
@settings(max_examples=50, deadline=None)
def test_order_is_a_function_of_the_position(n: int, seed: int, start: int, count: int) -> None:
    whole = Order(n, seed).indices(0, start + count)
    assert np.array_equal(Order(n, seed).indices(start, count), whole[start:])
    for first in range(0, len(whole) - n + 1, n):
        assert sorted(whole[first : first + n]) == list(range(n))


def test_passes_differ() -> None:
    order = Order(100, 0)
    assert not np.array_equal(order.indices(0, 100), order.indices(100, 100))


@given(st.integers(1, 500), st.integers(0, 2**63 - 1))
def test_a_computed_permutation_is_one(n: int, seed: int) -> None:
    whole = permute(np.arange(n), n, seed)
    assert sorted(whole) == list(range(n))
    some = np.arange(n)[::-3]
    assert np.array_equal(permute(some, n, seed), whole[some])


def test_a_computed_permutation_is_like_a_drawn_one() -> None:
    """Neighbours, places, and two seeds are independent: the mean distance of two uniform numbers
    below 1 is 1/3, its standard deviation sqrt(1/18)."""
    n = 30_011
    one, other = (permute(np.arange(n), n, seed) / n for seed in (1, 2))
    tolerance = 5 * np.sqrt(1 / 18 / n)
    for a, b in ((one[1:], one[:-1]), (one, np.arange(n) / n), (one, other), (one[7:], one[:-7])):
        assert abs(np.mean(np.abs(a - b)) - 1 / 3) < tolerance
    # Differences modulo 1 are uniform too: 100 cells, chi-square with 99 degrees of freedom, whose
    # mean is 99 and standard deviation 14.
    counts = np.bincount((np.diff(one) % 1 * 100).astype(int), minlength=100)
    assert abs(np.sum((counts - n / 100) ** 2) / (n / 100) - 99) < 5 * 14


def test_an_order_of_very_many_examples_needs_no_room() -> None:
    n = 10**12
    order = Order(n, 3)
    indices = order.indices(n - 500, 1000)
    assert len(set(indices[:500])) == len(set(indices[500:])) == 500
    assert ((indices >= 0) & (indices < n)).all()
    assert np.array_equal(Order(n, 3).indices(n - 100, 200), indices[400:600])


def test_an_order_may_be_shared_by_threads() -> None:
    """At the borders between passes, where one thread is a pass ahead of another."""
    order, whole = Order(7, 1), Order(7, 1).indices(0, 7 * 400)
    plan = [(start, 5) for start in range(0, 7 * 400 - 5, 5)]
    with Prefetch(order.indices, plan, workers=4) as batches:
        for (start, count), found in zip(plan, batches, strict=True):
            assert np.array_equal(found, whole[start : start + count])
