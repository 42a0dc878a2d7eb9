"""Guidance: the algebra of two calls, and the law it samples from where that is known."""

import math

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.guidance import guided
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
