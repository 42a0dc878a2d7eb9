"""`infonoise-vision train`: a denoiser on images."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.app.train import Run, run_settings, run_training
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import CONFIG_FILE, TrainConfig, read_run
from infonoise_core.training.engines.torch import EngineConfig
from infonoise_vision.data.fingerprint import recorded
from infonoise_vision.methods.diffusion import Objective
from infonoise_vision.sampling.trained import COMMAND
from infonoise_vision.show import examples


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
    images, held_out = objective.load(config.data, refuse_unused=True)

    begun = {} if config.overwrite else _begun(config.out)
    about = recorded(begun, config.data, config.out, images, held_out)

    def samples(denoiser: nn.Module) -> bytes:
        return examples(objective, held_out, len(images.classes), denoiser)

    run = Run(
        task=objective.task(images, config.train.seed),
        schedule=make_schedule(
            config.schedule, objective.schedule_context(config.train.steps, images)
        ),
        evaluation=objective.evaluation(images, held_out),
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
