"""`infonoise-text train`."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.schedule import Schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engine import EngineConfig
from infonoise_core.training.run import Evaluation, Run, run_settings, run_training
from infonoise_core.training.schedules import make_schedule
from infonoise_core.training.task import Task
from infonoise_text.baselines.table import BASELINES, Method
from infonoise_text.data import Corpus
from infonoise_text.documents import EMBEDDED
from infonoise_text.evaluate import TextEvaluation
from infonoise_text.source import CorpusOptions, describe, open_corpus
from infonoise_text.task import Objective
from infonoise_text.trained import BITS, COMMAND, furnish

# About ten minutes on two cores.
_TRAIN = partial(
    TrainConfig, updates=4000, batch=32, lr_schedule="cosine", eval_every=400, save_every=400
)


@dataclass(frozen=True)
class Train:
    """Train a model of text; the same command goes on after an interruption."""

    out: Path
    """folder for checkpoints, metrics, tokenizer and profile"""
    data: Positional[str] = EMBEDDED
    """prepared folder, text file or folder, archive, hf:NAME, or pydoc (the documentation inside
    Python)"""
    schedule: str = "infonoise"
    """how noise levels are drawn: edm, log-uniform, infonoise or another"""
    method: Method = "bits"
    """bits, or a baseline on the same trunk: autoregressive or masked, which have no noise levels,
    or embedding"""
    overwrite: bool = False
    """replace an earlier run in --out"""
    corpus: OmitArgPrefixes[CorpusOptions] = field(default_factory=CorpusOptions)
    engine: OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    objective: OmitArgPrefixes[Objective] = field(default_factory=lambda: Objective(length=64))
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=_TRAIN)


def run_train(config: Train) -> None:
    """Train, evaluate on the valid split, and leave a run in config.out."""
    objective = config.objective
    corpus = open_corpus(config.data, config.corpus, semantic=objective.codes == "semantic")
    book = corpus.codes(objective.codes)
    task, schedule, evaluation = _parts(config, corpus)
    about = f"{corpus.manifest.splits['train'].tokens:,} tokens of {corpus.manifest.source}"
    run = Run(
        task=task,
        schedule=schedule,
        evaluation=evaluation,
        settings=run_settings(COMMAND, config, tokens=describe(corpus)),
        about=f"{about} in windows of {objective.length}",
        furnish=partial(furnish, tokenizer=corpus.tokenizer, book=book),
    )
    run_training(run, config)


def _parts(config: Train, corpus: Corpus) -> tuple[Task, Schedule, Evaluation]:
    objective, seed = config.objective, config.train.seed
    if config.method == BITS:
        return (
            objective.task(corpus, seed),
            make_schedule(config.schedule, objective.setting(config.train.updates, corpus)),
            evaluation_of(objective, corpus),
        )
    baseline = BASELINES[config.method]
    task = baseline.task(corpus, objective, seed)
    return (
        task,
        baseline.schedule(config.schedule, objective, task, config.train.updates),
        baseline.evaluation(corpus, "valid", objective),
    )


def evaluation_of(objective: Objective, corpus: Corpus) -> TextEvaluation:
    """Bits per byte of the valid split in one pass, while training goes on."""
    book = corpus.codes(objective.codes)
    return TextEvaluation(corpus.split("valid"), book, objective.length, objective.sigma_max)
