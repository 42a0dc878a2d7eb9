"""A training run as every domain's `train` starts it, and as its other verbs find it again."""

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

import infonoise_core
from infonoise_core.app.begin import as_begun, begin_from, source_of, words_of_length
from infonoise_core.app.domain import Data, Domain, Options, Samples
from infonoise_core.app.options import TrainOptions
from infonoise_core.app.trained import recorded
from infonoise_core.config.idle import Idle, refuse, refuse_idle
from infonoise_core.config.tree import settings_of
from infonoise_core.config.yaml_file import write_yaml
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.files import write_bytes, write_json
from infonoise_core.folders.lock import locked
from infonoise_core.folders.names import DONE_FILE
from infonoise_core.processes.adapters import add_adapters
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.training.config import EngineConfig, TrainConfig
from infonoise_core.training.engines.base import Engine, count_parameters
from infonoise_core.training.engines.make import make_engine
from infonoise_core.training.engines.ranks import others_alive
from infonoise_core.training.loop import Show, check_division, train
from infonoise_core.training.progress import progress
from infonoise_core.training.run_folder import (
    AsToday,
    begun_run,
    check_run,
    note_assets,
    open_run,
    run_settings,
)
from infonoise_core.training.task import Task

# What each process may have of its own.
_OWN_OF_A_RANK = ("device", "workers", "log_to")
YAML_FILE, SAMPLES = "config.yaml", "samples"


@dataclass(frozen=True)
class Run:
    """What a domain hands over to be trained.

    Attributes:
        settings: What must be the same for the run to go on (`run_settings`).
        about: The data in a few words.
        save_assets: Writes what else has to lie in the run's folder, such as a tokenizer.
        samples: Samples of a denoiser, which go to samples/ at every evaluation.
        kind: Dataclass of the settings, by which those of an older version are understood; the
            command's by default.
        today: Settings that an older version wrote -> as this one would write them.
        notes: Said before it begins.
        beside: Lines about what the last measures stand beside.
    """

    task: Task
    schedule: Schedule
    evaluation: Evaluation
    settings: dict[str, Any]
    about: str
    save_assets: Callable[[Path], None] | None = None
    samples: Callable[[nn.Module], Samples] | None = None
    kind: type[Any] | None = None
    today: AsToday | None = None
    notes: tuple[str, ...] = ()
    beside: Callable[[], list[str]] | None = None


class TrainCommand(Protocol):
    """What the `train` command of every domain has."""

    @property
    def out(self) -> Path:
        """The run's folder."""

    @property
    def overwrite(self) -> bool:
        """Whether a run that is there may be replaced."""

    @property
    def train(self) -> TrainConfig:
        """Settings of the loop."""

    @property
    def engine(self) -> EngineConfig:
        """What carries out the steps."""


def run_train(domain: Domain[Data, Options], command: TrainOptions) -> None:
    """The verb `train` of every domain: train, evaluate, and leave a run in command.out."""
    engine = make_engine(command.engine)
    begun = {} if command.overwrite else begun_run(command.out)
    if not begun:
        refuse_idle(command.options)
        if why := domain.without_levels(command.options):
            refuse(Idle(command, "schedule", why))
    options: Options = domain.going_on(command.options, begun)
    loop = as_begun(command.train, begun, domain.rate(options))
    command = replace(command, options=options, train=loop)
    with others_alive(engine.world):
        run = engine.agree(
            lambda: _prepared(domain, command, begun), lambda run: _same(run, command)
        )
        run_training(run, command, engine)


def _prepared(
    domain: Domain[Data, Options], command: TrainOptions, begun: Mapping[str, Any]
) -> Run:
    """The data, network and schedule that a command asks for."""
    source = source_of(domain, command)
    data = domain.load(command.data, command.options)
    config = command.train
    kept = begun or ({} if source is None else source.settings)
    options: Options = domain.settled(command.options, data, kept)
    command = replace(command, options=options)
    known = begun.get(domain.summary_key, {})
    known = known if isinstance(known, dict) else {}
    summary = recorded(domain, known, data, command.data, command.out)
    task = domain.task(data, options, config.seed)
    schedule = domain.schedules(data, options)(command.schedule, config.pace)
    notes = [words_of_length(config, begun)]
    if source is not None:
        domain.check_begins(source, data, options)
        notes.append(f"beginning with {begin_from(source, task, schedule, options)}")
    if command.lora is not None:
        layers = add_adapters(task.denoiser, command.lora, config.seed)
        notes.append(f"adapters of rank {command.lora} beside {layers} layers, which stand still")
    return Run(
        task=task,
        schedule=schedule,
        evaluation=domain.evaluation(data, options),
        settings=settings_of_run(domain, command, summary, domain.model_settings(data, options)),
        about=domain.about(data),
        save_assets=lambda folder: domain.save_assets(data, options, folder),
        samples=lambda denoiser: domain.samples(denoiser, data, options),
        kind=domain.interface.options,
        today=domain.as_today,
        notes=tuple(filter(None, notes)),
        beside=lambda: domain.beside(data, options),
    )


