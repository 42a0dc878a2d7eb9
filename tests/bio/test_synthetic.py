"""The planted source against brute force: every sequence counted, every posterior summed."""

import itertools
import math

import numpy as np
import pytest
import torch

from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.options import ENCODING_NAMES
from infonoise_bio.synthetic import DEMO, Planted, PlantedDna, demo_sequences, holds
from infonoise_core.errors import InputError

# 6 bases: one window of 3 on either strand, one of 2, and one free base: 4096 sequences.
SMALL = PlantedDna(
    6,
    (
        Planted("AC", 0, purity=0.8, jitter=1, prob=0.7, both_strands=True),
        Planted("GT", 4, purity=0.9, prob=0.5),
    ),
    (0.4, 0.3, 0.2, 0.1),
)
EVERY = torch.tensor(list(itertools.product(range(4), repeat=6)), dtype=torch.uint8)


def test_probabilities_sum_to_one_and_give_the_entropy():
    log = SMALL.log_prob(EVERY)
    assert float(log.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert SMALL.entropy() == pytest.approx(float(-(log.exp() * log).sum()), abs=1e-12)


def test_a_sequence_by_hand():
    """A C x y G T: the first window holds AC in front (on the other strand it reads GT)."""
    base = dict(zip("ACGT", SMALL.background, strict=True))
    low = 0.2 / 3
    first = (
        0.7 / 4 * (0.8 * 0.8 * base["T"])  # AC at 0
        + 0.7 / 4 * (base["A"] * low * low)  # AC at 1: C and T are not A and C
        + 0.7 / 4 * (low * low * base["T"])  # GT at 0
        + 0.7 / 4 * (base["A"] * low * 0.8)  # GT at 1: C is not G, T is T
        + 0.3 * base["A"] * base["C"] * base["T"]
    )
    second = 0.5 * 0.9 * 0.9 + 0.5 * base["G"] * base["T"]
    codes = torch.tensor([[0, 1, 3, 0, 2, 3]], dtype=torch.uint8)
    expected = math.log(first * base["A"] * second)
    assert float(SMALL.log_prob(codes)[0]) == pytest.approx(expected, abs=1e-12)


def test_samples_have_these_probabilities():
    n = 40_000
    codes = SMALL.sample(n, np.random.default_rng(0))
    index = codes.astype(np.int64) @ 4 ** np.arange(5, -1, -1)
    found = np.bincount(index, minlength=4096)
    expected = n * SMALL.log_prob(EVERY).exp().numpy()
    # Cells of five and more; chi-square has mean k and variance 2k (here slightly less).
    big = expected > 5
    chi = ((found - expected) ** 2 / expected)[big].sum()
    assert abs(chi - big.sum()) < 5 * math.sqrt(2 * big.sum())


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_the_posterior_is_bayes_rule_over_all_sequences(name):
    encoding = make_encoding(name)
    g = torch.Generator().manual_seed(0)
    clean = encoding.codebook[EVERY.long()].transpose(1, 2)
    x = clean[[7, 1234, 4000]] + 0.8 * torch.randn(3, *clean.shape[1:], generator=g)
    square = (x[:, None] - clean).square().flatten(2).sum(2)
    weight = torch.softmax(-square / (2 * 0.8**2) + SMALL.log_prob(EVERY), 1)
    hot = torch.nn.functional.one_hot(EVERY.long(), 4).double()
    exact = torch.einsum("nk,klb->nbl", weight, hot)
    found = SMALL.posterior(encoding, x, torch.full((3,), 0.8, dtype=torch.float64))
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-10)


def test_the_rate_is_the_share_of_sequences_that_hold_the_motif():
    for window in SMALL.planted:
        part = EVERY[:, window.start : window.start + window.width]
        words = ["".join("ACGT"[b] for b in row) for row in part.tolist()]
        wanted = {window.consensus}
        if window.both_strands:
            wanted.add("".join("TGCA"["ACGT".index(b)] for b in reversed(window.consensus)))
        inside = torch.tensor([any(w in word for w in wanted) for word in words])
        assert torch.equal(holds(part, window), inside)
        expected = float(SMALL.log_prob(EVERY).exp()[inside].sum())
        assert SMALL.rate(window) == pytest.approx(expected, abs=1e-12)


def test_windows_that_cannot_be_are_refused():
    for wrong in (
        lambda: Planted("ACN", 0),
        lambda: Planted("", 0),
        lambda: Planted("ACGTACGT", 0, jitter=3),
        lambda: Planted("ACG", 0, purity=0.1),
        lambda: PlantedDna(5, (Planted("ACG", 3),)),
        lambda: PlantedDna(9, (Planted("ACG", 0), Planted("ACG", 2))),
        lambda: PlantedDna(5, (), (0.5, 0.5, 0.0, 0.0)),
    ):
        with pytest.raises(InputError):
            wrong()


def test_the_demo_set_is_the_same_for_the_same_seed_and_has_both_classes_in_each_part():
    data = demo_sequences(200, seed=1)
    assert np.array_equal(data.codes, demo_sequences(200, seed=1).codes)
    assert data.classes == tuple(DEMO)
    assert len(set(data.ids.tolist())) == len(data) == 400
    for part, size in (("train", 320), ("val", 40), ("test", 40)):
        chosen = data.part(part)
        assert len(chosen) == size
        assert np.bincount(chosen.labels).tolist() == [size // 2, size // 2]
