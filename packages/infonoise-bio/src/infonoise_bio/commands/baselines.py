"""`infonoise-bio baselines`: other kinds of models on the same trunk, for the same updates."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_bio.data.options import PLANTED, Examples
from infonoise_bio.data.sequences import describe
from infonoise_bio.evaluation.measures import chains_by_class
from infonoise_bio.examples import load_examples, parts
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import model_config, schedule_context
from infonoise_bio.methods.registry import BASELINES
from infonoise_bio.methods.trained import BASELINES_COMMAND
from infonoise_core import terminal
from infonoise_core.config.tree import settings_of
from infonoise_core.files import write_json
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_core.training.progress import progress
from infonoise_core.training.run_folder import open_run, run_settings

FILE = "baselines.json"


@dataclass(frozen=True)
class Baselines:
    """Train a masked-diffusion and an autoregressive model with the network that `train` would
    have, and measure them on the test part.
    """

    out: Path
    """folder for both models (masked, autoregressive), which `sample` takes, and baselines.json"""
    objective: OmitArgPrefixes[Objective]
    data: Positional[str] = PLANTED
    """as in train"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace earlier ones in --out"""
    examples: OmitArgPrefixes[Examples] = field(default_factory=Examples)
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


def run_baselines(config: Baselines) -> None:
    """Train what is not there yet, print a table, write JSON."""
    objective = config.objective
    sequences = load_examples(config.examples, config.data)
    training, held_out = parts(sequences, "test")
    chains = chains_by_class(training, held_out)
    model = settings_of(model_config(objective, training))
    settings = run_settings(BASELINES_COMMAND, config, sequences=describe(sequences), model=model)
    settings.pop("device")
    open_run(config.out, settings, overwrite=config.overwrite, finished=FILE, kind=type(config))
    found: dict[str, Any] = {
        f"Markov, order {chains.best_order}": chains.everywhere[chains.best_order],
        f"Markov by position, order {chains.best_position_order}": chains.by_position[
            chains.best_position_order
        ],
    }
    # The levels that a schedule draws are not used by these models.
    context = schedule_context(objective, config.train.steps, training)
    for name, method in BASELINES.items():
        with progress(config.train.steps, name) as reporter:
            final = train(
                method.task(objective, training, config.train.seed),
                make_schedule("log-uniform", context), config.train, config.out / name,
                engine=TorchEngine(config.device),
                evaluate=method.evaluation(objective, training, held_out), reporter=reporter,
            ).evaluations[-1]  # fmt: skip
        found[name] = final["bits_per_base"]
        found[f"{name}_stderr"] = final["bits_per_base_stderr"]
    write_json(config.out / FILE, found)
    _print(found)


def _print(found: dict[str, Any]) -> None:
    table = Table(title="held-out bits per base")
    table.add_column("model")
    table.add_column("bits per base", justify="right")
    for name, value in found.items():
        if not name.endswith("_stderr"):
            error = found.get(f"{name}_stderr")
            table.add_row(name, f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}"))
    terminal.console().print(table)
