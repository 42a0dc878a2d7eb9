"""Numbers as symbols: closed forms, and the sampled mixture as an oracle."""

import math

import pytest
import torch

from infonoise_core import InfoNoise, InputError, VarianceExploding
from infonoise_core.analytic.categorical import ScalarSource
from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.analytic.priors import independent_symbol_profile

GREY = torch.linspace(-1, 1, 17, dtype=torch.float64)


def test_two_values_are_the_binary_source() -> None:
    sigma = torch.logspace(-1, 1.5, 30, dtype=torch.float64)
    p = torch.tensor([0.3, 0.7], dtype=torch.float64)
    ours = ScalarSource(torch.tensor([-1.0, 1.0]), p, positions=3)
    exact = BinarySource(3, probability=0.7)
    # Two quadratures of 128 and 256 nodes, which part where errors are rare and the mmse is below
    # a thousandth of its peak of 3 * 0.84.
    torch.testing.assert_close(ours.mmse(sigma), exact.mmse(sigma), rtol=1e-4, atol=2e-6)
    assert ours.entropy == pytest.approx(exact.entropy)


def test_total_information_is_the_entropy() -> None:
    rng = torch.Generator().manual_seed(0)
    table = torch.rand(3, 17, generator=rng, dtype=torch.float64) ** 3
    table /= table.sum(1, keepdim=True)
    channel = VarianceExploding(0.01, 200.0)
    profile = independent_symbol_profile(channel, table, GREY[:, None], bins=96)
    entropy = ScalarSource(GREY, table).entropy
    assert entropy is not None
    # Beyond sigma 200 the rate is variance / sigma^2, below 1e-4 nats in all.
    assert profile.entropy() == pytest.approx(entropy, rel=1e-3)


def test_the_denoiser_makes_the_error_it_claims() -> None:
    rng = torch.Generator().manual_seed(1)
    source = ScalarSource(GREY, torch.rand(17, generator=rng), positions=4)
    for level in (0.05, 0.2, 1.0):
        sigma = torch.full((20_000,), level)
        x0 = source.sample(20_000, rng)
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
        error = (source.denoise(x, sigma) - x0).square().sum(1)
        stderr = float(error.std()) / math.sqrt(len(error))
        exact = float(source.mmse(torch.tensor([level])))
        assert float(error.mean()) == pytest.approx(exact, abs=4 * stderr)


def test_counts_must_agree() -> None:
    with pytest.raises(InputError, match="17 values and 2 probabilities"):
        ScalarSource(GREY, torch.tensor([0.5, 0.5]))


def test_a_ceiling_takes_draws_from_where_only_the_network_fails() -> None:
    """An error in proportion to sigma^2 at low noise (a network that cannot see the grid of grey
    levels) looks like a manifold to every gate; the symbols' own profile knows better."""
    channel = VarianceExploding(0.002, 80.0)
    symbols = exact_profile(BinarySource(16), 0.002, 80.0)
    densities = []
    for ceiling in (None, symbols):
        schedule = InfoNoise(
            channel, refresh_every=10, warmup_steps=10, floor=0.0, dim=16, ceiling=ceiling
        )
        rng = torch.Generator().manual_seed(0)
        for _ in range(40):
            sigma = schedule.sample(500, generator=rng)
            source = BinarySource(16)
            x0 = source.sample(500, rng)
            x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
            error = (source.denoise(x, sigma) - x0).square().sum(1)
            schedule.observe(sigma, error + 8 * sigma.square().clamp_max(1e-2))
            schedule.step()
        mass = schedule.density(symbols.sigma) * symbols.width
        densities.append(float(mass[symbols.sigma < 0.2].sum()))
    assert densities[0] > 0.5
    assert densities[1] < 0.05
