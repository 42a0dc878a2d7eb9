"""What the benches of training measure, on networks that take no time."""

from pathlib import Path

import pytest
import torch
from torch import nn

from infonoise_core import EDMDenoiser
from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.step.noise import BlockNoise, WholeNoise
from of_training import eighth, on_gpu
from of_training.memory import Net
from of_training.runs import Learned, differences


def test_differences_are_relative_to_the_first() -> None:
    one = Learned([2.0, 4.0], [1.0], 8.0, [0.0, -10.0])
    other = Learned([2.0, 4.4], [0.5], 8.0, [0.1, -10.0])
    assert differences(one, other) == pytest.approx((0.1, 0.5, 0.0, 0.01))


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="pages are counted on Linux only"
)
def test_draws_are_measured_and_are_those_of_the_loop() -> None:
    rows, now = eighth.draw(lambda: BlockNoise(3), 8, 8)
    assert torch.equal(rows, BlockNoise(3).rows(0, 0, torch.empty(16, 3, 64, 64))[8:])
    _, before = eighth.draw(lambda: WholeNoise(3, 256), 8, 8)
    assert now.seconds < before.seconds


def test_a_recipe_for_gpus_trains_and_is_measured() -> None:
    def make() -> nn.Module:
        return EDMDenoiser(Net(64, 2), 0.5)

    recipe = on_gpu.Recipe(make, (64,), binary=False, batch=16, unit="tokens", units=5)
    found = on_gpu.measured(recipe, EngineConfig(device="cpu", precision="bf16"), 4, 0)
    assert found.parameters == sum(p.numel() for p in make().parameters())
    assert found.speed["tokens_per_s"] == pytest.approx(5 * found.speed["examples_per_s"], rel=1e-3)
    # Weights, average, moments, gradients; bf16 copies.
    assert found.estimated > 22 * found.parameters


@pytest.mark.parametrize("name", on_gpu.RECIPES)
def test_recipes_fit_their_networks(name: str) -> None:
    recipe = on_gpu.RECIPES[name]
    with torch.device("meta"):
        denoiser = recipe.make()
        x = torch.zeros(2, *recipe.shape)
        assert denoiser(x, torch.ones(2)).shape == x.shape


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    with pytest.raises(InputError, match="needs a CUDA GPU"):
        on_gpu.section(True, 0, lambda text: None)
