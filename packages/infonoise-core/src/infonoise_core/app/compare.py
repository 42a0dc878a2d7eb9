"""The verb `compare` of every domain: one folder, one budget, one report."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

import infonoise_core
from infonoise_core.app.comparison import Comparison, good_threads, run_comparison, steps_within
from infonoise_core.app.domain import Data, Domain, Options, Samples
from infonoise_core.app.options import CompareConfig, CompareOptions
from infonoise_core.app.pages.report import answer, write_report
from infonoise_core.app.results import Arm, Results, print_table
from infonoise_core.config.idle import refuse_idle
from infonoise_core.config.quantities import parse_duration
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Evaluation
from infonoise_core.files import read_json, write_json
from infonoise_core.folders.lock import locked
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.registry import split_names
from infonoise_core.training.engines.ranks import pick_device
from infonoise_core.training.progress import progress
from infonoise_core.training.run_folder import begun_run, check_run, open_run, run_settings
from infonoise_core.training.task import Task

STEPS_FILE = "updates.json"
RESULTS_FILE = "results.json"
REPORT_FILE = "report.html"


@dataclass(frozen=True)
class Subject:
    """What a domain brings to a comparison.

    Attributes:
        about: A description of the data, with their `name`.
        make_schedule: Name of a schedule and steps -> a schedule.
        make_task: Seed -> a task with a fresh network.
        samples: What to show of a trained denoiser.
        real: Title -> held-out data to show beside.
        references: Name -> the first measure of what is no schedule.
        settings: The command and its options, `CompareConfig`'s left out.
        versions: Of the domain's package.
    """

    about: Mapping[str, Any]
    make_schedule: Callable[[str, int], Schedule]
    make_task: Callable[[int], Task]
    evaluation: Evaluation
    samples: Callable[[nn.Module], Samples]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    real: Mapping[str, Samples] = field(default_factory=dict)
    references: Mapping[str, float] = field(default_factory=dict)


def run_compare(domain: Domain[Data, Options], command: CompareOptions) -> None:
    """The verb `compare` of every domain."""
    options: Options = command.options
    # A mistake in these is named before data are read.
    split_names(command.comparison.schedules)
    out, overwrite = command.comparison.out, command.comparison.overwrite
    begun = {} if overwrite else begun_run(out)
    if not begun:
        refuse_idle(options)
    pick_device(command.comparison.device)
    if why := domain.without_levels(options):
        raise InputError(f"{why}, or train it and evaluate it beside another run")
    data = domain.load(command.data, options)
    options = domain.settled(options, data, begun)
    comparison = command.comparison
    if comparison.lr is None:
        comparison = replace(comparison, lr=domain.rate(options))
    command = replace(command, options=options, comparison=comparison)
    interface = domain.interface
    settings = run_settings(f"{interface.program} compare", command)
    subject = Subject(
        about=domain.summary(data),
        make_schedule=domain.schedules(data, options),
        make_task=lambda seed: domain.task(data, options, seed),
        evaluation=domain.evaluation(data, options),
        samples=lambda denoiser: domain.samples(denoiser, data, options),
        settings={k: v for k, v in settings.items() if k not in ("options", "comparison")}
        | settings["options"],
        versions={interface.program: interface.version},
        real={f"held-out {interface.examples}": domain.held_out_examples(data, options)},
        references=domain.references(data, options),
    )
    compare(subject, command.comparison)


def compare(subject: Subject, config: CompareConfig) -> Results:
    """Train under every schedule; write report.html and results.json, print table and answer.

    A comparison that was cut short goes on where it was.
    """
    names = split_names(config.schedules)
    pick_device(config.device)
    samples: dict[str, Samples] = {}

    def finish(name: str, seed: int, denoiser: nn.Module) -> None:
        if seed == config.seed:
            samples[name] = subject.samples(denoiser)

    comparison = Comparison(
        make_task=subject.make_task,
        make_schedules={name: _maker(name, subject.make_schedule) for name in names},
        evaluate=subject.evaluation,
        finish=finish,
        device=config.device,
    )
    settings = _settings(subject, config)
    check_run(config.out, settings, overwrite=config.overwrite, finished=RESULTS_FILE)
    with locked(config.out):
        steps = _open(config, comparison, settings)
        arms = _trained(config, comparison, steps, str(subject.about["name"]))
        results = Results(
            data=dict(subject.about),
            settings={**settings, "train": settings_of(config.training(steps))},
            measures=subject.evaluation.measures(),
            arms=arms,
            versions={
                "infonoise-core": infonoise_core.__version__,
                **subject.versions,
                "torch": torch.__version__,
            },
            floors=dict(subject.evaluation.floors),
            references=dict(subject.references),
        )
        write_report(config.out / REPORT_FILE, results, {**samples, **subject.real})
        write_json(config.out / RESULTS_FILE, results.to_dict())
        print_table(results)
        print(answer(results))
        print(f"report: {config.out / REPORT_FILE}")
        return results


def _trained(config: CompareConfig, comparison: Comparison, steps: int, data: str) -> list[Arm]:
    names = list(comparison.make_schedules)
    runs = len(names) * config.seeds
    print(f"{', '.join(names)} on {data}: {runs} runs of {steps} steps", file=sys.stderr)
    with progress(runs * steps, "compare") as reporter:
        return run_comparison(
            comparison, config.training(steps), config.seeds, config.out, reporter
        )


def _settings(subject: Subject, config: CompareConfig) -> dict[str, Any]:
    """What must be the same for a comparison to go on: not where it lies."""
    own = {k: v for k, v in settings_of(config).items() if k not in ("out", "overwrite")}
    return {**subject.settings, **own, "about": dict(subject.about)}


def _open(config: CompareConfig, comparison: Comparison, settings: dict[str, Any]) -> int:
    """Make the folder of the comparison, or take one over; returns the steps of each run.

    The budget is measured before an earlier comparison is replaced: it may be too short. So is the
    number of threads, which stays the same when a comparison goes on.
    """
    began = time.perf_counter()
    kept = config.out / STEPS_FILE
    going_on = check_run(config.out, settings, overwrite=config.overwrite, finished=RESULTS_FILE)
    if going_on and kept.exists():
        plan = read_json(kept, "compare again with --overwrite")
        torch.set_num_threads(plan["threads"])
    elif config.steps is not None:
        plan = {"updates": config.steps, "threads": torch.get_num_threads()}
    else:
        plan = _plan(config, comparison, began)
    open_run(config.out, settings, overwrite=config.overwrite, finished=RESULTS_FILE)
    write_json(kept, plan)
    return int(plan["updates"])


def _plan(config: CompareConfig, comparison: Comparison, began: float) -> dict[str, int]:
    short = config.training(60)
    threads = good_threads(comparison, short)
    torch.set_num_threads(threads)
    runs = len(comparison.make_schedules) * config.seeds
    left = parse_duration(config.budget) - (time.perf_counter() - began)
    return {"updates": steps_within(comparison, short, runs, left), "threads": threads}


def _maker(name: str, make_schedule: Callable[[str, int], Schedule]) -> Callable[[int], Schedule]:
    make_schedule(name, 1000)  # what a schedule refuses is refused before the first is trained
    return partial(make_schedule, name)
