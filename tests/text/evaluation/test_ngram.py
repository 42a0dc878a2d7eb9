"""N-gram models: by hand, as laws, against a source of known entropy and a known corpus."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_text.evaluation.ngram import NGram, bits_per_symbol, byte_ids, distinct

DATA = Path(__file__).parents[4] / "shared" / "data" / "text"


def test_by_hand() -> None:
    """a b a c over four symbols. Of single tokens: c = 4, T = 3; after a: c = 2, T = 2."""
    model = NGram(np.array([0, 1, 0, 2]), 4, 2)
    single = [(2 + 3 / 4) / 7, (1 + 3 / 4) / 7, (1 + 3 / 4) / 7, (0 + 3 / 4) / 7]
    for token, p in enumerate(single):
        assert np.exp(-model.nats(np.array([token])))[0] == pytest.approx(p)
        after_a = (token in (1, 2)) * 1 + 2 * p
        found = np.exp(-model.nats(np.array([0, token])))
        assert found == pytest.approx([single[0], after_a / 4])
        # c was last: nothing ever followed it, so the shorter context speaks.
        assert np.exp(-model.nats(np.array([2, token])))[1] == pytest.approx(p)
        # d was never seen.
        assert np.exp(-model.nats(np.array([3, token])))[1] == pytest.approx(p)


@given(st.lists(st.integers(0, 12) | st.integers(0, 2**62), min_size=1, max_size=60))
def test_distinct_numbers_are_those_of_numpy(numbers: list[int]) -> None:
    """Small ones, which are sorted with their places, and such as leave these no room."""
    x = np.array(numbers, np.int64)
    expected = np.unique(x, return_inverse=True, return_counts=True)
    for found, wanted in zip(distinct(x), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.lists(st.integers(0, 5), max_size=6),
    st.integers(1, 5),
)
@settings(max_examples=60)
def test_behind_every_context_it_is_a_law(train: list[int], context: list[int], order: int) -> None:
    model = NGram(np.array(train), 6, order)
    rows = np.array([[*context, token] for token in range(6)])
    assert np.exp(-model.nats(rows)[:, -1]).sum() == pytest.approx(1)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 6))
@settings(max_examples=30)
def test_a_shorter_model_is_part_of_a_longer_one(train: list[int], order: int) -> None:
    ids, text = np.array(train), np.array([[0, 1, 2, 3, 0, 1], [3, 3, 3, 0, 0, 0]])
    longer = NGram(ids, 4, 6)
    assert np.array_equal(longer.nats(text, order), NGram(ids, 4, order).nats(text))


def test_rows_do_not_see_each_other() -> None:
    rng = np.random.default_rng(0)
    model = NGram(rng.integers(0, 9, 500), 9, 4)
    rows = rng.integers(0, 9, (5, 12))
    alone = np.stack([model.nats(row) for row in rows])
    assert np.array_equal(model.nats(rows), alone)
    assert model.perplexity(rows) == pytest.approx(math.exp(alone.mean()))


def test_a_markov_source_costs_its_entropy_rate() -> None:
    """Held out, from 50,000 tokens: order 2 pays the rate and a cost of learning of about
    V (V-1) / 2N nats, far less than the error of the mean; order 1 pays the marginal entropy."""
    rng = np.random.default_rng(0)
    steps = np.where(rng.random(100_000) < 0.9, 1, rng.integers(0, 8, 100_000))
    ids = np.cumsum(steps) % 8
    model = NGram(ids[:50_000], 8, 3)
    table = np.full(8, 0.1 / 8)
    table[1] += 0.9
    rate = -(table * np.log(table)).sum()
    nats = model.nats(ids[50_000:], 2)
    assert abs(nats.mean() - rate) < 5 * nats.std() / math.sqrt(len(nats))
    assert model.nats(ids[50_000:], 1).mean() == pytest.approx(math.log(8), abs=0.01)


def test_many_symbols_and_long_contexts_do_not_run_over() -> None:
    """2^20 symbols to the sixth power is no 64-bit number; contexts are numbered instead."""
    ids = np.arange(2**20 - 1, 2**20 - 1001, -1)
    model = NGram(ids, 2**20, 6)
    nats = model.nats(np.concatenate([ids[:10], [0]]))
    assert (np.diff(nats[:6]) < 0).all()
    assert nats[9] == pytest.approx(nats[5])
    assert nats[10] > 10


def test_what_makes_no_model_is_refused() -> None:
    with pytest.raises(InputError, match="order 0"):
        NGram(np.array([1]), 2, 0)
    for ids in ([], [2], [-1]):
        with pytest.raises(InputError, match=f"{len(ids)} ids for 2 symbols"):
            NGram(np.array(ids, np.int64), 2, 1)


def test_bytes_of_text() -> None:
    assert byte_ids("aé").tolist() == [97, 0xC3, 0xA9]
    assert bits_per_symbol(np.full(3, math.log(8))) == pytest.approx(3)


@pytest.mark.data
def test_the_known_number_of_a_known_corpus() -> None:
    """tinyshakespeare, its first 90 % for training: 2.450 bits per byte at order 6."""
    path = DATA / "tinyshakespeare" / "input.txt"
    if not path.is_file():
        pytest.skip("no tinyshakespeare here")
    text = byte_ids(path.read_text(encoding="utf-8"))
    cut = int(0.9 * len(text))
    model = NGram(text[:cut], 256, 6)
    found = [bits_per_symbol(model.nats(text[cut:], order)) for order in range(1, 7)]
    assert found[5] == pytest.approx(2.450, abs=0.0005)
    assert found[:5] == sorted(found[:5], reverse=True)
