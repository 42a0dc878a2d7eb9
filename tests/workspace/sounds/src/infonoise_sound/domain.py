"""The contract with core, filled in for sounds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core import karras_grid
from infonoise_core.app.domain import Domain, Samples
from infonoise_core.app.options import EvaluateOptions, SampleOptions
from infonoise_core.app.trained import TrainedRun
from infonoise_core.evaluation.schema import Evaluated, Row, Table
from infonoise_core.sampling.generate import generate, sampler_levels
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_sound.data import LENGTH, Sounds, open_sounds
from infonoise_sound.model import CHANNEL, WEIGHT, SoundEvaluation, SoundTask, make_denoiser
from infonoise_sound.options import SoundOptions

SIGMAS = (CHANNEL.sigma_min, CHANNEL.sigma_max)


class SoundDomain(Domain[Sounds, SoundOptions]):
    """Sounds of 16 numbers."""

    summary_key = "sounds"
    tags = ("infonoise", "sound")
    use = "sample model --out sounds.npy"

    def load(self, source: str, options: SoundOptions) -> Sounds:
        return open_sounds(source)

    def summary(self, data: Sounds) -> dict[str, Any]:
        return {"name": data.name, "sounds": len(data.x0)}

    def fingerprint(self, data: Sounds) -> str:
        return data.fingerprint()

    def schedule_context(self, data: Sounds, options: SoundOptions, steps: int) -> ScheduleContext:
        return ScheduleContext(CHANNEL, WEIGHT, steps, LENGTH)

    def task(self, data: Sounds, options: SoundOptions, seed: int) -> SoundTask:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return SoundTask(data.split("train"), make_denoiser(options.width))

    def evaluation(self, data: Sounds, options: SoundOptions) -> SoundEvaluation:
        return SoundEvaluation(data.split("test"))

    def rebuild(self, settings: Mapping[str, Any], folder: Path) -> nn.Module:
        return make_denoiser(settings["width"])

    def samples(self, denoiser: nn.Module, data: Sounds, options: SoundOptions) -> Samples:
        return _text(generate(denoiser, (LENGTH,), 3, karras_grid(4, *SIGMAS)).x)

    def held_out_examples(self, data: Sounds, options: SoundOptions) -> Samples:
        return _text(data.split("test")[:3])

    def generate(self, run: TrainedRun[SoundOptions], command: SampleOptions) -> str:
        sampler = command.sampler
        sigmas = sampler_levels(sampler, *SIGMAS, run.profile)
        x0 = generate(
            run.denoiser, (LENGTH,), command.samples, sigmas,
            solver=sampler.solver, seed=sampler.seed,
        ).x  # fmt: skip
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
