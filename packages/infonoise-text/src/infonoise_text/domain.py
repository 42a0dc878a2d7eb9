"""`infonoise-text train`."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.app.train import Run, run_training
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.run_folder import run_settings
from infonoise_text.data.open import describe, open_corpus
from infonoise_text.data.options import EMBEDDED, CorpusOptions
from infonoise_text.methods.assets import Assets
from infonoise_text.methods.options import MethodName, Objective
from infonoise_text.methods.registry import check_method, make_method
from infonoise_text.methods.trained import COMMAND

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
    method: MethodName = "bits"
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
    check_method(config.method, config.clusters)
    semantic = objective.codes == "semantic" or config.clusters is not None
    corpus = open_corpus(config.data, config.corpus, semantic=semantic)
    about = f"{corpus.manifest.splits['train'].tokens:,} tokens of {corpus.manifest.source}"
    assets = Assets.of(corpus, objective, config.clusters)
    method, text = make_method(config.method, objective, assets), corpus.split("train")
    run = Run(
        task=method.task(text, method.network(config.train.seed)),
        schedule=method.schedule(config.schedule, text, config.train.steps),
        evaluation=method.evaluation(corpus.split("valid")),
        settings=run_settings(COMMAND, config, tokens=describe(corpus)),
        about=f"{about} in windows of {objective.length}",
        save_assets=assets.save,
    )
    run_training(run, config)
