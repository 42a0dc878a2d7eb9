"""Chosen levels against data with a closed form: better than stock on new noises, or stock."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core import InputError, VarianceExploding, karras_grid, measure_profile, solve
from infonoise_core.analytic.exact import GaussianSource
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.sampling.candidates import nats_above, snapped, start_levels
from infonoise_core.sampling.choose import choose_levels, levels_in

CHANNEL = VarianceExploding(0.002, 80.0)


@pytest.fixture(scope="module")
def mixture():
    rng = torch.Generator().manual_seed(1)
    return MixtureSource(0.3 + 0.5 * torch.randn(6, 8, generator=rng), std=0.02)


@pytest.fixture(scope="module")
def examples(mixture):
    return mixture.sample(128, torch.Generator().manual_seed(2))


def energy_on_new_noises(source, sigmas, solver):
    x = torch.randn(400, source.dim, generator=torch.Generator().manual_seed(99))
    fine = solve(source.denoise, 80 * x, karras_grid(64, 0.002, 80), "heun").x
    made = solve(source.denoise, float(sigmas[0]) * x, sigmas, solver).x
    mean = lambda a, b: float(torch.cdist(a, b).mean())  # noqa: E731
    return 2 * mean(made, fine) - mean(made, made) - mean(fine, fine)


@pytest.mark.parametrize("solver", ["euler", "heun", "dpmpp-2m", "deis", "unipc"])
def test_half_of_the_stock_list_s_distance_on_new_noises(mixture, examples, solver):
    calls = 7
    choice = choose_levels(
        mixture.denoise, examples, CHANNEL, calls, solver, examples=96, search=120
    )
    stock = karras_grid(levels_in(calls, solver), 0.002, 80)
    assert not choice.kept_stock
    assert len(choice.sigmas) == levels_in(calls, solver)
    assert bool((choice.sigmas.diff() < 0).all())
    assert choice.best.error < choice.stock.error
    ours = energy_on_new_noises(mixture, choice.sigmas, solver)
    assert ours < energy_on_new_noises(mixture, stock, solver) / 2
    assert "of the error of the best stock list" in str(choice)


def test_what_cannot_be_bettered_is_kept(mixture, examples):
    first = choose_levels(mixture.denoise, examples, CHANNEL, 6, examples=64, search=300)
    again = choose_levels(
        mixture.denoise, examples, CHANNEL, 6, examples=64, search=0,
        stock={"chosen": first.sigmas, "Karras": karras_grid(6, 0.002, 80)},
    )  # fmt: skip
    assert again.kept_stock
    torch.testing.assert_close(again.sigmas, first.sigmas, rtol=0, atol=0)
    assert str(again).startswith("dpmpp-2m, 6 calls: keep stock (chosen)")


def test_only_the_levels_that_a_model_has(mixture, examples):
    allowed = torch.logspace(-2, 2, 40, dtype=torch.float64)
    choice = choose_levels(
        mixture.denoise, examples, CHANNEL, 5, "euler", allowed=allowed, examples=64, search=60,
        stock={"every eighth": allowed.flip(0)[::8]},
    )  # fmt: skip
    assert not choice.kept_stock
    assert all(float(sigma) in allowed.tolist() for sigma in choice.sigmas)


def test_noise_of_another_size_and_conditions_reach_the_model(mixture, examples):
    seen = []

    def denoiser(x, sigma, *, label):
        seen.append((float(x.std()), float(sigma[0]), len(label) == len(x)))
        return mixture.denoise(x, sigma)

    choose_levels(
        denoiser, examples, CHANNEL, 4, "euler", examples=64, search=0, local_errors=False,
        spread=lambda sigma: math.hypot(1, sigma), condition={"label": torch.arange(128)},
        profile=measure_profile(mixture.denoise, examples, CHANNEL, bins=24, draws=32),
    )  # fmt: skip
    assert all(fits for _, _, fits in seen)
    std, sigma, _ = seen[0]
    assert sigma == pytest.approx(80)
    # Of 512 numbers: their standard deviation is good to 1 / 32.
    assert std == pytest.approx(math.hypot(1, 80), rel=0.1)


def test_nats_above_a_level_of_a_gaussian():
    source = GaussianSource(4, std=0.7)
    x0 = 0.5 + source.sample(20000, torch.Generator().manual_seed(0))

    def denoise(x, sigma):
        return 0.5 + source.denoise(x - 0.5, sigma)

    rng = torch.Generator().manual_seed(0)
    profile = measure_profile(denoise, x0, CHANNEL, bins=64, draws=2000, generator=rng)
    sigma = torch.tensor([0.5, 2.0, 10.0, 60.0, 300.0], dtype=torch.float64)
    # I(x0; x) of N(0.5, 0.7^2) in 4 dimensions, and what pure noise lacks of the mean.
    exact = 2 * torch.log1p(0.49 / sigma.square()) + 4 * 0.25 / (2 * sigma.square())
    # 2,000 draws of 4 squares in a bin are good to 1.6 %; the examples' mean and variance to 1 %.
    torch.testing.assert_close(nats_above(profile, sigma, x0), exact, rtol=0.05, atol=0)
    starts = start_levels(profile, x0, 80.0)
    assert starts == sorted(starts)
    assert starts[-1] == 80.0
    left = nats_above(profile, torch.tensor(starts[:-1]), x0)
    assert bool((left <= 1.0).all())


def test_a_network_s_own_error_at_high_noise_is_no_information():
    source = GaussianSource(4, std=0.7)
    x0 = source.sample(4000, torch.Generator().manual_seed(0))

    def wrong(x, sigma):
        return source.denoise(x, sigma) + 0.1 * sigma[:, None]

    profile = measure_profile(wrong, x0, CHANNEL, bins=64, draws=200)
    assert float(profile.rate[-1]) > 0.03
    # At most what the variance leaves: 4 x 0.49 / (2 x 400), with the sampling error of x0's.
    assert float(nats_above(profile, torch.tensor(20.0), x0)) < 1.1 * 4 * 0.49 / 800


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=12, unique=True),
    st.integers(12, 40),
)
def test_snapped_levels_are_different_levels_of_the_model(sigmas, count):
    allowed = torch.logspace(-1, 1, count, dtype=torch.float64)
    wanted = torch.tensor(sorted(sigmas, reverse=True), dtype=torch.float64)
    found = snapped(wanted, allowed)
    assert len(found) == len(wanted)
    assert bool((found.diff() < 0).all())
    assert set(found.tolist()) <= set(allowed.tolist())


def test_what_is_refused(mixture, examples):
    def choose(**options):
        choose_levels(mixture.denoise, examples, CHANNEL, **{"calls": 4, **options})

    with pytest.raises(InputError, match="0 calls: give at least 1"):
        choose(calls=0)
    with pytest.raises(InputError, match="4 examples: give at least 16"):
        choose(examples=4)
    with pytest.raises(InputError, match="the stock list long has 9 levels"):
        choose(stock={"long": karras_grid(9, 0.1, 1)}, examples=16)
    with pytest.raises(InputError, match="model that has 3"):
        choose(allowed=torch.tensor([0.1, 1.0, 2.0]), examples=16)
