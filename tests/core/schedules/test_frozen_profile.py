"""A law from a profile that is known beforehand: drawn from as it is, and never changed."""

from typing import Any

import pytest
import torch

from infonoise_core.analytic.exact import exact_profile
from infonoise_core.errors import InputError
from infonoise_core.schedules.frozen import FrozenProfile
from infonoise_core.schedules.gates import fixed_gate, open_gate, training_density

from .exact_training import CHANNEL, SOURCES, WEIGHT, distance, train


@pytest.mark.parametrize(("gate", "power"), [(open_gate(), 1.0), (fixed_gate(0.2), 0.5)])
def test_frozen_profile_is_the_training_density(gate: Any, power: float) -> None:
    profile = exact_profile(SOURCES["binary"], 0.02, 20.0)
    law = FrozenProfile(CHANNEL, profile, WEIGHT, gate, power)
    exact = training_density(profile, WEIGHT, gate, power)
    assert exact is not None
    torch.testing.assert_close(law.density(profile.sigma), exact, rtol=1e-12, atol=0)
    train(law, SOURCES["gaussian"], 3)
    torch.testing.assert_close(law.density(profile.sigma), exact, rtol=1e-12, atol=0)
    assert law.profile().entropy() == profile.entropy()
    assert "never learns" in law.status()


def test_frozen_profile_draws_by_its_density() -> None:
    law = FrozenProfile(CHANNEL, exact_profile(SOURCES["binary"], 0.02, 20.0))
    n = 100_000
    sigma = law.sample(n, generator=torch.Generator().manual_seed(0)).double()
    counts = torch.histogram(sigma.log(), law.edges.log()).hist
    mass = law._density * law.edges.log().diff()
    # Stratified: a bin's count is off by at most one at either end, and by float32's rounding.
    assert (counts - n * mass).abs().max() <= 3


def test_frozen_profile_reads_other_grids() -> None:
    profile = exact_profile(SOURCES["binary"], 0.005, 80.0, bins=200)
    law = FrozenProfile(CHANNEL, profile)
    rate = exact_profile(SOURCES["binary"], 0.02, 20.0, bins=200).rate
    # Linear between centres 0.05 apart: h^2 / 8 * r'' / r is 1e-3 on the steep side.
    assert distance(law, rate) < 2e-3


def test_a_profile_of_zeros_gives_no_law() -> None:
    profile = exact_profile(SOURCES["binary"], 0.02, 20.0)
    with pytest.raises(InputError, match="no density"):
        FrozenProfile(CHANNEL, profile, gate=lambda profile: torch.zeros_like(profile.rate))
