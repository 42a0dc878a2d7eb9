"""Masked diffusion and autoregressive: independent bases before training, laws that sum to one."""

import itertools
import math

import numpy as np
import pytest
import torch

from infonoise_bio.alphabet import MASKED
from infonoise_bio.evaluation.markov import bits_of, fit_markov
from infonoise_bio.methods.autoregressive import autoregressive_nats
from infonoise_bio.methods.masked import bound_nats
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.registry import BASELINES
from infonoise_bio.models.config import Conditions, ModelConfig
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.options import NetworkConfig
from infonoise_bio.synthetic import demo_sequences
from infonoise_core.errors import InputError
from infonoise_core.evaluation.discrete import Hidden

SKEWED = (0.4, 0.1, 0.2, 0.3)


def model(kind, network="cnn", length=3, moved=True):
    config = ModelConfig(
        length,
        NetworkConfig(kind=network, width=16, depth=2, heads=2),
        Conditions(("x", "y")),
        SKEWED,
    )
    made = BASELINES[kind].network(config, make_encoding("one-hot"), seed=0).eval()
    if moved:
        with torch.no_grad():
            for i, parameter in enumerate(made.parameters()):
                rng = torch.Generator().manual_seed(i)
                parameter += 0.2 * torch.randn(parameter.shape, generator=rng)
    return made


def all_sequences(length):
    return torch.tensor(list(itertools.product(range(4), repeat=length)), dtype=torch.uint8)


@pytest.mark.parametrize("network", ["cnn", "transformer"])
def test_autoregressive_probabilities_of_all_sequences_sum_to_one(network):
    codes = all_sequences(3)
    with torch.no_grad():
        for label in (0, 1):
            condition = {"label": torch.full((len(codes),), label)}
            nats = autoregressive_nats(model("autoregressive", network), codes, condition)
            assert float((-nats.double()).exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("network", ["cnn", "transformer"])
def test_masked_bound_over_all_orders_lies_above_a_law(network):
    """Averaged over every order and number of hidden bases, exp(-bound) sums to at most one: it is
    a geometric mean of the laws of the six orders.
    """
    codes, made = all_sequences(3), model("masked", network)
    total = torch.zeros(len(codes), dtype=torch.float64)
    with torch.no_grad():
        for order in itertools.permutations(range(3)):
            rank = torch.tensor(order).expand(len(codes), 3)
            for number in (1, 2, 3):
                hidden = torch.full((len(codes), 1), number)
                total += bound_nats(made, codes, Hidden(rank, hidden), {}).double() / 18
    assert float((-total).exp().sum()) <= 1 + 1e-5
    assert float((-total).exp().sum()) > 0.5


@pytest.mark.parametrize("kind", BASELINES)
def test_before_training_both_are_independent_bases(kind):
    data = demo_sequences(100)
    training, test = data.part("train"), data.part("test")
    objective = Objective("forward")
    method = BASELINES[kind]
    task = method.task(objective, training, seed=0)
    evaluation = method.evaluation(objective, training, test)
    evaluation.levels = 60
    bits = evaluation(task.denoiser)["bits_per_base"]
    independent = bits_of(fit_markov(training.codes, 0, strength=1e-6), test.codes)
    # The masked one's numbers of hidden bases are sampled: 60 strata of 60 bases, 20 sequences.
    assert bits == pytest.approx(independent, abs=1e-3 if kind == "autoregressive" else 0.03)


@pytest.mark.parametrize("kind", BASELINES)
def test_masked_bases_cost_nothing_and_tell_nothing(kind):
    made = model(kind, length=8)
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (6, 8)).astype(np.uint8))
    codes[:, 5:] = MASKED
    mask = codes != MASKED
    with torch.no_grad():
        if kind == "autoregressive":
            nats = autoregressive_nats(made, codes, {"mask": mask})
            short = autoregressive_nats(made, codes[:, :5], {})
            # What comes after a base is not seen.
            torch.testing.assert_close(nats, short)
        else:
            everything = torch.full((6, 1), 8)
            rank = torch.arange(8).expand(6, 8)
            nats = bound_nats(made, codes, Hidden(rank, everything), {"mask": mask})
            assert bool((nats > 0).all())
            assert bool((nats < 5 * 6).all())


def test_losses_are_nats_per_base_on_either_strand():
    data = demo_sequences(20).part("train")
    for kind in BASELINES:
        task = BASELINES[kind].task(Objective("both"), data, seed=0)
        batch = task.batch(np.arange(16))
        found = task.losses(task.denoiser, batch, torch.ones(16), torch.zeros_like(batch.x0))
        assert found.loss.shape == (16,)
        # Before training: the cost of independent bases, in noise of few hidden ones.
        assert float(found.loss.detach().mean()) == pytest.approx(math.log(4), rel=0.2)
        # There are no noise levels, so there is no profile to measure.
        assert found.squared_error is None
        found.loss.mean().backward()


def test_what_there_is_not_is_refused():
    with pytest.raises(InputError, match="one strand"):
        NetworkConfig(causal=True, equivariant=True)
