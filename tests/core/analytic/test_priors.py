"""Profiles computed before training: the printed DNA windows, tiny data sets, bounds, and scale."""

import math

import pytest
import torch

from infonoise_core import (
    EmpiricalBayesDenoiser,
    EntropyRateProfile,
    InputError,
    VarianceExploding,
    discrete_entropy,
    empirical_bayes_profile,
    independent_symbol_profile,
    linear_profile,
    measure_profile,
)
from infonoise_core.analytic import priors as prior_profile
from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile, profile_on
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.analytic.priors import OneHot

FAIR = torch.full((4,), 0.25)
QUANTILES = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
TETRAHEDRON = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]]) / 3**0.5
BIT = torch.tensor([[-1.0], [1.0]])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("embedding", "probabilities", "positions", "window"),
    [
        (OneHot(), FAIR, 1, [0.300, 0.442, 0.627, 0.972, 2.30]),
        (OneHot(-1.0, 1.0), FAIR, 1, [0.600, 0.884, 1.254, 1.944, 4.60]),
        (BIT, torch.tensor([0.5, 0.5]), 2, [0.448, 0.677, 0.979, 1.549, 3.73]),
        (TETRAHEDRON, FAIR, 1, [0.346, 0.511, 0.724, 1.124, 2.65]),
    ],
    ids=["one-hot 0/1", "one-hot +-1", "two bits", "tetrahedron"],
)
def test_windows_of_one_base_of_dna(
    embedding: torch.Tensor | OneHot,
    probabilities: torch.Tensor,
    positions: int,
    window: list[float],
) -> None:
    """Published to three digits, read off a coarser grid: 0.3 % covers both."""
    channel = VarianceExploding(0.05, 200.0)
    profile = independent_symbol_profile(channel, probabilities, embedding, positions, bins=120)
    assert profile.entropy() == pytest.approx(2 * math.log(2), rel=1e-4)
    assert profile.quantile(QUANTILES).tolist() == pytest.approx(window, rel=3e-3)


def test_positions_add_up() -> None:
    channel = VarianceExploding(0.1, 10.0)
    skewed = torch.tensor([0.7, 0.1, 0.1, 0.1])
    one = [independent_symbol_profile(channel, p, bins=6) for p in (FAIR, skewed)]
    both = independent_symbol_profile(channel, torch.stack([FAIR, skewed, FAIR]), bins=6)
    assert both.dim == 12
    torch.testing.assert_close(both.rate, 2 * one[0].rate + one[1].rate)
    thrice = independent_symbol_profile(channel, FAIR, positions=3, bins=6)
    torch.testing.assert_close(thrice.rate, 3 * one[0].rate)


def test_bits_of_their_own_frequencies() -> None:
    channel = VarianceExploding(0.02, 100.0)
    high = torch.tensor([0.1, 0.5, 0.9, 0.5])
    profile = independent_symbol_profile(channel, torch.stack([1 - high, high], 1), BIT)
    assert profile.dim == 4
    entropy = float(-(torch.xlogy(high, high) + torch.xlogy(1 - high, 1 - high)).sum())
    assert discrete_entropy(profile).nats == pytest.approx(entropy, rel=1e-4)


def test_a_code_without_symmetry_states_its_error() -> None:
    """Three bits for five symbols: sampled, and within four of its errors of the entropy."""
    channel = VarianceExploding(0.05, 100.0)
    p = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    code = 2.0 * (torch.arange(5)[:, None] >> torch.arange(3) & 1) - 1
    profile = independent_symbol_profile(channel, p, code, positions=2, bins=16)
    found = discrete_entropy(profile)
    assert profile.dim == 6
    assert 0 < found.stderr < 5e-3
    assert abs(found.nats + 2 * float(torch.xlogy(p, p).sum())) < 4 * found.stderr


def test_empirical_bayes_is_the_posterior_of_the_list() -> None:
    examples = torch.randn(6, 2, 3, generator=rng())
    x = torch.randn(5, 2, 3, generator=rng(1))
    sigma = torch.tensor([0.01, 0.2, 0.5, 1.0, 30.0])
    listed = MixtureSource(examples.flatten(1))
    found = EmpiricalBayesDenoiser(examples)(x, sigma)
    torch.testing.assert_close(found, listed.denoise(x.flatten(1), sigma).reshape(x.shape))


