"""Entropies read off a profile, against closed forms."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from infonoise_core import (
    EntropyRateProfile,
    InputError,
    VarianceExploding,
    continuous_entropy,
    discrete_entropy,
    measure_profile,
)
from infonoise_core.analytic.categorical import CategoricalSource
from infonoise_core.analytic.exact import (
    BinarySource,
    GaussianSource,
    Source,
    SphereSource,
    exact_profile,
)
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.profiles.readout import log_slope

from .made_profiles import BASES, power_law, rng, table

LINE = torch.tensor([[0.0], [3.0], [10.0]])
DISCRETE: dict[str, Callable[[], Source]] = {
    "bits": lambda: BinarySource(6),
    "biased bits": lambda: BinarySource(6, 0.0, 1.0, 0.1),
    "one-hot": lambda: CategoricalSource(BASES, 3),
    "points": lambda: MixtureSource(torch.tensor([[0.0, 0], [1.0, 2], [3.0, 6]])),
}
CONTINUOUS: dict[str, Callable[[], Source]] = {
    "gaussian": lambda: GaussianSource(5, 2.0),
    "narrow gaussian": lambda: GaussianSource(3, 0.3),
    "mixture": lambda: MixtureSource(LINE, torch.tensor([0.4, 1.0, 2.0])),
    "clusters": lambda: MixtureSource(3 * torch.eye(3), 0.5),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_entropy_of_discrete_data(name: str) -> None:
    source = DISCRETE[name]()
    found = discrete_entropy(exact_profile(source, 0.02, 80.0))
    # 1e-4: 64 bins and tails that the profile settles.
    assert found.nats == pytest.approx(source.entropy, rel=1e-4)
    assert found.bits == pytest.approx(found.nats / math.log(2))
    assert found.slack < 1e-4 * found.nats
    assert found.stderr == 0


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.parametrize(("low", "high"), [(0.2, 5.0), (0.22, 80.0), (0.02, 4.0)])
def test_tails_enclose_the_entropy(name: str, low: float, high: float) -> None:
    """A grid that ends too early: the value bounds from above, slack reaches below the truth."""
    source = DISCRETE[name]()
    found = discrete_entropy(exact_profile(source, low, high))
    assert source.entropy is not None
    # 1e-6 for the quadrature.
    assert found.nats - found.slack < source.entropy * (1 + 1e-6)
    assert source.entropy < found.nats * (1 + 1e-6)
    assert found.slack < 0.2 * source.entropy
    assert found.below + found.above > 0


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize(("low", "high"), [(0.01, 100.0), (0.1, 20.0)])
def test_entropy_of_data_with_a_density(name: str, low: float, high: float) -> None:
    """Within 1 % of one nat per dimension, or from above within slack where the grid is short. The
    clusters' own entropy is sampled to 2e-3.
    """
    source = CONTINUOUS[name]()
    assert source.entropy is not None
    found = continuous_entropy(exact_profile(source, low, high))
    tolerance = 0.01 * source.dim if low == 0.01 else found.slack
    assert abs(found.nats - source.entropy) < tolerance + 2e-3
    assert found.nats > source.entropy - 2e-3
    assert found.slack < 0.05 * source.dim


@pytest.mark.parametrize(
    "source",
    [GaussianSource(20, rank=7), SphereSource(2, 6), BinarySource(4)],
    ids=["low rank", "sphere", "bits"],
)
def test_no_density_is_not_settled(source: Source) -> None:
    found = continuous_entropy(exact_profile(source, 0.01, 80.0))
    assert math.isinf(found.slack)
    assert "not settled" in str(found)


def test_continuous_data_have_no_discrete_entropy() -> None:
    assert math.isinf(discrete_entropy(exact_profile(GaussianSource(2), 0.01, 80.0)).slack)


def test_an_error_floor_is_not_settled() -> None:
    """A constant error at low noise makes the rate grow: no bound below, and none is claimed."""
    exact = exact_profile(BinarySource(6), 0.02, 80.0)
    floored = EntropyRateProfile(
        exact.edges, exact.rate + 1e-3 / exact.sigma.square(), exact.stderr, exact.count, 6
    )
    assert math.isinf(discrete_entropy(floored).slack)


def test_entropy_of_a_measured_profile_lies_within_its_error() -> None:
    source = BinarySource(30)
    profile = measure_profile(
        source.denoise, source.sample(4000, rng()), VarianceExploding(0.1, 80.0), generator=rng(1)
    )
    found = discrete_entropy(profile)
    assert source.entropy is not None
    assert found.stderr < 0.01 * source.entropy
    assert abs(found.nats - source.entropy) < 4 * found.stderr + found.slack


@pytest.mark.parametrize("readout", [discrete_entropy, continuous_entropy])
def test_error_bar_is_the_spread(readout: Callable[[EntropyRateProfile], Any]) -> None:
    """The spread of 400 noisy copies, itself known to 1/sqrt(800) = 3.5 %, within 15 % (the tails'
    slopes, which also jump with the noise, are not in the error).
    """
    source = BinarySource(1) if readout is discrete_entropy else MixtureSource(LINE, 1.0)
    exact = exact_profile(source, 0.2, 80.0, bins=32)
    stderr = 0.02 * exact.rate
    values = []
    for seed in range(400):
        noise = torch.randn(32, generator=rng(seed), dtype=torch.float64)
        noisy = EntropyRateProfile(exact.edges, exact.rate + stderr * noise, stderr, exact.count, 1)
        values.append(readout(noisy))
    spread = float(torch.tensor([v.nats for v in values]).std())
    assert values[0].stderr == pytest.approx(spread, rel=0.15)


def test_density_needs_the_number_of_dimensions() -> None:
    with pytest.raises(InputError, match="how many dimensions"):
        continuous_entropy(power_law(0.0))


@pytest.mark.parametrize("exponent", [-2.0, -0.3, 0.0, 4.0])
def test_slope_of_a_power_law(exponent: float) -> None:
    for bins in (6, 60):
        slope = log_slope(power_law(exponent, bins))
        torch.testing.assert_close(slope, torch.full_like(slope, exponent), rtol=0, atol=1e-9)


def test_slope_leaves_out_what_was_not_seen() -> None:
    rate = power_law(1.0).rate.clone()
    stderr = torch.zeros_like(rate)
    rate[10], stderr[10], rate[20] = 1e6, math.inf, 0.0
    slope = log_slope(table(rate, stderr))
    assert slope.isnan().nonzero().flatten().tolist() == [10, 20]
    torch.testing.assert_close(slope[[9, 11, 19, 21]], torch.ones(4, dtype=torch.float64))
