"""`infonoise-bio compare`: the same network under several schedules, on the user's sequences."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from torch import nn
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_bio
from infonoise_bio.alphabet import letters_of
from infonoise_bio.data.options import PLANTED, Examples
from infonoise_bio.data.sequences import describe
from infonoise_bio.domain import evaluation_of
from infonoise_bio.examples import load_examples, parts
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import schedule_context
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.sampling.sequences import Sampling, design
from infonoise_core.app.compare import Subject, compare, scheduler
from infonoise_core.app.options import CompareConfig
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.training.run_folder import run_settings

COMMAND = "infonoise-bio compare"
SHOWN = 12
# Noise levels of the solver for the sequences that are shown.
_LEVELS = 24


@dataclass(frozen=True)
class Compare:
    """Train the same network under several schedules and report which needs how many updates."""

    objective: OmitArgPrefixes[Objective]
    data: Positional[str] = PLANTED
    """FASTA, GenBank, table (.csv, .tsv) or BED file, perhaps .gz or .bgz; or planted: made-up
    promoters"""
    examples: OmitArgPrefixes[Examples] = field(default_factory=Examples)
    comparison: OmitArgPrefixes[CompareConfig] = field(default_factory=CompareConfig)


def run_compare(config: Compare) -> None:
    """Train under every schedule; write report.html and results.json, print the table."""
    objective = config.objective
    sequences = load_examples(config.examples, config.data)
    training, held_out = parts(sequences, "val")

    def samples(denoiser: nn.Module) -> str:
        # Schedules that learn nothing have no profile: the same grid for all.
        sampling = Sampling(karras_grid(_LEVELS, objective.sigma_min, objective.sigma_max))
        (codes,) = design(_bases(denoiser), SHOWN, sampling)
        return "\n".join(letters_of(codes))

    settings = run_settings(COMMAND, config)
    subject = Subject(
        about=describe(sequences),
        make_schedule=scheduler(schedule_context(objective, 1000, training)),
        make_task=partial(DIFFUSION.task, objective, training),
        evaluation=evaluation_of(objective, training, held_out),
        samples=samples,
        settings={k: v for k, v in settings.items() if k != "comparison"},
        versions={"infonoise-bio": infonoise_bio.__version__},
        real={"held-out sequences": "\n".join(letters_of(np.asarray(held_out.codes[:SHOWN])))},
    )
    compare(subject, config.comparison)


def _bases(denoiser: nn.Module) -> BaseDenoiser:
    if not isinstance(denoiser, BaseDenoiser):
        raise TypeError(f"{type(denoiser).__name__} where a BaseDenoiser was trained")
    return denoiser
