"""The likelihood bound against entropies that are known."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED
from infonoise_bio.evaluation.bound import LikelihoodBound
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import IndependentBases, make_denoiser
from infonoise_bio.models.encoding import Encoding, make_encoding
from infonoise_bio.models.options import NetworkConfig
from infonoise_bio.synthetic import DEMO, PlantedDna
from infonoise_core.errors import InputError
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.evaluation.likelihood import per_unit
from infonoise_core.training.task import Batch

SKEWED = torch.tensor([0.4, 0.1, 0.2, 0.3], dtype=torch.float64)
SOURCE = DEMO["induced"]
CASES = [("one-hot", 1.0), ("bits", 0.1), ("tetrahedron", 10.0)]


class Exact(nn.Module):
    """The posterior mean of the planted source."""

    def __init__(self, source: PlantedDna, encoding: Encoding) -> None:
        super().__init__()
        self.source, self.encoding = source, encoding
        self.device_of = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.encoding.mean(self.source.posterior(self.encoding, x, sigma)).float()


def drawn(n: int, length: int = 30) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.choice(4, (n, length), p=SKEWED.numpy()).astype(np.uint8))


def untrained(encoding: Encoding, frequencies: Tensor, length: int = 30) -> nn.Module:
    network = NetworkConfig(width=16, depth=1)
    config = ModelConfig(length, network, frequencies=tuple(frequencies.tolist()))
    return make_denoiser(config, encoding, seed=0)


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_the_untrained_model_on_independent_bases_has_their_entropy(name, scale):
    encoding, codes = make_encoding(name, scale), drawn(300)
    bound = LikelihoodBound(Batch(encoding.encode(codes)), encoding, SKEWED, 0.002, 80.0)
    bits = bound(untrained(encoding, SKEWED))
    entropy = float(-(SKEWED * SKEWED.log2()).sum())
    assert abs(bits.value - entropy) < 4 * bits.stderr
    # Noise cancels: it is the cost of each sequence, but for float32 in the errors.
    exact = float(-SKEWED.log2()[codes.long()].mean())
    assert bits.value == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_the_integral_of_the_exact_error_is_the_cost_of_each_base(name, scale):
    """The identity the bound rests on, measured without it, over all levels that matter; and not
    only on average: for each base by itself.
    """
    encoding, n, length = make_encoding(name, scale), 300, 10
    codes = torch.arange(4, dtype=torch.uint8).repeat_interleave(n)[:, None].expand(-1, length)
    low, high = 0.1 * encoding.std, 60 * encoding.std
    error = HeldOutError(Batch(encoding.encode(codes)), low, high, levels=48, seed=1)
    nats = error(IndependentBases(encoding, SKEWED)).rate_integral.reshape(4, n)
    # What lies above `high`: the distance to the mean point over 2 sigma^2, to first order.
    centre = (SKEWED[:, None] * encoding.codebook).sum(0)
    above = length * (encoding.codebook - centre).square().sum(1) / (2 * high**2)
    excess = nats + above[:, None] + length * SKEWED.log()[:, None]
    assert bool((excess.mean(1).abs() < 4 * excess.std(1) / math.sqrt(n)).all())


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_the_exact_denoiser_has_the_entropy_of_the_source(name, scale):
    encoding = make_encoding(name, scale)
    codes = torch.from_numpy(SOURCE.sample(400, np.random.default_rng(1)))
    frequencies = torch.tensor(SOURCE.background, dtype=torch.float64)
    bound = LikelihoodBound(Batch(encoding.encode(codes)), encoding, frequencies, 0.002, 80.0)
    exact = Exact(SOURCE, encoding)
    bits = bound(exact)
    assert abs(bits.value - SOURCE.entropy() / SOURCE.length / math.log(2)) < 4 * bits.stderr
    # Beside each sequence's own probability most of the spread is gone.
    excess = per_unit(bound.nats(exact) + SOURCE.log_prob(codes), bound.bases).in_bits()
    assert abs(excess.value) < 4 * excess.stderr
    # No worse denoiser is below it.
    assert bound(untrained(encoding, frequencies, SOURCE.length)).value > bits.value


def test_masked_and_given_bases_cost_nothing_and_do_not_count():
    encoding, codes = make_encoding("one-hot"), drawn(60)
    rng = torch.Generator().manual_seed(0)
    mask = torch.rand(codes.shape, generator=rng) < 0.7
    given = codes.masked_fill(torch.rand(codes.shape, generator=rng) < 0.6, MASKED)
    hidden = codes.masked_fill(~mask, MASKED)
    denoiser = untrained(encoding, SKEWED)
    with torch.no_grad():
        denoiser.get_parameter("network.head.weight").add_(0.3)
    free = mask & (given == MASKED)
    values = []
    for known in (codes, codes.flip(0)):
        # Where bases are masked or given, x0 may hold anything.
        shown = torch.where(free, codes, known).masked_fill(~mask, MASKED)
        condition = {"mask": mask, "given": given}
        bound = LikelihoodBound(
            Batch(encoding.encode(shown), condition), encoding, SKEWED, 0.002, 80.0, levels=4
        )
        assert torch.equal(bound.bases, free.sum(1).double())
        values.append(bound)
    assert torch.equal(values[0].independent, values[1].independent)
    assert bool((hidden == MASKED).any())
    plain = Batch(encoding.encode(hidden), {"mask": mask})
    alone = LikelihoodBound(plain, encoding, SKEWED, 0.002, 80.0, levels=4)
    expected = float(-SKEWED.log2()[codes[mask].long()].mean())
    assert alone(untrained(encoding, SKEWED)).value == pytest.approx(expected, abs=1e-5)


def test_levels_that_miss_the_bases_and_sequences_without_any_are_refused():
    encoding, codes = make_encoding("one-hot"), drawn(4)
    batch = Batch(encoding.encode(codes))
    with pytest.raises(InputError, match="on both sides"):
        LikelihoodBound(batch, encoding, SKEWED, 100.0, 200.0)
    empty = Batch(batch.x0, {"mask": torch.zeros(codes.shape, dtype=torch.bool)})
    with pytest.raises(InputError, match="no base is left"):
        LikelihoodBound(empty, encoding, SKEWED, 0.002, 80.0)
