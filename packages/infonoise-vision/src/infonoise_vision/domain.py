"""`infonoise-vision train`: a denoiser on images."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.app.train import Run, run_training
from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.run_folder import CONFIG_FILE, read_run, run_settings
from infonoise_vision.data.fingerprint import recorded
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.held_out import evaluation_of
from infonoise_vision.methods.diffusion import conditioning_of, load, make_task, schedule_context
from infonoise_vision.methods.options import Objective
from infonoise_vision.sampling.images import LEVELS, SHOWN, SOLVER, png_grid
from infonoise_vision.sampling.trained import COMMAND


@dataclass(frozen=True)
class Train:
    """Train a denoiser on images; the same command goes on after an interruption."""

    out: Path
    """folder for checkpoints, metrics and profile"""
    data: Positional[str] = "digits"
    """digits (scikit-learn's, 8x8), a folder or archive of images, or hf:NAME"""
    schedule: str = "infonoise"
    """how noise levels are drawn: edm, log-uniform, infonoise or another"""
    overwrite: bool = False
    """replace an earlier run in --out"""
    engine: OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


def run_train(config: Train) -> None:
    """Train, evaluate, and leave a run in config.out."""
    objective = config.objective
    images, held_out = load(objective, config.data, refuse_unused=True)

    begun = {} if config.overwrite else _begun(config.out)
    about = recorded(begun, config.data, config.out, images, held_out)

    def samples(denoiser: nn.Module) -> bytes:
        return examples(objective, held_out, len(images.classes), denoiser)

    run = Run(
        task=make_task(objective, images, config.train.seed),
        schedule=make_schedule(
            config.schedule, schedule_context(objective, config.train.steps, images)
        ),
        evaluation=evaluation_of(objective, images, held_out),
        settings=run_settings(COMMAND, config, images=about),
        about=f"{len(images)} images {'x'.join(map(str, images.shape))} of {images.name},"
        f" {len(held_out)} held out",
        samples=samples,
    )
    run_training(run, config)


def _begun(out: Path) -> dict[str, Any]:
    """What the settings of a run in `out` say of its images; nothing where there is none."""
    if not (out / CONFIG_FILE).is_file():
        return {}
    return dict(read_run(out).get("images", {}))


def examples(objective: Objective, held_out: ImageSet, classes: int, denoiser: nn.Module) -> bytes:
    """Some images of a denoiser as one PNG, to look at while it is trained and in reports.

    Each class in turn where the denoiser knows classes, held-out ones completed where it was
    trained with a condition.
    """
    sigmas = karras_grid(LEVELS, objective.sigma_min, objective.sigma_max)
    rows = np.arange(SHOWN) % len(held_out)
    inputs: dict[str, Tensor] = {}
    if objective.condition is not None:
        inputs = conditioning_of(objective, held_out, rows)
    elif objective.conditional:
        inputs = {"label": torch.arange(SHOWN) % classes}
    x0 = generate(denoiser, held_out.shape, SHOWN, sigmas, solver=SOLVER, condition=inputs).x
    return png_grid(x0 / held_out.scale)
