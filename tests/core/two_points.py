"""A tiny task for tests of the loop: two points in the plane, and a network for them."""

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import Denoiser, EDMDenoiser, InfoNoise, VarianceExploding, edm_weight
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.task import Batch, Losses, denoising_losses

CONFIG = TrainConfig(steps=60, batch_size=32, log_every=10, eval_every=20, save_every=25, keep=3)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Dropout(0.1), nn.Linear(32, 2))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat([x, c_noise[:, None]], 1))
        return out


class TwoPoints:
    """Two points in the plane, chosen by a fair coin."""

    dim = 2

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.denoiser: nn.Module = EDMDenoiser(Net(), sigma_data=1.0)
        self.seen: list[int] = []

    def __len__(self) -> int:
        return 50

    def batch(self, index: np.ndarray) -> Batch:
        self.seen += index.tolist()
        return Batch(
            torch.from_numpy(np.where(index % 2, 1.0, -1.0))[:, None].float().expand(-1, 2)
        )

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(1.0))


def schedule() -> InfoNoise:
    return InfoNoise(
        VarianceExploding(0.02, 20.0), weight=edm_weight(1.0), refresh_every=7, warmup_steps=14,
        min_count=1, bins=16,
    )  # fmt: skip


def evaluate(denoiser: nn.Module) -> dict[str, float]:
    held_out = Batch(torch.tensor([[1.0, 1.0], [-1.0, -1.0]] * 4))
    return {"nats": HeldOutError(held_out, 0.05, 20.0, levels=4)(denoiser).nats}
