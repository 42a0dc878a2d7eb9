"""`infonoise-text train`."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.app.train import Evaluation, Run, run_settings, run_training
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import EngineConfig
from infonoise_core.training.task import Task
from infonoise_text.data.corpus import Corpus
from infonoise_text.data.documents import EMBEDDED
from infonoise_text.data.open import CorpusOptions, describe, open_corpus
from infonoise_text.evaluation.bound import TextEvaluation
from infonoise_text.methods.bits import Objective
from infonoise_text.methods.clusters.bound import cluster_evaluation
from infonoise_text.methods.clusters.model import make_cluster_denoiser
from infonoise_text.methods.clusters.path import equal_path
from infonoise_text.methods.clusters.task import (
    ClusterTask,
    check_method,
    cluster_book,
    make_schedules,
)
from infonoise_text.methods.registry import BASELINES, Method
from infonoise_text.methods.trained import BITS, COMMAND, save_assets
from infonoise_text.models.transformer import preset

# About ten minutes on two cores.
_TRAIN = partial(
    TrainConfig, steps=4000, batch_size=32, lr_schedule="cosine", eval_every=400, save_every=400
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
    clusters: int | None = None
    """of bits: learn with each token which of so many clusters it belongs to, with noise of its
    own; a power of two"""
    overwrite: bool = False
    """replace an earlier run in --out"""
    corpus: OmitArgPrefixes[CorpusOptions] = field(default_factory=CorpusOptions)
    engine: OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    objective: OmitArgPrefixes[Objective] = field(default_factory=lambda: Objective(length=64))
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=_TRAIN)


def run_train(config: Train) -> None:
    """Train, evaluate on the valid split, and leave a run in config.out."""
    objective = config.objective
    check_method(config.clusters, config.method)
    semantic = objective.codes == "semantic" or config.clusters is not None
    corpus = open_corpus(config.data, config.corpus, semantic=semantic)
    about = f"{corpus.manifest.splits['train'].tokens:,} tokens of {corpus.manifest.source}"
    kit = partial(save_assets, tokenizer=corpus.tokenizer, book=corpus.codes(objective.codes))
    if config.clusters is not None:
        kit = partial(kit, tree=corpus.codes("semantic"))
    task, schedule, evaluation = _parts(config, corpus)
    run = Run(
        task=task,
        schedule=schedule,
        evaluation=evaluation,
        settings=run_settings(COMMAND, config, tokens=describe(corpus)),
        about=f"{about} in windows of {objective.length}",
        save_assets=kit,
    )
    run_training(run, config)


def _parts(config: Train, corpus: Corpus) -> tuple[Task, Schedule, Evaluation]:
    objective, seed, updates = config.objective, config.train.seed, config.train.steps
    if config.clusters is not None:
        book = cluster_book(corpus, objective, config.clusters)
        train, valid = corpus.split("train"), corpus.split("valid")
        trunk = preset(objective.network, objective.dropout)
        denoiser = make_cluster_denoiser(book.widths, trunk, seed)
        return (
            ClusterTask(train, book, denoiser, objective),
            make_schedules(config.schedule, objective, train, book, updates),
            cluster_evaluation(valid, book, objective.length, equal_path(objective.sigma_max)),
        )
    if config.method == BITS:
        return (
            objective.task(corpus, seed),
            make_schedule(config.schedule, objective.schedule_context(updates, corpus)),
            evaluation_of(objective, corpus),
        )
    baseline = BASELINES[config.method]
    task = baseline.task(corpus, objective, seed)
    return (
        task,
        baseline.schedule(config.schedule, objective, task, updates),
        baseline.evaluation(corpus, "valid", objective),
    )


def evaluation_of(objective: Objective, corpus: Corpus) -> TextEvaluation:
    """Bits per byte of the valid split in one pass, while training goes on."""
    book = corpus.codes(objective.codes)
    return TextEvaluation(corpus.split("valid"), book, objective.length, objective.sigma_max)
