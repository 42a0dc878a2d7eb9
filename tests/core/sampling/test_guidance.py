"""Guidance: the algebra of two calls, and the law it samples from where that is known."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.guidance import autoguided, guided
from infonoise_core.sampling.solvers import solve

CALLS: list[float] = []


def denoiser(x: Tensor, sigma: Tensor, mean: Tensor, spread: float = 1.0) -> Tensor:
    """Of a Gaussian with that mean and standard deviation."""
    CALLS.append(float(sigma[0]))
    s = sigma[:, None].square()
    return (spread**2 * x + s * mean) / (spread**2 + s)


def at(scale: float) -> Tensor:
    CALLS.clear()
    x, sigma = torch.randn(5, 3, generator=torch.manual_seed(0)), torch.full((5,), 0.7)
    return guided(denoiser, scale, mean=torch.zeros(1, 3))(x, sigma, mean=torch.ones(5, 3))


def test_scales_zero_and_one_are_the_two_denoisers_at_one_call() -> None:
    x, sigma = torch.randn(5, 3, generator=torch.manual_seed(0)), torch.full((5,), 0.7)
    assert torch.equal(at(1.0), denoiser(x, sigma, mean=torch.ones(5, 3)))
    assert torch.equal(at(0.0), denoiser(x, sigma, mean=torch.zeros(5, 3)))
    at(1.0)
    assert len(CALLS) == 1
    at(0.0)
    assert len(CALLS) == 1


def test_the_step_between_them_is_linear_in_the_scale() -> None:
    free, full, far = at(0.0), at(1.0), at(3.0)
    torch.testing.assert_close(far, free + 3 * (full - free))
    assert len(CALLS) == 2


def test_other_conditions_stay_in_both_calls() -> None:
    x, sigma = torch.zeros(2, 3), torch.ones(2)
    steered = guided(denoiser, 2.0, mean=torch.zeros(1, 3))
    out = steered(x, sigma, mean=torch.ones(2, 3), spread=0.0)
    # A spread of nothing: the denoiser is its mean, so the guided one is twice it.
    torch.testing.assert_close(out, torch.full((2, 3), 2.0))


def test_two_gaussians_of_one_width_are_steered_to_the_extrapolated_mean() -> None:
    # The scores differ by a constant times the difference of means at every level, so guidance by
    # w samples the Gaussian with mean w times the condition's: known in closed form.
    w, n = 2.5, 4000
    x = 80 * torch.randn(n, 1, generator=torch.manual_seed(1))
    steered = guided(denoiser, w, mean=torch.zeros(1, 1))
    sample = solve(steered, x, karras_grid(40, 0.002, 80.0), condition={"mean": torch.ones(n, 1)})
    assert abs(float(sample.x.mean()) - w) < 4 / math.sqrt(n)
    assert abs(float(sample.x.std()) - 1) < 4 / math.sqrt(2 * n)


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_a_scale_that_is_no_number_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="finite"):
        guided(denoiser, scale, mean=0)


def test_without_a_null_there_is_nothing_to_steer_from() -> None:
    with pytest.raises(InputError, match="null"):
        guided(denoiser, 2.0)


def test_autoguidance_is_the_algebra_of_two_models() -> None:
    """g + w (d - g), with the same condition for both; 1 is one call of the better one alone."""
    x, sigma = torch.randn(5, 3, generator=torch.manual_seed(0)), torch.full((5,), 0.7)
    mean = torch.ones(5, 3)
    good, weak = partial(denoiser, spread=1.0), partial(denoiser, spread=2.0)
    one, other = good(x, sigma, mean=mean), weak(x, sigma, mean=mean)
    for scale in (0.0, 1.5, 3.0):
        found = autoguided(good, weak, scale)(x, sigma, mean=mean)
        torch.testing.assert_close(found, other + scale * (one - other))
    CALLS.clear()
    assert torch.equal(autoguided(good, weak, 1.0)(x, sigma, mean=mean), one)
    assert len(CALLS) == 1
    # A model that is led away from itself stays where it is.
    assert torch.equal(autoguided(good, good, 7.0)(x, sigma, mean=mean), one)


def test_autoguidance_keeps_to_its_levels() -> None:
    good, weak = partial(denoiser, spread=1.0), partial(denoiser, spread=2.0)
    x, mean = torch.randn(4, 3, generator=torch.manual_seed(1)), torch.zeros(4, 3)
    for level, steered in ((0.1, False), (1.0, True), (3.0, False)):
        sigma = torch.full((4,), level)
        CALLS.clear()
        found = autoguided(good, weak, 2.0, (0.5, 2.0))(x, sigma, mean=mean)
        assert len(CALLS) == (2 if steered else 1)
        assert torch.equal(found, good(x, sigma, mean=mean)) is not steered
    with pytest.raises(InputError, match="finite"):
        autoguided(good, weak, math.nan)


def test_autoguidance_narrows_a_gaussian_as_its_algebra_says() -> None:
    """The ratio of precisions: of N(0, 1) away from N(0, 4), by the slopes of both denoisers."""
    good, weak = partial(denoiser, spread=1.0), partial(denoiser, spread=2.0)
    n, scale = 2000, 2.0
    sigmas = karras_grid(200, 1e-3, 50.0)
    x = 50.0 * torch.randn(n, 1, generator=torch.manual_seed(2), dtype=torch.float64)
    mean = torch.zeros(n, 1, dtype=torch.float64)
    made = solve(
        autoguided(good, weak, scale), x, sigmas.double(), "heun", condition={"mean": mean}
    ).x
    # dx/ds = (x - D)/s and x - D = x [w s^2/(1 + s^2) + (1 - w) s^2/(4 + s^2)], so that
    # log x falls by w/2 log(1 + S^2) + (1 - w)/2 log((4 + S^2)/4) on the way from S to 0.
    high = float(sigmas[0]) ** 2
    shrunk = scale / 2 * math.log1p(high) + (1 - scale) / 2 * math.log((4 + high) / 4)
    torch.testing.assert_close(made, x * math.exp(-shrunk), rtol=2e-3, atol=1e-4)
