"""Entropies, information gaps and dimensions against closed forms."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from infonoise_core import (
    EDMDenoiser,
    EntropyRateProfile,
    InfoNoise,
    InputError,
    VarianceExploding,
    continuous_entropy,
    discrete_entropy,
    edm_weight,
    information_gap,
    intrinsic_dimension,
    measure_profile,
)
from infonoise_core.categorical import CategoricalSource
from infonoise_core.dimension import Dimension, Plateau, jacobian_trace, plateau, svd_gap
from infonoise_core.exact import (
    BinarySource,
    GaussianSource,
    Source,
    SphereSource,
    exact_profile,
)
from infonoise_core.mixture import MixtureSource
from infonoise_core.profile import log_edges
from infonoise_core.readout import log_slope

BASES = torch.tensor([0.3, 0.2, 0.1, 0.4])
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


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def table(rate: Tensor, stderr: Tensor | None = None, dim: int | None = None) -> EntropyRateProfile:
    """A made-up profile between sigma 0.01 and 10."""
    stderr = torch.zeros_like(rate) if stderr is None else stderr
    edges = log_edges(0.01, 10.0, len(rate))
    return EntropyRateProfile(edges, rate, stderr, torch.ones_like(rate), dim)


def power_law(exponent: float, bins: int = 60) -> EntropyRateProfile:
    edges = log_edges(0.01, 10.0, bins)
    return table((edges[:-1] * edges[1:]).sqrt() ** exponent)


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


def test_information_gap_of_ten_clusters() -> None:
    """The noise hides which of ten clusters it was: ln 10, whatever the clusters' own entropy."""
    mixture = MixtureSource(4 * torch.eye(10), 0.5)
    whole = exact_profile(mixture, 0.02, 80.0)
    rest = exact_profile(mixture.component(0), 0.02, 80.0)
    found = information_gap(whole, rest, bound=math.log(10))
    assert found.nats == pytest.approx(math.log(10), rel=1e-3)
    assert found.nats - found.slack - 1e-4 <= math.log(10)
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


@pytest.mark.parametrize(
    ("source", "dimension"),
    [(SphereSource(10, 100), 10), (GaussianSource(30, 2.0, rank=7), 7), (SphereSource(1, 2), 1)],
    ids=["10-sphere in R^100", "rank 7 of 30", "circle"],
)
def test_plateau_is_the_dimension(source: Source, dimension: int) -> None:
    found = plateau(exact_profile(source, 0.005, 80.0))
    assert found is not None
    assert found.dimension == pytest.approx(dimension, rel=0.02)
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


class Bottleneck(nn.Module):
    """A linear path and a perceptron between narrow ends, both steered by the noise level."""

    def __init__(self, dim: int, width: int = 128, narrow: int = 16) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(dim, narrow, bias=False), nn.Linear(narrow, width))
        self.middle = nn.Linear(width, width)
        self.leave = nn.Sequential(nn.Linear(width, narrow, bias=False), nn.Linear(narrow, dim))
        self.linear = nn.Linear(dim, dim, bias=False)
        self.level = nn.Sequential(nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 2 * width))
        self.gain = nn.Sequential(nn.Linear(1, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        scale, shift = self.level(noise[:, None]).chunk(2, 1)
        h = nn.functional.silu(self.enter(x) * (1 + scale) + shift)
        h = h + nn.functional.silu(self.middle(h))
        out: Tensor = self.leave(h) + self.gain(noise[:, None]) * self.linear(x)
        return out


@pytest.mark.slow
def test_dimension_of_a_sphere_from_a_trained_denoiser() -> None:
    """A rotated 10-sphere in R^100, learned in 6,000 updates of 256 examples (half a minute on one
    core). The plateau reads high, as excess errors in 100 dimensions add to it; the gap does not.
    """
    torch.manual_seed(0)
    draw, sphere = rng(1), SphereSource(10, 100)
    rotation = torch.linalg.qr(torch.randn(100, 100, generator=draw))[0]
    channel, sigma_data, updates = VarianceExploding(0.003, 10.0), 0.1, 6000
    denoiser, weight = EDMDenoiser(Bottleneck(100), sigma_data), edm_weight(sigma_data)
    schedule = InfoNoise(channel, weight=weight, dim=100)
    adam = torch.optim.Adam(denoiser.parameters(), lr=5e-3)
    decay = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda i: min(1.0, (i + 1) / 100) * (1 + math.cos(math.pi * i / updates)) / 2
    )
    for _ in range(updates):
        x0 = sphere.sample(256, draw) @ rotation
        sigma = schedule.sample(256, generator=draw)
        noisy = x0 + sigma[:, None] * torch.randn(x0.shape, generator=draw)
        error = (denoiser(noisy, sigma) - x0).square().sum(1)
        adam.zero_grad()
        (weight(sigma) * error).mean().backward()
        adam.step()
        decay.step()
        schedule.observe(sigma, error.detach())
        schedule.step()
    denoiser.eval()
    held_out = sphere.sample(20_000, draw) @ rotation
    profile = measure_profile(denoiser, held_out, channel, 48, 4096, generator=draw)
    found = intrinsic_dimension(denoiser, held_out[:16], None, profile, generator=draw)
    assert found.plateau is not None
    assert 9.5 <= found.plateau.dimension <= 11.5
    assert found.svd_gap in (10, 11)
