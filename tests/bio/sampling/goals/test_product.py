"""Products and powers of laws, where all sequences can be counted."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.encoding import Encoding, make_encoding
from infonoise_bio.models.options import NetworkConfig
from infonoise_bio.sampling.goals.product import Factor, product, step
from infonoise_bio.synthetic import Planted, PlantedDna
from infonoise_core import InputError
from infonoise_core.sampling.grids import log_uniform_grid

LENGTH = 6
LAWS = (
    PlantedDna(LENGTH, (Planted("TATA", 1, prob=0.6, purity=0.85),)),
    PlantedDna(LENGTH, (Planted("AT", 2, prob=0.7, purity=0.8),), (0.2, 0.3, 0.3, 0.2)),
    PlantedDna(LENGTH, (Planted("GC", 4, prob=0.4, purity=0.8),)),
)
EVERY = torch.tensor(list(itertools.product(range(4), repeat=LENGTH)))
PARTICLES = 3000


class Exact(nn.Module):
    """The exact denoiser of each law, by its label."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding
        self.config = ModelConfig(LENGTH, NetworkConfig(width=8, depth=1))
        self.nothing = nn.Parameter(torch.zeros(1))

    def logits(self, x: Tensor, sigma: Tensor, label: Tensor) -> Tensor:
        law = LAWS[int(label[0])]
        return law.posterior(self.encoding, x, sigma).clamp_min(1e-30).log()


def shares(codes: Tensor, weights: Tensor) -> Tensor:
    """(L, 4) of bases, and with them (16,) of the pair in the middle."""
    hot = nn.functional.one_hot(codes.long(), 4).double()
    pairs = torch.zeros(16, dtype=torch.float64)
    pairs.scatter_add_(0, codes[:, 2].long() * 4 + codes[:, 3].long(), weights)
    return torch.cat([(hot * weights[:, None, None]).sum(0).flatten(), pairs])


@pytest.mark.parametrize("name", ["one-hot", "bits"])
@pytest.mark.parametrize(
    "powers",
    [(1.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.5, 0.0, 0.0), (1.0, 1.0, 0.0), (1.0, 1.0, -1.0)],
    ids=["itself", "colder", "hotter", "both", "both given a third"],
)
def test_shares_are_those_of_the_law(name, powers):
    factors = [
        Factor({"label": torch.tensor([i])}, power) for i, power in enumerate(powers) if power
    ]
    denoiser, rng = Exact(make_encoding(name)), torch.Generator().manual_seed(0)
    levels = log_uniform_grid(120, 0.12, 15.0)
    found = product(denoiser, levels, PARTICLES, factors, rng)  # type: ignore[arg-type]
    each = torch.full((PARTICLES,), 1 / PARTICLES, dtype=torch.float64)
    log_law = sum(p * law.log_prob(EVERY) for p, law in zip(powers, LAWS, strict=True))
    expected = shares(EVERY, torch.softmax(log_law, 0))
    # Five standard errors of a share of that many particles, as if a third of them counted, and
    # as much again for steps that are not infinitely small.
    allowed = 5 * (expected * (1 - expected) / (PARTICLES / 3)).sqrt() + 0.01
    assert bool(((shares(found.codes, each) - expected).abs() < allowed).all())
    assert len(found.sizes) == 120
    if powers == (1.0, 0.0, 0.0):
        assert min(found.sizes) > 0.99 * PARTICLES  # only rounding is to be weighed


def test_a_step_is_the_product_of_gaussians():
    """Mean, variance and weight by quadrature of prod K_i^a_i on a line."""
    sigma, lower, powers = 2.0, 1.2, [1.5, -0.4]
    means, variances, n = [1.0, -0.5], [0.3, 0.6], 200_000
    keep, start = (lower / sigma) ** 2, 0.7
    line = torch.linspace(-30, 30, 200_001, dtype=torch.float64)
    joint = torch.zeros_like(line)
    for power, mean, variance in zip(powers, means, variances, strict=True):
        spread = lower**2 * (1 - keep) + (1 - keep) ** 2 * variance
        there = start + (1 - keep) * (mean - start)
        joint += power * torch.distributions.Normal(there, spread**0.5).log_prob(line)
    probs = torch.softmax(joint, 0)
    x = torch.full((n, 1), start, dtype=torch.float64)
    laws = [
        (torch.full_like(x, mean), torch.full_like(x, variance))
        for mean, variance in zip(means, variances, strict=True)
    ]
    noise = torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn, ratio = step(x, laws, powers, sigma, lower, noise)
    mean = float((probs * line).sum())
    variance = float((probs * (line - mean) ** 2).sum())
    assert float(drawn.mean()) == pytest.approx(mean, abs=5 * (variance / n) ** 0.5)
    assert float(drawn.var()) == pytest.approx(variance, rel=5 * (2 / n) ** 0.5)
    # The same for every particle, and the integral up to constants that all steps share.
    constant = (sum(powers) - 1) / 2 * torch.log(torch.tensor(2 * torch.pi))
    integral = torch.logsumexp(joint, 0) + (line[1] - line[0]).log()
    assert torch.allclose(ratio, (integral + constant).expand(n), atol=1e-6)


def test_powers_must_have_a_law():
    encoding = Exact(make_encoding("one-hot"))
    with pytest.raises(InputError, match="sum to -1"):
        product(encoding, torch.tensor([1.0]), 4, [Factor({"label": torch.tensor([0])}, -1.0)])  # type: ignore[arg-type]
