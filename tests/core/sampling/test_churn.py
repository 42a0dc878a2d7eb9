"""Churn laws: gammas where they belong, within the published cap."""

import math

import pytest
import torch

from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.errors import InputError
from infonoise_core.sampling.churn import band_churn, constant_churn, rate_churn
from infonoise_core.sampling.grids import entropic_grid, karras_grid
from infonoise_core.sampling.options import MAX_GAMMA
from infonoise_core.schedules.gates import fixed_gate

BINARY = exact_profile(BinarySource(4), 0.01, 100.0, bins=256)
GAUSSIAN = exact_profile(GaussianSource(4), 0.01, 100.0, bins=256)
LEVELS = karras_grid(40, 0.01, 100.0)


def test_constant_churn_keeps_to_its_range():
    gammas = constant_churn(0.2, 0.05, 50.0)(LEVELS)
    inside = (LEVELS >= 0.05) & (LEVELS <= 50.0)
    assert gammas.dtype == torch.float64
    assert 0 < int(inside.sum()) < 40
    assert bool((gammas == 0.2 * inside.to(torch.float64)).all())
    assert bool((constant_churn(0.2)(LEVELS) == torch.tensor(0.2, dtype=torch.float64)).all())


def test_band_is_a_share_of_the_entropy():
    # An entropic grid of n levels has one at every i/(n-1) of the entropy.
    levels = entropic_grid(BINARY, 101)
    gammas = band_churn(BINARY, 0.3, 0.195, 0.805)(levels)
    churned = gammas.flip(0).nonzero().flatten()
    assert churned.tolist() == list(range(20, 81))


def test_gate_moves_the_band():
    # Half of the gated entropy of continuous data lies above the pivot's neighbourhood.
    levels = entropic_grid(GAUSSIAN, 101)
    plain = band_churn(GAUSSIAN, 0.3, 0.0, 0.5)(levels)
    gated = band_churn(GAUSSIAN, 0.3, 0.0, 0.5, gate=fixed_gate(0.5))(levels)
    assert float(levels[gated > 0].max()) > 2 * float(levels[plain > 0].max())


def test_rate_churn_is_proportional_to_the_rate():
    gammas = rate_churn(BINARY, 0.3)(LEVELS)
    expected = BinarySource(4).mmse(LEVELS) / LEVELS.square()
    peak = float(BINARY.rate.max())
    # Linear between the centres of 256 bins: off by less than width^2 / 8 of the rate's second
    # derivative in log sigma, about 10 peak here: 2e-3.
    torch.testing.assert_close(gammas, 0.3 * expected / peak, rtol=0, atol=0.3 * 2e-3)
    assert float(gammas.max()) <= 0.3


def test_gate_takes_the_plateau_of_continuous_data_out():
    gammas = rate_churn(GAUSSIAN, 0.3, gate=fixed_gate(0.5))(LEVELS)
    assert float(gammas[-1]) < 1e-4
    assert 0.29 < float(gammas.max()) <= 0.3


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: constant_churn(MAX_GAMMA * 1.001), "0.4142"),
        (lambda: constant_churn(-0.1), "0.4142"),
        (lambda: constant_churn(math.nan), "0.4142"),
        (lambda: band_churn(BINARY, 0.5, 0.1, 0.9), "0.4142"),
        (lambda: rate_churn(BINARY, 0.5), "0.4142"),
        (lambda: constant_churn(0.1, 2.0, 1.0), "sigma_low < sigma_high"),
        (lambda: band_churn(BINARY, 0.1, 0.9, 0.1), "q_low < q_high"),
        (lambda: band_churn(BINARY, 0.1, -0.1, 0.9), "q_low < q_high"),
        (
            lambda: rate_churn(BINARY, 0.1, gate=lambda p: torch.zeros_like(p.rate)),
            "no positive maximum",
        ),
    ],
)
def test_wrong_input_is_refused_with_the_mend(call, says):
    with pytest.raises(InputError, match=says):
        call()
