"""The smallest domain: sums of sines as arrays of 16 numbers, a network of two layers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import EDMDenoiser, InputError, VarianceExploding, edm_weight, karras_grid
from infonoise_core.app.domain import Domain, Samples
from infonoise_core.app.evaluation import Evaluated, Row, Table
from infonoise_core.app.interface import Interface
from infonoise_core.app.options import EvaluateOptions, SampleOptions
from infonoise_core.app.trained import TrainedRun
from infonoise_core.evaluation.measures import Measure
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.sampling.generate import generate, sampler_levels
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.training.task import Batch, Losses, denoising_losses

LENGTH = 16


@dataclass(frozen=True)
class SoundOptions:
    """Sounds and what is learned of them."""

    width: int = 16
    """of the hidden layer"""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InputError(f"--width {self.width}: give at least 1")


@dataclass(frozen=True)
class Sounds:
    """x0: (n, 16), the last quarter held out."""

    name: str
    x0: Tensor

    def split(self, name: str) -> Tensor:
        """(k, 16) training or held-out examples."""
        cut = len(self.x0) * 3 // 4
        return self.x0[:cut] if name == "train" else self.x0[cut:]


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


class SoundTask:
    """Denoise sounds with EDM's objective."""

    def __init__(self, x0: Tensor, denoiser: nn.Module) -> None:
        self.x0, self.denoiser, self.dim, self.weight = x0, denoiser, LENGTH, edm_weight(0.5)

    def __len__(self) -> int:
        return len(self.x0)

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(self.x0[index])

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, self.weight)


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


class SoundDomain(Domain[Sounds, SoundOptions]):
    """Files of sounds: .npy of shape (n, 16)."""

    summary_key = "sounds"
    tags = ("infonoise", "sound")
    use = "sample model --out sounds.npy"

    def load(self, source: str, options: SoundOptions) -> Sounds:
        if source == "sines":
            phase = torch.linspace(0, 50, 256)[:, None]
            return Sounds(source, 0.5 * torch.sin(phase + torch.arange(LENGTH) / 2))
        return Sounds(Path(source).name, torch.from_numpy(np.load(source)).float())

    def summary(self, data: Sounds) -> dict[str, Any]:
        return {"name": data.name, "sounds": len(data.x0)}

    def fingerprint(self, data: Sounds) -> str:
        return hashlib.sha256(data.x0.numpy().tobytes()).hexdigest()

    def schedule_context(self, data: Sounds, options: SoundOptions, steps: int) -> ScheduleContext:
        return ScheduleContext(VarianceExploding(0.01, 10.0), edm_weight(0.5), steps, LENGTH)

    def task(self, data: Sounds, options: SoundOptions, seed: int) -> SoundTask:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return SoundTask(data.split("train"), EDMDenoiser(Net(options.width), 0.5))

    def evaluation(self, data: Sounds, options: SoundOptions) -> SoundEvaluation:
        return SoundEvaluation(data.split("test"))

    def rebuild(self, settings: Mapping[str, Any], folder: Path) -> nn.Module:
        return EDMDenoiser(Net(settings["width"]), 0.5)

    def samples(self, denoiser: nn.Module, data: Sounds, options: SoundOptions) -> Samples:
        return _text(generate(denoiser, (LENGTH,), 3, karras_grid(4, 0.01, 10.0)).x)

    def held_out_examples(self, data: Sounds, options: SoundOptions) -> Samples:
        return _text(data.split("test")[:3])

    def generate(self, run: TrainedRun[SoundOptions], command: SampleOptions) -> str:
        sampler = command.sampler
        sigmas = sampler_levels(sampler, 0.01, 10.0, run.profile)
        x0 = generate(run.denoiser, (LENGTH,), command.samples, sigmas, seed=sampler.seed).x
        with command.out.open("wb") as file:
            np.save(file, x0.numpy())
        return f"{command.out}: {command.samples} sounds"

    def evaluate(
        self, run: TrainedRun[SoundOptions], data: Sounds, command: EvaluateOptions
    ) -> Evaluated:
        error = SoundEvaluation(data.split(command.split))(run.denoiser)["mse"]
        row = Row("mse at sigma 1", {"value": error}, better="lower", explanation="On fixed noise.")
        return Evaluated([Table("errors", "error", ("value",), [row])])

    def card(self, settings: Mapping[str, Any]) -> dict[str, str]:
        return {"width": str(settings["width"])}


def _text(x0: Tensor) -> str:
    return json.dumps([[round(v, 2) for v in row] for row in x0.tolist()])


INTERFACE = Interface(
    program="infonoise-sound",
    version="0.1.0",
    domain=f"{__name__}:SoundDomain",
    examples="sounds",
    data="sines",
    data_help="a .npy file of sounds (n, 16), or sines",
    sample_out=".npy file to write",
    options=SoundOptions,
)