def _same(run: Run, command: TrainCommand) -> dict[str, Any]:
    """What must be the same in all processes of a run: settings, the data in them, and code."""
    engine = {k: v for k, v in settings_of(command.engine).items() if k not in _OWN_OF_A_RANK}
    versions = {"infonoise-core": infonoise_core.__version__, "torch": str(torch.__version__)}
    return {**run.settings, "engine": engine, "versions": versions}


def settings_of_run(
    domain: Domain[Data, Options],
    command: TrainOptions,
    summary: Mapping[str, Any],
    model: Mapping[str, Any],
) -> dict[str, Any]:
    """config.json: the domain's options stand beside core's, not in a group of their own."""
    settings = run_settings(domain.interface.command, command)
    options = settings.pop("options")
    return {**settings, **options, domain.summary_key: dict(summary), **model}


def run_training(run: Run, options: TrainCommand, engine: Engine | None = None) -> None:
    """Train, going on with what is there, and print the last measures.

    Args:
        run: What is trained.
        options: The command's dataclass, which is written beside the run as config.yaml, to be
            given again with --config. Call it after every check of the user's input: from here
            on an earlier run may be replaced.
        engine: What `options.engine` makes, where it is there already; its processes agree.
    """
    out = options.out
    if engine is None:
        engine = make_engine(options.engine)
        run = engine.agree(lambda: run, lambda run: _same(run, options))
    check_division(options.train, engine)

    with ExitStack() as stack:

        def begin() -> bool:
            kind = run.kind or type(options)
            check_run(
                out, run.settings, overwrite=options.overwrite, finished=DONE_FILE, kind=kind,
                today=run.today,
            )  # fmt: skip
            stack.enter_context(locked(out))
            return _begin(run, options, kind)

        with others_alive(engine.world):
            _train(run, options, engine, engine.share(begin))


def _begin(run: Run, options: TrainCommand, kind: type[Any]) -> bool:
    """Make or take over the run's folder, which is locked; returns whether a run goes on."""
    out = options.out
    going_on = open_run(
        out, run.settings, overwrite=options.overwrite, finished=DONE_FILE, kind=kind,
        today=run.today,
    )  # fmt: skip
    write_yaml(out / YAML_FILE, options, leave_out=("out", "overwrite"))
    if run.save_assets is not None:
        run.save_assets(out)
    if not going_on:
        note_assets(out)
    return going_on


def _train(run: Run, options: TrainCommand, engine: Engine, going_on: bool) -> None:
    config, out = options.train, options.out
    first = engine.rank == 0
    if first:
        size = count_parameters(run.task.denoiser.parameters())
        for note in run.notes:
            print(f"note: {note}", file=sys.stderr)
        processes = f", {engine.world} processes" if engine.world > 1 else ""
        print(
            f"{'going on with' if going_on else 'training'} {size:,} parameters on {run.about}"
            f" ({engine.device}{processes})",
            file=sys.stderr,
        )
    with progress(config.steps, "train", shown=first) as reporter:
        trained = train(
            run.task, run.schedule, config, out,
            engine=engine, evaluate=run.evaluation, show=_showing(run, out), reporter=reporter,
            workers=options.engine.workers, log_to=options.engine.log_to,
            save_async=options.engine.save_async,
        )  # fmt: skip
    if first:
        final = trained.evaluations[-1]
        write_json(out / DONE_FILE, final)
        print(run.schedule.status())
        print_measures(run.evaluation, final)
        for line in run.beside() if run.beside is not None else []:
            print(line)


def _showing(run: Run, out: Path) -> Show | None:
    samples = run.samples
    if samples is None:
        return None

    def show(denoiser: nn.Module, step: int) -> Path:
        made = samples(denoiser)
        text = isinstance(made, str)
        path = out / SAMPLES / f"step-{step:08d}.{'txt' if text else 'png'}"
        write_bytes(path, made.encode() if isinstance(made, str) else made)
        return path

    return show


def print_measures(evaluation: Evaluation, values: Mapping[str, float]) -> None:
    """One line per measure that was taken, with its error and its floor."""
    for measure in evaluation.measures():
        if measure.name not in values:
            continue
        line = f"{measure.label}: {values[measure.name]:.4f}"
        if f"{measure.name}_stderr" in values:
            line += f" ± {values[f'{measure.name}_stderr']:.4f}"
        if measure.name in evaluation.floors:
            line += f" (real to real {evaluation.floors[measure.name]:.4f})"
        print(line)
