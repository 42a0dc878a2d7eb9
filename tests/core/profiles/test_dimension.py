"""The data's dimension, by the profile's plateau and by the denoiser's Jacobian."""

import pytest
import torch
from torch import Tensor

from infonoise_core import (
    EntropyRateProfile,
    InputError,
    VarianceExploding,
    intrinsic_dimension,
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
from infonoise_core.profiles.dimension import Dimension, Plateau, jacobian_trace, plateau, svd_gap

from .made_profiles import BASES, power_law, rng, table

# Plateau


@pytest.mark.parametrize(
    ("source", "dimension"),
    [(SphereSource(10, 100), 10), (GaussianSource(30, 2.0, rank=7), 7), (SphereSource(1, 2), 1)],
    ids=["10-sphere in R^100", "rank 7 of 30", "circle"],
)
def test_plateau_is_the_dimension(source: Source, dimension: int) -> None:
    found = plateau(exact_profile(source, 0.005, 80.0, bins=32))
    assert found is not None
    # The rate falls like 1 - a sigma^2: where its slope is 0.1 the stretch ends, and a rate 5 % low
    # counts for nothing. Over a factor of ten or more, less than 1 % is left of it.
    assert found.dimension == pytest.approx(dimension, rel=0.01)
    assert found.sigma_min == pytest.approx(0.005)


def test_plateau_of_a_measured_sphere() -> None:
    """Exact denoiser, 500 draws a bin: within 2 %, three of its standard errors."""
    source = SphereSource(10, 100)
    profile = measure_profile(
        source.denoise, source.sample(4000, rng()), VarianceExploding(0.002, 80.0), draws=500,
        generator=rng(1),
    )  # fmt: skip
    found = plateau(profile)
    assert found is not None
    assert found.dimension == pytest.approx(10, rel=0.02)
    assert found.stderr < 0.07


@pytest.mark.parametrize(
    "profile",
    [
        exact_profile(BinarySource(8), 0.02, 80.0),
        exact_profile(CategoricalSource(BASES), 0.02, 80.0),
        power_law(-0.2),
        power_law(0.15),
        table(torch.zeros(30, dtype=torch.float64)),
    ],
    ids=["bits", "one-hot", "falling", "rising", "nothing"],
)
def test_no_plateau(profile: EntropyRateProfile) -> None:
    """Steeper than 0.1 everywhere, or flat only on top of a peak."""
    assert plateau(profile) is None


def test_plateau_between_an_error_floor_and_curvature() -> None:
    """What a trained network shows: the rate rises below the plateau and falls above it."""
    exact = exact_profile(SphereSource(10, 100), 0.001, 80.0)
    learned = EntropyRateProfile(
        exact.edges, exact.rate + 2e-5 / exact.sigma.square(), exact.stderr, exact.count, 100
    )
    found = plateau(learned)
    assert found is not None
    assert found.dimension == pytest.approx(10, rel=0.02)
    assert 0.003 < found.sigma_min < found.sigma_max < 0.2


# Jacobian


@pytest.mark.parametrize(
    ("source", "sigma", "dimension"),
    [
        (SphereSource(10, 100), 0.01, 10),
        (SphereSource(1, 2), 0.02, 1),
        (GaussianSource(12, rank=4), 0.01, 4),
        (GaussianSource(6), 0.05, 6),
        (BinarySource(6), 0.05, 0),
    ],
    ids=["10-sphere in R^100", "circle", "rank 4 of 12", "full", "points"],
)
def test_svd_gap(source: Source, sigma: float, dimension: int) -> None:
    x0 = source.sample(5, rng())
    dimensions, values = svd_gap(source.denoise, x0, sigma, generator=rng(1))
    assert dimensions.tolist() == [dimension] * 5
    assert values.shape == (5, source.dim)
    assert bool((values.diff(dim=1) <= 0).all())


def test_svd_gap_under_a_condition() -> None:
    """Two lines in the plane; which one a point lies on is told by the condition."""
    axes = torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    def along(x: Tensor, sigma: Tensor, axis: Tensor) -> Tensor:
        return (x * axis).sum(1, keepdim=True) * axis / (1 + sigma[:, None].square())

    dimensions, _ = svd_gap(along, axes, 0.01, condition={"axis": axes}, generator=rng())
    assert dimensions.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("source", "sigma"),
    [(SphereSource(10, 40), 0.05), (GaussianSource(6), 0.7), (BinarySource(20), 0.8)],
    ids=["sphere", "gaussian", "bits"],
)
def test_trace_of_an_exact_denoiser_is_the_rate(source: Source, sigma: float) -> None:
    """Second-order Tweedie; within four standard errors, which are below 3 %. A linear denoiser's
    trace has no error at all, but the rounding of float32.
    """
    x0 = source.sample(400, rng())
    value, stderr = jacobian_trace(source.denoise, x0, sigma, generator=rng(1))
    rate = float(source.mmse(torch.tensor(sigma, dtype=torch.float64))) / sigma**2
    assert stderr < 0.03 * rate
    assert abs(value - rate) < 4 * stderr + 1e-5 * rate


# All together


def test_all_readings_of_a_sphere() -> None:
    source = SphereSource(10, 100)
    profile = exact_profile(source, 0.003, 80.0)
    found = intrinsic_dimension(
        source.denoise, source.sample(6, rng()), None, profile, None, rng(1)
    )
    assert (found.value, found.svd_gap, found.share, found.agrees) == (10, 10, 1.0, True)
    assert found.plateau == plateau(profile)
    assert "10 by the SVD gap (100% of the points)" in str(found)


def test_disagreement_is_flagged() -> None:
    wide = Plateau(14.0, 0.1, 0.01, 0.1)
    assert Dimension(svd_gap=10, share=0.9, plateau=wide).agrees is False
    assert "disagree" in str(Dimension(svd_gap=10, share=0.9, plateau=wide))
    assert Dimension(svd_gap=10, share=0.9, plateau=Plateau(11.2, 0.2, 0.01, 0.1)).agrees
    assert Dimension(svd_gap=10, share=0.9, trace=12.5, trace_stderr=0.2).agrees is False
    assert Dimension(svd_gap=10, share=0.9).agrees is None
    assert Dimension(plateau=wide).value == 14.0
    assert Dimension().value is None
    assert str(Dimension()) == "no plateau"


def test_mistakes_are_named() -> None:
    source = BinarySource(4)
    x0 = source.sample(3, rng())
    with pytest.raises(InputError, match="no plateau"):
        intrinsic_dimension(source.denoise, x0, profile=exact_profile(source, 0.02, 80.0))
    with pytest.raises(InputError, match="above 0"):
        svd_gap(source.denoise, x0, 0.0)
    with pytest.raises(InputError, match="at least as many"):
        svd_gap(source.denoise, x0, 0.1, perturbations=3)
    with pytest.raises(InputError, match="points of shape"):
        jacobian_trace(source.denoise, torch.zeros(3), 0.1)
    with pytest.raises(InputError, match="probes"):
        jacobian_trace(source.denoise, x0[:1], 0.1)
