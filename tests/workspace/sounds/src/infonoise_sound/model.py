"""The network, its objective, and what is measured while it is trained."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import EDMDenoiser, VarianceExploding, edm_weight
from infonoise_core.evaluation.measures import Measure
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.training.task import Batch, Losses, denoising_losses
from infonoise_sound.data import LENGTH

SIGMA_DATA = 0.5
WEIGHT = edm_weight(SIGMA_DATA)
CHANNEL = VarianceExploding(0.01, 10.0)


class Net(nn.Module):
    """F(c_in x, c_noise): (n, 16) -> (n, 16)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LENGTH + 1, width), nn.SiLU(), nn.Linear(width, LENGTH)
        )

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat([x, c_noise.reshape(-1, 1)], 1))
        return out


def make_denoiser(width: int) -> nn.Module:
    """D(x, sigma) = x0 with fresh weights."""
    return EDMDenoiser(Net(width), SIGMA_DATA)


class SoundTask:
    """Denoise sounds with EDM's objective."""

    dim = LENGTH

    def __init__(self, x0: Tensor, denoiser: nn.Module) -> None:
        self.x0, self.denoiser = x0, denoiser

    def __len__(self) -> int:
        return len(self.x0)

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(self.x0[index])

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, WEIGHT)


class SoundEvaluation:
    """Mean squared error of held-out sounds at sigma 1, on fixed noise."""

    floors: Mapping[str, float] = {}

    def __init__(self, x0: Tensor) -> None:
        self.x0 = x0
        self.noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            error = denoiser(self.x0 + self.noise, torch.ones(len(self.x0))) - self.x0
        return {"mse": float(error.square().mean())}

    def measures(self) -> list[Measure]:
        return [Measure("mse", "mse at sigma 1", "Mean squared error of held-out sounds.")]
