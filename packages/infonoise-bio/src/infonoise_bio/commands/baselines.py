"""`infonoise-bio baselines`: other kinds of models on the same trunk, for as many steps.

Where to stop is chosen on the validation part, and the test part measures what was chosen: such
models, the autoregressive one above all, come to know a small training part by heart.
"""

from dataclasses import replace
from typing import Any

from rich.table import Table

from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.chains import chains_by_class
from infonoise_bio.examples import describe, load_examples, parts
from infonoise_bio.methods.folders import COMMAND, FILE, step_key
from infonoise_bio.methods.patience import Onward, best_step, is_over, lengths
from infonoise_bio.methods.recipe import model_config, schedule_context
from infonoise_bio.methods.registry import BASELINES
from infonoise_bio.options import Baselines
from infonoise_core import terminal
from infonoise_core.config.idle import refuse_idle
from infonoise_core.files import write_json
from infonoise_core.folders.lock import locked
from infonoise_core.schedules.registry import make_schedule
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_core.training.progress import progress
from infonoise_core.training.record.weights import load_denoiser
from infonoise_core.training.run_folder import check_run, open_run, run_settings


def run_baselines(config: Baselines) -> None:
    """Train what is not there yet, print a table, write JSON."""
    objective = config.objective
    refuse_idle(config.examples)
    sequences = load_examples(config.examples, config.data)
    training, held_out = parts(sequences, "test")
    chosen_on = parts(sequences, "val")[1]
    model = model_config(objective, training).to_dict()
    settings = run_settings(COMMAND, config, sequences=describe(sequences), model=model)
    settings.pop("device")
    out, kind = config.out, type(config)
    check_run(out, settings, overwrite=config.overwrite, finished=FILE, kind=kind)
    with locked(out):
        open_run(out, settings, overwrite=config.overwrite, finished=FILE, kind=kind)
        found = _found(config, training, chosen_on, held_out)
        write_json(config.out / FILE, found)
    _print(found)


def _found(
    config: Baselines, training: SequenceSet, chosen_on: SequenceSet, held_out: SequenceSet
) -> dict[str, Any]:
    """Bits per base of `held_out` of each, after training those that are not there yet."""
    objective = config.objective
    chains = chains_by_class(training, held_out)
    found: dict[str, Any] = {
        f"Markov, order {chains.best_order}": chains.best,
        f"Markov by position, order {chains.best_position_order}": chains.best_by_position,
    }
    # The levels that a schedule draws are not used by these models.
    context = schedule_context(objective, config.train.steps, training)
    for name, method in BASELINES.items():
        folder = config.out / name
        with progress(config.train.steps, name) as reporter:
            onward = Onward(reporter)
            for steps in lengths(config.train, config.patience):
                # Goes on where the last one has ended, to the same bits as one of this length.
                trained = train(
                    method.task(objective, training, config.train.seed),
                    make_schedule("log-uniform", context), replace(config.train, steps=steps),
                    folder, engine=TorchEngine(config.device),
                    evaluate=method.evaluation(objective, training, chosen_on),
                    reporter=onward.again(),
                )  # fmt: skip
                if is_over(trained.evaluations, config.patience):
                    break
        measure = method.evaluation(objective, training, held_out)
        last = measure(trained.denoiser)
        step = load_denoiser(folder, trained.denoiser, best_step(folder, trained.evaluations))
        best = measure(trained.denoiser)
        found |= {
            name: best["bits_per_base"],
            f"{name}_stderr": best["bits_per_base_stderr"],
            step_key(name): step,
            f"{name}, at the end": last["bits_per_base"],
            f"{name}, at the end_stderr": last["bits_per_base_stderr"],
        }
    return found


def _print(found: dict[str, Any]) -> None:
    table = Table(title="held-out bits per base")
    table.add_column("model")
    table.add_column("bits per base", justify="right")
    for name, value in found.items():
        if name.endswith(("_stderr", step_key(""))):
            continue
        step, error = found.get(step_key(name)), found.get(f"{name}_stderr")
        shown = name if step is None else f"{name}, best of validation: {step} steps"
        table.add_row(shown, f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}"))
    terminal.console().print(table)