def test_own_example_is_left_out() -> None:
    examples = torch.randn(7, 3, generator=rng())
    x, sigma = examples[[4]] + 0.1, torch.tensor([0.3])
    without = EmpiricalBayesDenoiser(torch.cat([examples[:4], examples[5:]]))
    found = EmpiricalBayesDenoiser(examples)(x, sigma, own=torch.tensor([4]))
    torch.testing.assert_close(found, without(x, sigma))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, x = torch.randn(40, 3, generator=rng()), torch.randn(11, 3, generator=rng(1))
    sigma, own = torch.linspace(0.1, 2, 11), torch.arange(11)
    denoiser = EmpiricalBayesDenoiser(examples)
    whole = denoiser(x, sigma, own=own)
    monkeypatch.setattr(prior_profile, "_BLOCK", 100)
    torch.testing.assert_close(denoiser(x, sigma, own=own), whole)


def test_tiny_noise_far_from_the_origin() -> None:
    """Distances of 1e-3 between examples at 1e3: nothing overflows, the nearest one wins."""
    examples = 1e3 + 1e-3 * torch.arange(5, dtype=torch.float64)[:, None]
    found = EmpiricalBayesDenoiser(examples)(examples, torch.full((5,), 1e-5))
    torch.testing.assert_close(found, examples)


def test_with_its_own_source_the_profile_is_that_of_a_list() -> None:
    """Why the source is left out: the area is ln n, whatever the law the examples come from."""
    examples = torch.randn(300, 2, generator=rng())
    memory = measure_profile(
        EmpiricalBayesDenoiser(examples), examples, VarianceExploding(1e-5, 300.0), bins=64,
        draws=600, generator=rng(1),
    )  # fmt: skip
    found = discrete_entropy(memory)
    # Four standard errors, and 1 % for 64 bins over 17 units of log sigma.
    assert abs(found.nats - math.log(300)) < 4 * found.stderr + 0.01 * math.log(300)


def test_prior_of_gaussian_data_is_the_truth_from_above() -> None:
    """A linear denoiser is exact here, but for the fit of 8 variances to 1,000 examples: less than
    8/1000 of the rate.
    """
    source, channel = GaussianSource(8, 2.0), VarianceExploding(0.05, 50.0)
    x0 = source.sample(2000, rng())
    found = empirical_bayes_profile(x0, channel, bins=24, draws=1000, generator=rng(1))
    truth = exact_profile(source, 0.05, 50.0, bins=24)
    assert found.dim == 8
    slack = 4.5 * found.stderr
    assert bool((found.rate > truth.rate - slack).all())
    assert bool((found.rate < 1.01 * truth.rate + slack).all())


def test_prior_of_clustered_data_is_found_by_its_neighbours() -> None:
    """Eight bits, 256 patterns, 4,000 examples: each has some 16 twins, so empirical Bayes comes
    within 10 % wherever at least a twentieth of the peak's rate is lost; no linear denoiser does.
    """
    source, channel = BinarySource(8), VarianceExploding(0.1, 30.0)
    x0 = source.sample(4000, rng())
    found = empirical_bayes_profile(x0, channel, bins=20, draws=1000, generator=rng(1))
    truth = exact_profile(source, 0.1, 30.0, bins=20)
    seen = truth.rate > 0.05 * truth.rate.max()
    excess = (found.rate - truth.rate)[seen]
    assert bool((excess.abs() < 0.1 * truth.rate[seen] + 4.5 * found.stderr[seen]).all())


def test_prior_obeys_the_ceiling_and_says_where_it_is_loose() -> None:
    """Sixty-four examples in 32 dimensions: too few for anything at low noise."""
    x0 = torch.randn(64, 32, generator=rng()).sign()
    profile = empirical_bayes_profile(x0, VarianceExploding(0.01, 30.0), bins=24, generator=rng(1))
    assert profile.raw is not None
    assert profile.implied is not None
    assert float(profile.rate.max()) <= 32 < float(profile.raw.max())
    assert float(profile.implied[0]) < 0.9 * float(profile.raw[0])
    assert float(profile.implied[-1]) == pytest.approx(float(profile.raw[-1]), rel=0.2)


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_prior_follows_the_scale_of_the_data(scale: float) -> None:
    x0 = torch.randn(200, 3, generator=rng())
    one = empirical_bayes_profile(x0, VarianceExploding(0.1, 10.0), bins=8, generator=rng(1))
    channel = VarianceExploding(0.1 * scale, 10.0 * scale)
    other = empirical_bayes_profile(scale * x0, channel, bins=8, generator=rng(1))
    # Inputs and noise are rounded to float32.
    torch.testing.assert_close(other.rate, one.rate, rtol=1e-4, atol=0)


