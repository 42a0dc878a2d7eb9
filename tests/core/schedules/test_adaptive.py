"""Adaptive laws of others: each ends at the law its paper defines."""

import math

import pytest
import torch
from torch import Tensor

from infonoise_core.analytic.exact import GaussianSource, exact_profile, gaussian_quadrature
from infonoise_core.errors import InputError
from infonoise_core.schedules.adaptive import AdaptiveLoss, LossSecondMoment, TimeWarp
from infonoise_core.schedules.fixed import LogNormal

from .exact_training import (
    CHANNEL,
    DIM,
    SOURCES,
    WEIGHT,
    Source,
    centres,
    distance,
    sources,
    squared_error,
    train,
)


def second_moment(source: Source, sigma: Tensor) -> Tensor:
    """E[L^2] of the exact denoiser's error summed over independent dimensions."""
    mean = source.mmse(sigma)
    if isinstance(source, GaussianSource):
        # The posterior is Gaussian: its error is the posterior variance times chi^2 of DIM.
        return mean.square() * (1 + 2 / DIM)
    nodes, weights = gaussian_quadrature(256)
    root = 1 / sigma
    error = (1 - torch.tanh(root[:, None].square() + root[:, None] * nodes)).square()
    fourth = (error.square() * weights).sum(-1)
    return mean.square() * (1 - 1 / DIM) + DIM * fourth


# Tolerances below: a bin's target has a relative error of cv / sqrt(n), and the total variation
# is about 0.4 of its mean over bins. cv of a sum of 16 squared errors is about 0.35 where they are
# near Gaussian, more in the tail of the binary source, which has little mass.


@sources
def test_adaptive_loss_ends_at_weight_times_mmse(source: Source) -> None:
    law = AdaptiveLoss(CHANNEL, WEIGHT, refresh_every=10, floor=0.0)
    train(law, source, 300)
    sigma = centres(law)
    # n = 2048 effective: 0.4 * 0.35 / 45 = 0.3 %; mean of error / sigma^2 for that of error inside
    # bins of 0.11: 0.1 %.
    assert distance(law, WEIGHT(sigma) * source.mmse(sigma)) < 0.01
    assert "learning since step 10" in law.status()


def test_adaptive_loss_at_elbo_weight_is_the_entropy_rate() -> None:
    source = SOURCES["binary"]
    law = AdaptiveLoss(CHANNEL, lambda sigma: sigma**-2, refresh_every=10, floor=0.0)
    train(law, source, 300)
    rate = exact_profile(source, CHANNEL.sigma_min, CHANNEL.sigma_max).rate
    assert distance(law, rate) < 0.01


def test_bins_without_losses_keep_the_base_mass() -> None:
    law = AdaptiveLoss(CHANNEL, refresh_every=1, floor=0.0)
    half = centres(law)[:32].float()
    law.observe(half, half)
    law.step()
    assert torch.equal(law._density[32:], law._base[32:])
    mass = (law._density * law.edges.log().diff())[:32].sum()
    assert float(mass) == pytest.approx(0.5, abs=1e-12)


@sources
def test_loss_second_moment_ends_at_base_times_root_mean_square(source: Source) -> None:
    base = LogNormal(CHANNEL, mean=-0.5, std=1.0)
    law = LossSecondMoment(CHANNEL, WEIGHT, base, history=400, floor=0.0, refresh_every=10)
    train(law, source, 40)
    assert law.status() == "LossSecondMoment: draws from the base distribution, step 40"
    sigma = centres(law)
    observe_evenly(law, source, 500)
    # cv of L^2 is about twice that of L, halved by the root: 0.35 / sqrt(400) * 0.4 = 0.7 %.
    target = law._base * WEIGHT(sigma) * second_moment(source, sigma).sqrt()
    assert distance(law, target) < 0.02


def observe_evenly(law: LossSecondMoment, source: Source, times: int) -> None:
    """`times` losses in every bin, log-uniform inside."""
    rng = torch.Generator().manual_seed(5)
    low, width = law.edges.log()[:-1], law.edges.log().diff()
    for _ in range(times // 10):
        inside = torch.rand(10, len(width), generator=rng, dtype=torch.float64)
        sigma = (low + inside * width).exp().float().flatten()
        law.observe(sigma, squared_error(source, sigma, rng))
        law.step()


def test_loss_second_moment_waits_until_every_bin_is_full() -> None:
    law = LossSecondMoment(CHANNEL, refresh_every=1, bins=8)
    middle = centres(law).float()
    for _ in range(9):
        law.observe(middle, torch.ones(8))
        law.step()
        assert torch.equal(law._density, law._base)
    law.observe(middle[:-1], torch.ones(7))
    law.step()
    assert torch.equal(law._density, law._base)
    law.observe(middle[-1:], 4 * torch.ones(1))
    law.step()
    # Nine losses of 1 and one of 4 in the last bin: root mean square (25 / 10)^(1/2), less what the
    # floor of a thousandth takes.
    share = law._density / law._density[0]
    torch.testing.assert_close(share[:-1], torch.ones(7).double())
    assert share[-1] == pytest.approx(math.sqrt(2.5), rel=1e-3)


def test_equal_losses_leave_the_base_law() -> None:
    law = LossSecondMoment(CHANNEL, refresh_every=1, history=1)
    law.observe(centres(law).float(), torch.full((64,), 3.0))
    law.step()
    torch.testing.assert_close(law._density, law._base)


@sources
def test_time_warp_ends_at_the_slope_of_the_loss(source: Source) -> None:
    law = TimeWarp(CHANNEL, refresh_every=10, floor=0.0)
    train(law, source, 300)
    slope = source.mmse(law.edges).diff() / law.edges.log().diff()
    if isinstance(source, GaussianSource):
        # In closed form 2 sigma^2 / (1 + sigma^2)^2, a logistic law of log sigma.
        sigma = centres(law)
        closed = DIM * 2 * sigma**2 / (1 + sigma**2) ** 2
        # A difference over h = 0.108 for the slope in its middle: off by h^2 / 24 of the second
        # derivative, which is 4 times the law in its tails: 0.2 %.
        torch.testing.assert_close(slope, closed, rtol=0.002, atol=0)
    # A slope is the difference of two bin means: over the estimator's smoothing window of +-0.6,
    # (11 bins of 0.11), 0.35 / sqrt(2048 * 11) * mmse / (slope * 0.6) = 0.4 % * mmse / slope,
    # which is below 0.1 where the law has mass and grows where the loss levels off.
    assert distance(law, slope) < 0.05


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="floor"):
        AdaptiveLoss(CHANNEL, floor=1.5)
    with pytest.raises(InputError, match="refresh_every"):
        TimeWarp(CHANNEL, refresh_every=0)
    with pytest.raises(InputError, match="2 bins"):
        TimeWarp(CHANNEL, bins=1)
    with pytest.raises(InputError, match="history of 0"):
        LossSecondMoment(CHANNEL, history=0)
    with pytest.raises(InputError, match="one shape"):
        LossSecondMoment(CHANNEL).observe(torch.ones(3), torch.ones(3, 2))
