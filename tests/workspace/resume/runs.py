"""Small runs of every kind of state, as `make.py` cut them and the tests take them up again.

Only names that are the same in the code that cut the runs and in today's are used here.
"""

import platform
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import Denoiser, EDMDenoiser, VarianceExploding, edm_weight, linear_profile
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.task import Batch, Losses, denoising_losses

# Enough examples that schedules adapt before the runs are cut, a step after the first checkpoint.
STEPS, BATCH, SAVE_EVERY = 24, 256, 12
CUT = SAVE_EVERY + 1

# Name of a run -> domain and its own options; "fixture" is the network of the test alone.
COMMANDS: dict[str, tuple[str, list[str]]] = {
    "vision-infonoise": ("vision", ["digits", "--network", "fixture"]),
    "vision-edm": ("vision", ["digits", "--network", "fixture", "--schedule", "edm"]),
    "text-bits": ("text", ["corpus", "--network", "fixture", "--length", "16"]),
    "text-clusters": (
        "text", ["corpus", "--network", "fixture", "--length", "16", "--clusters", "4"],
    ),
    "text-masked": (
        "text", ["corpus", "--network", "fixture", "--length", "16", "--method", "masked"],
    ),
    "text-autoregressive": (
        "text", ["corpus", "--network", "fixture", "--length", "16", "--method", "autoregressive"],
    ),
    "text-embedding": (
        "text", ["corpus", "--network", "fixture", "--length", "16", "--method", "embedding"],
    ),
    "bio-infonoise": ("bio", ["dna.fasta", "--strand", "both", "--size", "fixture"]),
    "bio-edm": ("bio", ["dna.fasta", "--strand", "both", "--size", "fixture", "--schedule", "edm"]),
}  # fmt: skip
# Of core's own toy task.
SCHEDULES = (
    "edm", "uniform-t", "loss-second-moment", "cdcd", "adaptive-loss", "infonoise",
    "infonoise-rate",
)  # fmt: skip


class Ring:
    """Points of a ring in three dimensions, and a network of two layers."""

    dim = 3

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.denoiser: nn.Module = EDMDenoiser(Layers(), sigma_data=1.0)
        angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
        self.x0 = torch.from_numpy(np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)).float()

    def __len__(self) -> int:
        return len(self.x0)

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(self.x0[torch.from_numpy(index)])

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(1.0))


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(4, 19), nn.Linear(19, 3)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        hidden = self.enter(torch.cat([x, c_noise[:, None]], 1))
        out: Tensor = self.leave(nn.functional.silu(hidden))
        return out


def context() -> tuple[object, ...]:
    """Channel, weight, steps, dim, symbols and linear: what a schedule is made for."""
    channel = VarianceExploding(0.02, 20.0)
    linear = linear_profile(channel, torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64))
    return channel, edm_weight(1.0), STEPS, 3, None, linear


def settings() -> TrainConfig:
    return TrainConfig(STEPS, BATCH, log_every=4, eval_every=0, save_every=SAVE_EVERY, keep=1)


def processor() -> dict[str, str]:
    """What rounding depends on."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = names[0].partition(":")[2].strip() if names else name
    return {
        "model": name,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
