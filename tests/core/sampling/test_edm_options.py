"""Sampling by the names of Karras et al. 2022, and guidance between two noise levels."""

import math

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.sampling.generate import sampler_churn, sampler_levels
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.guidance import guided
from infonoise_core.sampling.options import MAX_GAMMA, SamplerConfig


def test_levels_by_rho_and_between_other_ends() -> None:
    config = SamplerConfig(steps=9, grid="karras", rho=3.0, sigma_min=0.1, sigma_max=20.0)
    assert torch.equal(sampler_levels(config, 0.002, 80.0, None), karras_grid(9, 0.1, 20.0, 3.0))
    plain = SamplerConfig(steps=9, grid="karras")
    assert torch.equal(sampler_levels(plain, 0.002, 80.0, None), karras_grid(9, 0.002, 80.0))
    one = SamplerConfig(steps=9, grid="log-uniform", sigma_max=20.0)
    assert float(sampler_levels(one, 0.002, 80.0, None)[0]) == pytest.approx(20)
    with pytest.raises(InputError, match="give a --sigma-min below"):
        sampler_levels(SamplerConfig(grid="karras", sigma_max=0.001), 0.002, 80.0, None)


def test_s_churn_is_spread_over_the_steps() -> None:
    sigmas = torch.tensor([80.0, 10.0, 1.0, 0.01], dtype=torch.float64)
    config = SamplerConfig(steps=18, s_churn=4.0, s_min=0.05, s_max=50.0)
    churn = sampler_churn(config, None)
    assert churn is not None
    assert churn(sigmas).tolist() == [0.0, 4 / 18, 4 / 18, 0.0]
    strong = sampler_churn(SamplerConfig(steps=18, s_churn=40.0), None)
    assert strong is not None
    assert strong(sigmas).tolist() == pytest.approx([MAX_GAMMA] * 4)
    same = sampler_churn(SamplerConfig(churn=0.1, churn_gate="constant", s_max=50.0), None)
    assert same is not None
    assert same(sigmas).tolist() == [0.0, 0.1, 0.1, 0.1]
    assert sampler_churn(SamplerConfig(), None) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"s_churn": -1.0}, "--s-churn -1"),
        ({"s_churn": math.nan}, "--s-churn nan"),
        ({"s_churn": 4.0, "churn": 0.1}, "give one"),
        ({"rho": 0.0}, "--rho 0"),
        ({"s_min": 2.0, "s_max": 1.0}, "--s-min 2.0 and --s-max 1.0"),
        ({"s_min": 2.0}, "--s-min 2: bounds --s-churn"),
        ({"s_max": 50.0, "churn": 0.1}, "--s-max 50: bounds --s-churn"),
        ({"sigma_min": 2.0, "sigma_max": 1.0}, "--sigma-min"),
        ({"sigma_min": 0.0}, "--sigma-min 0"),
    ],
)
def test_what_makes_no_sense(options: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SamplerConfig(**options)


def test_guidance_between_two_levels() -> None:
    calls = 0

    def denoiser(x: Tensor, sigma: Tensor, mean: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return mean.expand_as(x)

    steered = guided(denoiser, 3.0, (0.5, 2.0), mean=torch.zeros(1, 3))
    x, mean = torch.zeros(4, 3), torch.ones(4, 3)
    found = [
        float(steered(x, torch.full((4,), sigma), mean=mean)[0, 0])
        for sigma in (0.4, 0.5, 1.0, 2.0, 2.1)
    ]
    assert found == [1, 3, 3, 3, 1]
    assert calls == 1 + 2 + 2 + 2 + 1
