"""The shape constraints against exact isotonic regression and against the laws themselves."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.profiles.isotonic import fit_mmse, smooth_rate

SIGMA = torch.logspace(-2, 1, 24, dtype=torch.float64)
curves = st.lists(st.floats(1e-6, 1e3), min_size=len(SIGMA), max_size=len(SIGMA))
weights = st.lists(st.floats(0.1, 1e3), min_size=len(SIGMA), max_size=len(SIGMA))


def tensor(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(curves, weights)
@settings(max_examples=50, deadline=None)
def test_without_a_dimension_it_is_isotonic_regression(
    mmse: list[float], weight: list[float]
) -> None:
    fit = fit_mmse(tensor(mmse), tensor(weight), SIGMA)
    oracle = isotonic_regression(mmse, weights=weight, increasing=True).x
    torch.testing.assert_close(fit, torch.from_numpy(oracle), rtol=1e-9, atol=1e-12)


@given(curves, weights, st.integers(1, 1000))
@settings(max_examples=50, deadline=None)
def test_the_fit_obeys_every_law(mmse: list[float], weight: list[float], dim: int) -> None:
    fit = fit_mmse(tensor(mmse), tensor(weight), SIGMA, dim)
    # Rounding of 1/(c + slope), relative.
    slack = 1 + 1e-9
    assert bool((fit[1:] * slack >= fit[:-1]).all())
    assert bool((fit <= dim * SIGMA.square() * slack).all())
    inverse = 1 / fit - 1 / (dim * SIGMA.square())
    scale = 1 / fit
    assert bool((inverse[:-1] >= inverse[1:] - 1e-9 * scale[:-1]).all())


@given(st.floats(0.01, 100.0), st.integers(1, 64))
@settings(max_examples=30, deadline=None)
def test_a_curve_under_the_laws_is_left_alone(std: float, dim: int) -> None:
    exact = GaussianSource(dim, std=std, rank=max(1, dim // 2)).mmse(SIGMA)
    torch.testing.assert_close(
        fit_mmse(exact, torch.ones_like(SIGMA), SIGMA, dim), exact, rtol=1e-9, atol=0.0
    )


def test_pooling_keeps_the_weighted_total() -> None:
    """The root of the pooled equation: violators exchange error, none is made or lost."""
    mmse, weight = tensor([1.0] * 12 + [0.2] * 12), tensor([2.0] * 24)
    fit = fit_mmse(mmse, weight, SIGMA, dim=100_000)
    torch.testing.assert_close((fit * weight).sum(), (mmse * weight).sum())


def test_zero_errors_give_a_zero_fit() -> None:
    fit = fit_mmse(torch.zeros_like(SIGMA), torch.ones_like(SIGMA), SIGMA, 3)
    assert bool((fit == 0).all())


def test_smoothing_keeps_a_parabola_and_lone_bins() -> None:
    x = torch.linspace(-3, 3, 60, dtype=torch.float64)
    parabola = 20 - x.square() + 0.5 * x
    weight = torch.rand(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    torch.testing.assert_close(smooth_rate(parabola, weight, x), parabola, rtol=1e-5, atol=1e-5)
    far = torch.tensor([-10.0, 0.0, 10.0], dtype=torch.float64)
    values = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(smooth_rate(values, torch.ones(3, dtype=torch.float64), far), values)


@pytest.mark.parametrize(
    "source",
    [GaussianSource(1), GaussianSource(16), GaussianSource(16, rank=4), BinarySource(16)],
    ids=["gaussian", "gaussian-16", "low-rank", "binary-16"],
)
def test_at_most_half_the_squared_error_of_the_raw_means(
    source: GaussianSource | BinarySource,
) -> None:
    """Mean over ten draws of 200 observations a bin; docs/benchmarks/core.md has the ratios."""
    from infonoise_core.profiles.estimator import RateEstimator

    truth = exact_profile(source, 0.002, 80.0)
    raw = fitted = 0.0
    for seed in range(10):
        rng = torch.Generator().manual_seed(seed)
        n = 64 * 200
        strata = (torch.arange(n) + torch.rand(n, generator=rng)) / n
        sigma = (math.log(0.002) + math.log(80 / 0.002) * strata.double()).exp()
        x0 = source.sample(n, rng).double()
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng, dtype=torch.float64)
        estimator = RateEstimator(truth.edges, horizon=1e9, dim=source.dim)
        estimator.observe(sigma, (source.denoise(x, sigma) - x0).square().sum(1))
        estimator.merge()
        raw += float((estimator.rate - truth.rate).square().mean())
        fitted += float((estimator.fitted_rate() - truth.rate).square().mean())
    assert fitted <= 0.5 * raw
