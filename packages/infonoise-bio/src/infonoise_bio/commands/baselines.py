"""`infonoise-bio baselines`: other kinds of models on the same trunk, for as many steps."""

from typing import Any

from rich.table import Table

from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.domain import BASELINES_COMMAND
from infonoise_bio.evaluation.chains import chains_by_class
from infonoise_bio.examples import describe, load_examples, parts
from infonoise_bio.methods.recipe import model_config, schedule_context
from infonoise_bio.methods.registry import BASELINES
from infonoise_bio.options import Baselines
from infonoise_core import terminal
from infonoise_core.files import write_json
from infonoise_core.folders.lock import locked
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_core.training.progress import progress
from infonoise_core.training.run_folder import check_run, open_run, run_settings

FILE = "baselines.json"


def run_baselines(config: Baselines) -> None:
    """Train what is not there yet, print a table, write JSON."""
    objective = config.objective
    sequences = load_examples(config.examples, config.data)
    training, held_out = parts(sequences, "test")
    model = model_config(objective, training).to_dict()
    settings = run_settings(BASELINES_COMMAND, config, sequences=describe(sequences), model=model)
    settings.pop("device")
    out, kind = config.out, type(config)
    check_run(out, settings, overwrite=config.overwrite, finished=FILE, kind=kind)
    with locked(out):
        open_run(out, settings, overwrite=config.overwrite, finished=FILE, kind=kind)
        found = _found(config, training, held_out)
        write_json(config.out / FILE, found)
    _print(found)


def _found(config: Baselines, training: SequenceSet, held_out: SequenceSet) -> dict[str, Any]:
    """Held-out bits per base of each, those trained that are not there yet."""
    objective = config.objective
    chains = chains_by_class(training, held_out)
    found: dict[str, Any] = {
        f"Markov, order {chains.best_order}": chains.best,
        f"Markov by position, order {chains.best_position_order}": chains.best_by_position,
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
    return found


def _print(found: dict[str, Any]) -> None:
    table = Table(title="held-out bits per base")
    table.add_column("model")
    table.add_column("bits per base", justify="right")
    for name, value in found.items():
        if not name.endswith("_stderr"):
            error = found.get(f"{name}_stderr")
            table.add_row(name, f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}"))
    terminal.console().print(table)
