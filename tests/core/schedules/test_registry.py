"""Schedules by their names on the command line."""

import math

import pytest
import torch

from infonoise_core.analytic.exact import exact_profile
from infonoise_core.analytic.priors import linear_profile
from infonoise_core.errors import InputError
from infonoise_core.processes.weighting import edm_weight, unit_weight
from infonoise_core.schedules.fixed import LogUniform, Schedule
from infonoise_core.schedules.frozen import FrozenProfile
from infonoise_core.schedules.gates import total_variation
from infonoise_core.schedules.infonoise import InfoNoise
from infonoise_core.schedules.registry import SCHEDULES, ScheduleContext, make_schedule

from .exact_training import CHANNEL, DIM, SOURCES, train


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_name_makes_a_schedule(name: str) -> None:
    symbols = exact_profile(SOURCES["binary"], 0.02, 20.0) if name == "iid-oracle" else None
    law = make_schedule(name, ScheduleContext(CHANNEL, unit_weight(), 100, DIM, symbols))
    assert isinstance(law, Schedule)
    train(law, SOURCES["gaussian"], 20, batch=64)
    sigma = torch.logspace(math.log10(0.02), math.log10(20.0), 4001, dtype=torch.float64)
    sigma = sigma.clamp(0.02, 20.0)
    total = float(torch.trapezoid(law.density(sigma), sigma.log()))
    # Steps of 1.7e-3 across 64 jumps of a table, or a smooth density.
    assert total == pytest.approx(1, abs=0.01)
    assert law.status()
    assert "\n" not in law.status()


def test_the_oracle_wants_discrete_data() -> None:
    with pytest.raises(InputError, match="iid-oracle needs discrete data"):
        make_schedule("iid-oracle", ScheduleContext(CHANNEL, unit_weight(), steps=100, dim=DIM))


def test_discrete_data_start_from_their_symbols_and_keep_the_weight() -> None:
    symbols = exact_profile(SOURCES["binary"], 0.02, 20.0)
    law = make_schedule("infonoise", ScheduleContext(CHANNEL, edm_weight(0.5), 100, DIM, symbols))
    frozen = FrozenProfile(CHANNEL, symbols)
    sigma = symbols.sigma
    mixed = 0.95 * frozen.density(sigma) + 0.05 * LogUniform(CHANNEL).density(sigma)
    # The gate takes a little of the lowest, nearly empty bins.
    assert total_variation(law.density(sigma), mixed, symbols.width) < 0.02


def test_continuous_data_start_from_their_linear_bound_and_take_the_root() -> None:
    linear = linear_profile(CHANNEL, torch.full((DIM,), 0.25))
    weight = edm_weight(0.5)
    law = make_schedule("infonoise", ScheduleContext(CHANNEL, weight, 100, DIM, linear=linear))
    root = (linear.rate / weight(linear.sigma)).sqrt()
    root = 0.95 * root / (root * linear.width).sum()
    mixed = root + 0.05 * LogUniform(CHANNEL).density(linear.sigma)
    # A Gaussian's error falls as fast as the gate asks for, but for the lowest bins.
    assert total_variation(law.density(linear.sigma), mixed, linear.width) < 0.02


def test_of_two_bounds_the_lower_one_counts() -> None:
    symbols = exact_profile(SOURCES["binary"], 0.02, 20.0)
    linear = linear_profile(CHANNEL, torch.full((DIM,), 0.01))
    law = make_schedule(
        "infonoise", ScheduleContext(CHANNEL, unit_weight(), 100, DIM, symbols, linear)
    )
    assert isinstance(law, InfoNoise)
    assert law.prior is not None
    assert law.ceiling is not None
    lower = torch.minimum(symbols.rate, linear.rate)
    assert not torch.equal(lower, symbols.rate)
    for bound in (law.prior, law.ceiling):
        torch.testing.assert_close(bound.rate, lower)