def test_prior_is_saved_with_all_it_knows(tmp_path) -> None:
    x0 = torch.randn(50, 3, generator=rng())
    profile = empirical_bayes_profile(x0, VarianceExploding(0.1, 10.0), bins=8, generator=rng(1))
    profile.save(tmp_path / "prior.json")
    read = EntropyRateProfile.load(tmp_path / "prior.json")
    assert torch.equal(read.rate, profile.rate)
    assert read.implied is not None
    assert torch.equal(read.implied, profile.implied)


def test_measured_profile_states_its_error() -> None:
    """Deviations from the truth in units of the standard errors have mean square 1: for 40 bins it
    lies between 0.4 and 1.8 but for one seed in 1,000, the error of the errors included.
    """
    source = BinarySource(20)
    measured = measure_profile(
        source.denoise, source.sample(3000, rng()), VarianceExploding(0.3, 30.0), bins=40,
        generator=rng(1),
    )  # fmt: skip
    truth = exact_profile(source, 0.3, 30.0, bins=40)
    z = (measured.rate - truth.rate) / measured.stderr
    assert 0.4 < float(z.square().mean()) < 1.8
    assert measured.count.tolist() == [256.0] * 40


def test_measured_profile_hands_on_the_condition() -> None:
    """Given the cluster's centre as a condition, what is left is the Gaussian around it."""
    centres = torch.tensor([[-5.0, 0.0], [5.0, 0.0]])
    mixture = MixtureSource(centres, 0.5)
    label = torch.randint(0, 2, (500,), generator=rng())
    x0 = centres[label] + 0.5 * torch.randn(500, 2, generator=rng(1))

    def denoise(x: torch.Tensor, sigma: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
        return centre + mixture.component(0).denoise(x - centre, sigma)

    measured = measure_profile(
        denoise, x0, VarianceExploding(0.1, 30.0), bins=10,
        condition={"centre": centres[label]}, generator=rng(2),
    )  # fmt: skip
    truth = exact_profile(mixture.component(0), 0.1, 30.0, bins=10)
    assert bool(((measured.rate - truth.rate).abs() < 4.5 * measured.stderr).all())


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda c: independent_symbol_profile(c, torch.tensor([0.2, 0.2])), "sum to 1"),
        (lambda c: independent_symbol_profile(c, FAIR, BIT), "one row per symbol"),
        (lambda c: independent_symbol_profile(c, FAIR.expand(2, 4), positions=3), "3 positions"),
        (lambda c: empirical_bayes_profile(torch.zeros(3, 2), c), "n >= 4"),
        (lambda c: empirical_bayes_profile(torch.zeros(9), c), "give"),
        (lambda c: measure_profile(BinarySource(2).denoise, torch.zeros(4, 2), c, 8, 1), "draws"),
        (lambda c: EmpiricalBayesDenoiser(torch.zeros(1, 2)), "n >= 2"),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        call(VarianceExploding(0.1, 10.0))


def test_the_linear_profile_is_exact_for_gaussians_and_bounds_the_rest() -> None:
    channel = VarianceExploding(0.02, 50.0)
    edges = channel.edges(64)
    gaussian = profile_on(GaussianSource(3, std=0.7), edges)
    bound = linear_profile(channel, torch.full((3,), 0.49))
    # The 4-point rule of the exact profile is good to 1e-8 on bins 0.12 wide.
    torch.testing.assert_close(bound.rate, gaussian.rate, rtol=1e-6, atol=0)
    bits = profile_on(BinarySource(3, -0.7, 0.7), edges)
    assert (bits.rate <= bound.rate).all()
    assert bits.entropy() < 0.5 * bound.entropy()
    spread = linear_profile(channel, torch.tensor([0.0, 4.0, 0.01]))
    parts = [linear_profile(channel, torch.tensor([v])).rate for v in (4.0, 0.01)]
    torch.testing.assert_close(spread.rate, parts[0] + parts[1])
    assert spread.dim == 3


@pytest.mark.parametrize("variances", [[[1.0]], [-1.0], [math.nan], [math.inf]])
def test_variances_are_numbers_of_at_least_zero(variances: list[float]) -> None:
    with pytest.raises(InputError, match="variances of a linear profile"):
        linear_profile(VarianceExploding(0.02, 50.0), torch.tensor(variances))
