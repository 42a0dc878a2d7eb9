"""What a condition tells of the data: the gap between two profiles."""

import math

import pytest
import torch
from torch import Tensor

from infonoise_core import InputError, VarianceExploding, information_gap, measure_profile
from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.analytic.mixture import MixtureSource

from .made_profiles import rng


def test_information_gap_of_ten_clusters() -> None:
    """The noise hides which of ten clusters it was: ln 10, whatever the clusters' own entropy."""
    mixture = MixtureSource(4 * torch.eye(10), 0.5)
    whole = exact_profile(mixture, 0.02, 80.0)
    rest = exact_profile(mixture.component(0), 0.02, 80.0)
    found = information_gap(whole, rest, bound=math.log(10))
    # 1e-4: 64 bins.
    assert found.nats == pytest.approx(math.log(10), rel=1e-4)
    assert found.nats - found.slack < math.log(10) * (1 + 1e-4)
    assert "at most 2.303 nats" in str(found)


def test_information_gap_of_measured_profiles() -> None:
    """From errors on examples, with different noise for the two: within four standard errors, and
    those are below 2 %.
    """
    centres = 4 * torch.eye(10)
    mixture = MixtureSource(centres, 0.5)
    # Below 0.4 there is no doubt about the cluster, only variance.
    channel = VarianceExploding(0.4, 80.0)
    label = torch.randint(0, 10, (20_000,), generator=rng())
    x0 = centres[label] + 0.5 * torch.randn(20_000, 10, generator=rng(1))

    def given(x: Tensor, sigma: Tensor, centre: Tensor) -> Tensor:
        return centre + mixture.component(0).denoise(x - centre, sigma)

    whole = measure_profile(mixture.denoise, x0, channel, 40, 5000, generator=rng(2))
    condition = {"centre": centres[label]}
    rest = measure_profile(given, x0, channel, 40, 5000, condition, generator=rng(3))
    found = information_gap(whole, rest)
    assert found.stderr < 0.02 * math.log(10)
    assert abs(found.nats - math.log(10)) < 4 * found.stderr


def test_information_gap_on_different_grids() -> None:
    mixture = MixtureSource(4 * torch.eye(4), 0.5)
    whole = exact_profile(mixture, 0.013, 300.0, bins=50)
    rest = exact_profile(mixture.component(0), 0.04, 60.0, bins=41)
    # Rates are constant within a bin, so bins that are cut at the common ends err by their slope.
    assert information_gap(whole, rest).nats == pytest.approx(math.log(4), rel=0.01)
    with pytest.raises(InputError, match="in common"):
        information_gap(exact_profile(mixture, 0.1, 1.0), exact_profile(mixture, 2.0, 3.0))


def test_nothing_is_gained_by_nothing() -> None:
    profile = exact_profile(BinarySource(3), 0.1, 10.0)
    found = information_gap(profile, profile)
    assert (found.nats, found.slack) == (0, 0)
