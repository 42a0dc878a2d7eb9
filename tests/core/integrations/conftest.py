"""The README's recipes, run against the real libraries."""

import pytest
import torch

import infonoise_core
from infonoise_core import EDMDenoiser

from .recipes import RECIPES, Watched


@pytest.fixture
def run(monkeypatch):
    """Run a recipe by name among the given objects; returns its variables."""
    monkeypatch.setattr(infonoise_core, "InfoNoise", Watched)

    def run(name, **objects):
        space = {"torch": torch, "__name__": "recipe", **objects}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            exec(compile(RECIPES[name], f"<{name}>", "exec"), space)
        return space

    return run


@pytest.fixture
def batches():
    """Eight batches of 16 images of two kinds, 1 x 8 x 8."""
    rng = torch.Generator().manual_seed(0)
    sign = 1 - 2.0 * torch.randint(0, 2, (8, 16, 1, 1, 1), generator=rng)
    return list(0.5 * sign.expand(8, 16, 1, 8, 8))


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(65, 64)

    def forward(self, x, c_noise):
        return self.linear(torch.cat([x.flatten(1), c_noise[:, None]], 1)).reshape(x.shape)


@pytest.fixture
def denoiser():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EDMDenoiser(Network(), sigma_data=0.5)
