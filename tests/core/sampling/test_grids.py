"""Inference grids: what every grid keeps, and each law against its closed form."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.binning import log_edges
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling import grids as grid
from infonoise_core.schedules.gates import fixed_gate, open_gate

LOW, HIGH = 0.01, 100.0
GAUSSIAN = exact_profile(GaussianSource(3, std=0.7), LOW, HIGH, bins=4000)
BINARY = exact_profile(BinarySource(5), LOW, HIGH, bins=64)

PROFILE_GRIDS = {
    "entropic": grid.entropic_grid,
    "rescaled": grid.rescaled_entropic_grid,
    "kl": grid.kl_grid,
}


def table(rate, low=LOW, high=HIGH):
    rate = torch.tensor(rate, dtype=torch.float64)
    zero = torch.zeros_like(rate)
    return EntropyRateProfile(log_edges(low, high, len(rate)), rate, zero, zero, dim=4)


def assert_is_grid(levels, n, low, high):
    assert levels.shape == (n,)
    assert levels.dtype == torch.float64
    assert levels[0] == high
    assert levels[-1] == (low if n > 1 else high)
    assert bool((levels.diff() < 0).all())


# Rates over 300 orders of magnitude, and many zeros, so that the cdf has flat and near-flat parts.
rates = st.lists(st.one_of(st.just(0.0), st.floats(1e-200, 1e100)), min_size=2, max_size=40).filter(
    any
)
spans = st.tuples(st.floats(-8, 8), st.floats(0.01, 16)).map(
    lambda s: (math.exp(s[0]), math.exp(s[0] + s[1]))
)


@pytest.mark.parametrize("name", PROFILE_GRIDS)
@given(rate=rates, span=spans, n=st.integers(1, 200))
def test_any_profile_gives_falling_levels_with_exact_ends(name, rate, span, n):
    profile = table(rate)
    low, high = profile.edges[:-1].clamp_min(span[0]), profile.edges[1:].clamp_max(span[1])
    covered = low * (1 + 1e-9) < high
    if not bool(covered.any()):
        with pytest.raises(InputError, match="outside the range"):
            PROFILE_GRIDS[name](profile, n, *span)
    elif name != "kl" and not bool((covered & (profile.rate > 0)).any()):
        with pytest.raises(InputError, match="nothing in the range"):
            PROFILE_GRIDS[name](profile, n, *span)
    else:
        assert_is_grid(PROFILE_GRIDS[name](profile, n, *span), n, *span)


@given(span=spans, n=st.integers(1, 200), rho=st.floats(0.5, 20), karras=st.floats(0, 1))
def test_other_grids_fall_with_exact_ends(span, n, rho, karras):
    assert_is_grid(grid.log_uniform_grid(n, *span), n, *span)
    assert_is_grid(grid.karras_grid(n, *span, rho=rho), n, *span)
    wide = exact_profile(BinarySource(1), 1e-4, 1e11, bins=128)
    try:
        levels = grid.entropic_grid(wide, n, *span, karras=karras)
    except InputError:
        # Below this the rate of a binary source, exp(-1/(2 sigma^2)), is 0 in float64.
        assert span[1] < 0.03
        return
    assert_is_grid(levels, n, *span)


@pytest.mark.parametrize("name", PROFILE_GRIDS)
def test_ends_default_to_the_profile(name):
    assert_is_grid(PROFILE_GRIDS[name](BINARY, 17), 17, LOW, HIGH)


def test_end_that_meets_an_edge_leaves_no_sliver():
    # The rate just below sigma 1 is so large that one rounding error of it would hold all.
    edges = torch.tensor([0.1, 1.0 + 2e-16, 10.0], dtype=torch.float64)
    rate = torch.tensor([1e100, 1.0], dtype=torch.float64)
    profile = EntropyRateProfile(edges, rate, 0 * rate, 0 * rate, dim=1)
    levels = grid.entropic_grid(profile, 5, 1.0, 10.0)
    torch.testing.assert_close(levels, grid.log_uniform_grid(5, 1.0, 10.0))
    with pytest.raises(InputError, match="outside the range"):
        grid.entropic_grid(profile, 5, 10.0 - 1e-14, 20.0)


def test_far_tail_is_resolved():
    # A share of exp(-1/(2 * 0.05^2)) = 1e-87 of the entropy lies here: taken as a difference of
    # the whole profile's cdf it would be lost, and the levels would coincide.
    levels = grid.entropic_grid(exact_profile(BinarySource(1), 0.02, 50.0, 200), 9, 0.03, 0.05)
    assert_is_grid(levels, 9, 0.03, 0.05)


def test_beyond_the_profile_only_the_ends_are_spent():
    levels = grid.entropic_grid(BINARY, 9, LOW / 10, HIGH * 10)
    assert_is_grid(levels, 9, LOW / 10, HIGH * 10)
    torch.testing.assert_close(levels[1:-1], grid.entropic_grid(BINARY, 9)[1:-1])


def test_log_uniform_has_equal_ratios():
    ratios = grid.log_uniform_grid(11, 0.01, 10.0).log().diff()
    torch.testing.assert_close(ratios, torch.full_like(ratios, math.log(1e-3) / 10))


def test_karras_against_its_formula():
    # Karras et al. 2022, eq. 5, at i = 1 of 4.
    expected = (80 ** (1 / 7) + 1 / 3 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    assert float(grid.karras_grid(4, 0.002, 80.0)[1]) == pytest.approx(expected, rel=1e-12)


# A profile is constant within a bin: over 4000 bins of width w = 0.0023 the integral is off by less
# than w^2, and the shares, differences of it over 30 steps, by 30 times that.
SHARES = {"rtol": 2e-4, "atol": 0}


def equal(shares):
    torch.testing.assert_close(shares, shares.mean().expand_as(shares), **SHARES)


@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (0.0523, 13.7)])
def test_entropic_steps_remove_equal_entropy(low, high):
    levels = grid.entropic_grid(GAUSSIAN, 31, low, high)
    # H(x0 | x_sigma) of N(0, s^2) is 1/2 log(sigma^2 / (s^2 + sigma^2)) plus a constant.
    equal((levels**2 / (0.7**2 + levels**2)).log().diff())


@pytest.mark.parametrize(("low", "high"), [(LOW, HIGH), (0.0523, 13.7)])
def test_rescaled_steps_remove_equal_rescaled_entropy(low, high):
    levels = grid.rescaled_entropic_grid(GAUSSIAN, 31, low, high)
    # The integral of sigma dH = s^2 / (s^2 + sigma^2) dsigma is s atan(sigma / s).
    equal((levels / 0.7).atan().diff())


@pytest.mark.parametrize("high", [HIGH, 13.7])
def test_kl_steps_change_the_divergence_equally(high):
    levels = grid.kl_grid(GAUSSIAN, 31, 0.0523, high)
    # KL(N(0, v) || N(0, sigma_max^2)) falls in v up to sigma_max^2 and grows beyond.
    v = (0.7**2 + levels**2) / high**2
    divergence = v - 1 - v.log()
    climbed = torch.where(v > 1, -divergence, divergence)
    equal(climbed.diff())


def test_kl_grid_is_log_uniform_where_discrete_data_are_resolved():
    # There the rate is 0 and the law of x is that of the noise around each symbol: every octave of
    # sigma takes the same divergence.
    levels = grid.kl_grid(exact_profile(BinarySource(5), 1e-4, 100.0, 256), 200, 1e-4, 100.0)
    ratios = levels[levels < 0.05].log().diff()
    torch.testing.assert_close(ratios, ratios[-1].expand_as(ratios), rtol=1e-6, atol=0)


def test_kl_grid_needs_the_dimension():
    with pytest.raises(InputError, match="dim"):
        grid.kl_grid(dataclasses.replace(BINARY, dim=None), 8)


@pytest.mark.parametrize("make", [grid.entropic_grid, grid.rescaled_entropic_grid])
def test_gate_multiplies_the_rate(make):
    gate = fixed_gate(0.5)
    by_hand = dataclasses.replace(GAUSSIAN, rate=gate(GAUSSIAN) * GAUSSIAN.rate)
    torch.testing.assert_close(make(GAUSSIAN, 12, gate=gate), make(by_hand, 12), rtol=0, atol=0)
    torch.testing.assert_close(
        make(GAUSSIAN, 12, gate=open_gate()), make(GAUSSIAN, 12), rtol=0, atol=0
    )
    # Half the levels of continuous data lie below the pivot; the gate takes most of them away.
    below = int((make(GAUSSIAN, 12) < 0.25).sum())
    assert int((make(GAUSSIAN, 12, gate=gate) < 0.25).sum()) < below


@pytest.mark.parametrize("name", PROFILE_GRIDS)
@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_scaling_the_data_scales_the_levels(name, scale):
    profile = exact_profile(GaussianSource(3, std=0.7), LOW, HIGH, bins=64)
    scaled = exact_profile(GaussianSource(3, std=0.7 * scale), LOW * scale, HIGH * scale, bins=64)
    make = PROFILE_GRIDS[name]
    torch.testing.assert_close(make(scaled, 20), make(profile, 20) * scale, rtol=1e-9, atol=0)


def test_blend_runs_from_the_entropic_to_the_karras_grid():
    own, karras = grid.entropic_grid(BINARY, 20), grid.karras_grid(20, LOW, HIGH)
    torch.testing.assert_close(grid.entropic_grid(BINARY, 20, karras=1.0), karras)
    half = grid.entropic_grid(BINARY, 20, karras=0.5)
    torch.testing.assert_close(half, (own * karras).sqrt())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: grid.karras_grid(0, 0.1, 1.0), "at least 1"),
        (lambda: grid.log_uniform_grid(4, 1.0, 0.1), "0 < sigma_min < sigma_max"),
        (lambda: grid.log_uniform_grid(4, 0.0, 0.1), "0 < sigma_min < sigma_max"),
        (lambda: grid.karras_grid(4, 0.1, math.inf), "0 < sigma_min < sigma_max"),
        (lambda: grid.karras_grid(4, 0.1, math.nan), "0 < sigma_min < sigma_max"),
        (lambda: grid.karras_grid(4, 0.1, 1.0, rho=0.0), "rho"),
        (lambda: grid.log_uniform_grid(9, 1.0, 1.0 + 4e-16), "do not fit"),
        (lambda: grid.entropic_grid(BINARY, 4, karras=1.5), "karras 1.5"),
        (lambda: grid.entropic_grid(BINARY, 4, 200.0, 300.0), "covers sigma 0.01 to 100"),
        (lambda: grid.entropic_grid(table([0.0, 0.0, 1.0]), 4, 0.01, 0.02), "nothing in the range"),
        (lambda: grid.rescaled_entropic_grid(table([math.nan, 1.0]), 4), "nothing in the range"),
    ],
)
def test_wrong_input_is_refused_with_the_mend(call, says):
    with pytest.raises(InputError, match=says):
        call()
