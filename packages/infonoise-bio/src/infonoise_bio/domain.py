"""`infonoise-bio train`."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_bio.data.options import PLANTED, Examples
from infonoise_bio.data.sequences import SequenceSet, describe
from infonoise_bio.examples import load_examples, parts
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import model_config, schedule_context
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_bio.methods.trained import COMMAND
from infonoise_core.app.train import Run, run_training
from infonoise_core.config.tree import settings_of
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.run_folder import run_settings

# Held-out sequences of the evaluations while training goes on; `evaluate` takes all.
MEASURED = 512


@dataclass(frozen=True)
class Train:
    """Train a denoiser on DNA; the same command goes on after an interruption."""

    out: Path
    """folder for checkpoints, metrics and profile"""
    objective: OmitArgPrefixes[Objective]
    data: Positional[str] = PLANTED
    """FASTA, GenBank, table (.csv, .tsv) or BED file, perhaps .gz or .bgz; or planted: made-up
    promoters"""
    schedule: str = "infonoise"
    """how noise levels are drawn: edm, log-uniform, infonoise or another"""
    overwrite: bool = False
    """replace an earlier run in --out"""
    examples: OmitArgPrefixes[Examples] = field(default_factory=Examples)
    engine: OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


def run_train(config: Train) -> None:
    """Train, evaluate on the validation part, and leave a run in config.out."""
    objective = config.objective
    sequences = load_examples(config.examples, config.data)
    training, held_out = parts(sequences, "val")
    run = Run(
        task=DIFFUSION.task(objective, training, config.train.seed),
        schedule=make_schedule(
            config.schedule, schedule_context(objective, config.train.steps, training)
        ),
        evaluation=evaluation_of(objective, training, held_out),
        settings=run_settings(
            COMMAND,
            config,
            sequences=describe(sequences),
            model=settings_of(model_config(objective, training)),
        ),
        about=(
            f"{len(training):,} sequences of {training.length} bases from {training.source}:"
            f" {'; '.join(sequences.notes)}"
        ),
    )
    run_training(run, config)


def evaluation_of(objective: Objective, training: SequenceSet, held_out: SequenceSet) -> Evaluation:
    """Bits per base of at most MEASURED held-out sequences, the same ones for the same data."""
    if len(held_out) > MEASURED:
        rows = np.random.default_rng(0).permutation(len(held_out))[:MEASURED]
        held_out = held_out.take(np.sort(rows))
    return DIFFUSION.evaluation(objective, training, held_out)
