"""`infonoise-vision compare`: the same network under several schedules, on the user's images."""

from dataclasses import dataclass, field
from functools import partial

from torch import nn
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_vision
from infonoise_core.app.compare import Subject, compare, scheduler
from infonoise_core.app.options import CompareConfig
from infonoise_core.training.run_folder import run_settings
from infonoise_vision.data.fingerprint import describe
from infonoise_vision.domain import examples
from infonoise_vision.evaluation.held_out import evaluation_of
from infonoise_vision.methods.diffusion import load, make_task, schedule_context
from infonoise_vision.methods.options import Objective
from infonoise_vision.sampling.images import SHOWN, png_grid

COMMAND = "infonoise-vision compare"


@dataclass(frozen=True)
class Compare:
    """Train the same network under several schedules and report which needs how many steps."""

    data: Positional[str] = "digits"
    """digits (scikit-learn's, 8x8), a folder or archive of images, or hf:NAME"""
    comparison: OmitArgPrefixes[CompareConfig] = field(default_factory=CompareConfig)
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)


def run_compare(config: Compare) -> None:
    """Train under every schedule; write report.html and results.json, print the table."""
    objective = config.objective
    images, held_out = load(objective, config.data, refuse_unused=True)

    def samples(denoiser: nn.Module) -> bytes:
        return examples(objective, held_out, len(images.classes), denoiser)

    settings = run_settings(COMMAND, config)
    subject = Subject(
        about=describe(images, held_out),
        make_schedule=scheduler(schedule_context(objective, 1000, images)),
        make_task=partial(make_task, objective, images),
        evaluation=evaluation_of(objective, images, held_out),
        samples=samples,
        settings={k: v for k, v in settings.items() if k != "comparison"},
        versions={"infonoise-vision": infonoise_vision.__version__},
        real={"held-out images": png_grid(held_out.x0(slice(SHOWN)) / held_out.scale)},
    )
    compare(subject, config.comparison)
