"""Markov chains against counts by hand, laws that are known, and measured values."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.sequences import load_sequences
from infonoise_bio.evaluation.markov import bits_of, contexts, fit_markov, markov_bits
from infonoise_core.errors import InputError

DATA = Path(__file__).parents[3].parent / "shared" / "data" / "dna"


def made(n: int, length: int, seed: int = 0) -> np.ndarray:
    """A first-order chain: the next base is the same with probability 0.7, else any other."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length))
    for i in range(1, length):
        step = np.where(rng.random(n) < 0.7, 0, rng.integers(1, 4, n))
        codes[:, i] = (codes[:, i - 1] + step) % 4
    return codes.astype(np.uint8)


ENTROPY = -(0.7 * math.log2(0.7) + 0.3 * math.log2(0.1))


@pytest.mark.parametrize("by_position", [False, True])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_probabilities_of_all_sequences_sum_to_one(order, by_position):
    chain = fit_markov(made(50, 5), order, by_position=by_position)
    every = np.array(list(itertools.product(range(4), repeat=5)), np.uint8)
    assert np.exp(-chain.nats(every)).sum() == pytest.approx(1, abs=1e-12)


def test_one_sequence_by_hand():
    codes = np.array([[0, 1, 0, 1]], np.uint8)
    chain = fit_markov(codes, 1, strength=2.0)
    base = (np.array([2, 2, 0, 0]) + 2 * 0.25) / 6
    after_a = (np.array([0, 2, 0, 0]) + 2 * base) / 4
    after_c = (np.array([1, 0, 0, 0]) + 2 * base) / 3
    expected = -np.log([base[0], after_a[1], after_c[0], after_a[1]]).sum()
    assert chain.nats(codes)[0] == pytest.approx(expected, abs=1e-12)


def test_a_chain_finds_its_order_and_its_entropy():
    train, held_out = made(400, 60), made(400, 60, seed=1)
    bits = markov_bits(train, held_out)
    assert bits.best_order == 1
    expected = (2 + 59 * ENTROPY) / 60
    # Per base -log2 p varies by 1.3 bits: 0.0085 of 24,000 bases; three of those, and the cost of
    # estimating 12 probabilities, which is below 0.001.
    assert bits.everywhere[1] == pytest.approx(expected, abs=0.027)
    # A law for each position costs more to learn: 59 times 12 numbers of 24,000 bases. At the
    # orders above, the same is learned with less smoothing.
    assert bits.everywhere[1] < min(bits.by_position.values()) < bits.everywhere[1] + 0.1
    assert bits.everywhere[0] == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("by_position", [False, True])
def test_samples_follow_the_chain(by_position):
    chain = fit_markov(made(3000, 12), 2, by_position=by_position)
    codes = chain.sample(4000, 12, np.random.default_rng(0))
    assert codes.shape == (4000, 12)
    nats = chain.nats(codes)
    other = chain.nats(chain.sample(4000, 12, np.random.default_rng(1)))
    error = math.hypot(nats.std(), other.std()) / math.sqrt(4000)
    assert abs(nats.mean() - other.mean()) < 4 * error
    assert (codes[:, 1:] == codes[:, :-1]).mean() == pytest.approx(0.7, abs=0.03)


def test_masked_bases_cost_nothing_and_hide_what_was_before():
    chain = fit_markov(made(100, 8), 2)
    codes = np.array([[0, 1, MASKED, 2, 3], [0, 1, 2, 2, 3]], np.uint8)
    start = fit_markov(made(100, 8), 2)
    apart = start.nats(codes[:1, :2]) + start.nats(codes[:1, 3:])
    assert chain.nats(codes)[0] == pytest.approx(float(apart[0]), abs=1e-12)
    found = contexts(codes, 4, 2)
    assert [(j, c.tolist(), r.tolist()) for j, c, r in found] == [(1, [2], [0]), (2, [10], [1])]
    assert bits_of(chain, codes) == pytest.approx(chain.nats(codes).sum() / 9 / math.log(2))


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="order 13"):
        fit_markov(made(3, 5), 13)
    with pytest.raises(InputError, match="strength 0"):
        fit_markov(made(3, 5), 1, strength=0.0)
    with pytest.raises(InputError, match="positions"):
        fit_markov(made(3, 5), 1, by_position=True).sample(2, 6, np.random.default_rng(0))
    with pytest.raises(InputError, match="no known base"):
        bits_of(fit_markov(made(3, 5), 1), np.full((2, 5), MASKED, np.uint8))


@pytest.mark.data
@pytest.mark.slow
def test_promoters_of_e_coli_cost_what_was_measured_elsewhere():
    """1.945 and 1.897 bits: another implementation's best chains, with smoothing of its own. Orders
    0 to 4, where smoothing hardly matters, agree to all four digits that were written down.
    """
    data = load_sequences(DATA / "ecoli_tss_50.csv.gz")
    bits = markov_bits(data.part("train").codes, data.part("test").codes)
    lowest = [1.9886, 1.9738, 1.9617, 1.9513, 1.9459]
    # Half a unit of the last digit, and 0.0001 for the smoothing.
    assert [bits.everywhere[k] for k in range(5)] == pytest.approx(lowest, abs=1.5e-4)
    assert bits.everywhere[bits.best_order] == pytest.approx(1.945, abs=1e-3)
    assert bits.by_position[bits.best_position_order] == pytest.approx(1.897, abs=1e-3)
