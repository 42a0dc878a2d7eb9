"""The bound where likelihoods are known in closed form, and what a reference takes out of it."""

import math
from statistics import fmean

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.evaluation.held_out import HeldOut, HeldOutError
from infonoise_core.evaluation.likelihood import (
    Bound,
    LikelihoodBound,
    Reference,
    parts,
    per_unit,
    prior_nats,
)
from infonoise_core.training.task import Batch

STD, LOW, HIGH, DIM = 0.7, 0.05, 60.0, 5


class Gaussian(nn.Module):
    """E[x0 | x] of independent Gaussians of deviation std."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = nn.Parameter(torch.tensor(std))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        variance = self.std**2
        return x * variance / (variance + sigma[:, None] ** 2)


def examples(n: int, seed: int = 0) -> Tensor:
    return STD * torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed))


def blurred_bound(
    x0: Tensor, levels: int = 16, reference: Reference | None = None
) -> LikelihoodBound:
    """Of the examples blurred by LOW, which has a density."""
    low = 0.5 * math.log(2 * math.pi * math.e * LOW**2)
    ends = (prior_nats(x0.double().square(), STD**2, HIGH) + low).sum(1)
    units = torch.full((len(x0),), DIM)
    error = HeldOutError(Batch(x0), LOW, HIGH, levels=levels)
    return LikelihoodBound(error, units, ends, reference=reference)


def test_the_exact_denoiser_pays_the_entropy_and_another_one_more() -> None:
    """The entropy of the blurred Gaussian, per dim."""
    bound = blurred_bound(examples(4000))
    found = bound(Gaussian(STD))
    entropy = 0.5 * math.log(2 * math.pi * math.e * (STD**2 + LOW**2))
    assert abs(found.nats - entropy) < 4 * found.stderr
    assert found.stderr < 0.02
    other = bound(Gaussian(0.3))
    assert other.nats > found.nats + 10 * found.stderr
    # Levels and noises are fixed.
    assert torch.equal(bound.nats(Gaussian(STD)), bound.nats(Gaussian(STD)))


def test_the_prior_term_is_a_divergence_of_gaussians() -> None:
    square, variance, sigma = torch.tensor([0.0, 0.3, 4.0], dtype=torch.float64), 0.8, 1.5
    data = torch.distributions.Normal(square.sqrt(), torch.full((3,), sigma, dtype=torch.float64))
    together = torch.distributions.Normal(
        torch.zeros(3, dtype=torch.float64),
        torch.full((3,), math.sqrt(sigma**2 + variance), dtype=torch.float64),
    )
    expected = torch.distributions.kl_divergence(data, together)
    torch.testing.assert_close(prior_nats(square, variance, sigma), expected)


def test_the_reference_itself_costs_exactly_what_is_known_of_it() -> None:
    """Whatever the noises, and however few levels."""
    x0 = examples(30)
    normal = torch.distributions.Normal(0.0, math.sqrt(STD**2 + LOW**2))
    known = -normal.log_prob(x0).double().sum(1)
    error = HeldOutError(Batch(x0), LOW, HIGH, levels=2)
    units = torch.full((30,), DIM)
    bound = LikelihoodBound(error, units, reference=Reference(Gaussian(STD), known))
    torch.testing.assert_close(bound.nats(Gaussian(STD)), known)
    plain = blurred_bound(x0, levels=2)
    assert float((plain.nats(Gaussian(STD)) - known).abs().max()) > 0.1
    # Much of what chance does to the reference it does to others.
    other = Gaussian(0.6)
    assert bound(other).stderr < plain(other).stderr


def test_a_fitted_reference_needs_enough_examples() -> None:
    integral = 0.5 * DIM * math.log((1 + (STD / LOW) ** 2) / (1 + (STD / HIGH) ** 2))
    reference = Reference(Gaussian(STD), integral, fitted=True)
    many, few = examples(200), examples(10)
    plain, fitted = blurred_bound(many, 2), blurred_bound(many, 2, reference)
    assert fitted(Gaussian(0.6)).stderr < 0.7 * plain(Gaussian(0.6)).stderr
    assert blurred_bound(few, 2, reference)(Gaussian(0.6)) == blurred_bound(few, 2)(Gaussian(0.6))


def test_bounds_of_the_same_noises_ask_the_reference_once() -> None:
    x0, asked = examples(40), []

    class Counted(Gaussian):
        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            asked.append(len(x))
            return super().forward(x, sigma)

    def bound() -> LikelihoodBound:
        return blurred_bound(x0, 2, Reference(Counted(STD), 3.0, fitted=True))

    alone = bound()(Gaussian(0.6))
    once, (first, second) = len(asked), (bound(), bound())
    second.share_control(first)
    assert second(Gaussian(0.6)) == alone
    assert first(Gaussian(0.6)) == alone
    assert len(asked) == 2 * once


def test_what_is_left_to_say_is_added() -> None:
    class Nothing:
        def __call__(self, denoiser: nn.Module) -> HeldOut:
            return HeldOut(torch.zeros(3, dtype=torch.float64))

    last = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    bound = LikelihoodBound(Nothing(), torch.tensor([1, 2, 3]), 1.0, last=lambda _: last)
    assert bound.nats(Gaussian(1.0)).tolist() == [2.0, 3.0, 7.0]
    assert bound(Gaussian(1.0)).nats == pytest.approx(12 / 6)


def test_a_ratio_of_totals_and_its_error() -> None:
    """Against the spread over many sets of examples of unlike sizes."""
    rng = torch.Generator().manual_seed(0)
    found = []
    for _ in range(400):
        units = torch.randint(5, 50, (60,), generator=rng)
        nats = 1.3 * units + units.sqrt() * torch.randn(60, generator=rng, dtype=torch.float64)
        found.append(per_unit(nats, units))
    values = torch.tensor([one.nats for one in found], dtype=torch.float64)
    stated = torch.tensor([one.stderr for one in found], dtype=torch.float64).mean()
    assert abs(float(values.mean()) - 1.3) < 4 * float(values.std()) / 20
    # The standard deviation of 400 numbers is known to 3.5 %.
    assert float(stated) == pytest.approx(float(values.std()), rel=0.12)


def test_differences_example_by_example_have_the_error_of_the_difference() -> None:
    """Against the spread of the difference of two denoisers over many sets of unlike examples."""
    rng = torch.Generator().manual_seed(1)
    gaps, stated, apart = [], [], []
    for _ in range(400):
        units = torch.randint(5, 50, (60,), generator=rng)
        noise = torch.randn(2, 60, generator=rng, dtype=torch.float64)
        # Costs spread by 1 a unit, what one denoiser pays more by a tenth of that.
        one = (1.3 + noise[0]) * units
        other = one + (0.05 + 0.1 * noise[1]) * units
        by_example = parts(other, units) - parts(one, units)
        assert float(parts(one, units).mean()) == pytest.approx(per_unit(one, units).nats)
        gaps.append(float(by_example.mean()))
        stated.append(float(by_example.std()) / math.sqrt(60))
        apart.append(math.hypot(per_unit(one, units).stderr, per_unit(other, units).stderr))
    spread = float(torch.tensor(gaps).std())
    assert abs(fmean(gaps) - 0.05) < 4 * spread / 20
    # The standard deviation of 400 numbers is known to 3.5 %.
    assert fmean(stated) == pytest.approx(spread, rel=0.12)
    assert fmean(apart) > 10 * spread


def test_bits_are_counted_per_any_unit() -> None:
    bound = Bound(2.0, 0.1)
    assert bound.in_bits().value == pytest.approx(2 / math.log(2))
    assert bound.in_bits(0.25).stderr == pytest.approx(0.025 / math.log(2))
    assert bound.perplexity == pytest.approx(math.exp(2))
