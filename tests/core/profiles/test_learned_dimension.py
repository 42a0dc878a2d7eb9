"""The dimension of data as a network has learned them."""

import math

import pytest
import torch
from torch import Tensor, nn

from infonoise_core import (
    EDMDenoiser,
    InfoNoise,
    VarianceExploding,
    edm_weight,
    intrinsic_dimension,
    measure_profile,
)
from infonoise_core.analytic.exact import SphereSource

from .made_profiles import rng


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
