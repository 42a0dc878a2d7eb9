"""The verb `compare` of every domain: one folder, one budget, one report."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

import infonoise_core
from infonoise_core.app.comparison import Comparison, good_threads, run_comparison, updates_within
from infonoise_core.app.report import Samples, answer, write_report
from infonoise_core.app.results import Results, print_table
from infonoise_core.app.train import Evaluation
from infonoise_core.config.renamed import formerly
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.files import read_json, write_json
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.schedules.registry import ScheduleContext, make_schedule, split_names
from infonoise_core.training.config import TrainConfig, check_run, open_run, parse_duration
from infonoise_core.training.engines.torch import pick_device
from infonoise_core.training.progress import progress
from infonoise_core.training.task import Task

UPDATES_FILE = "updates.json"
RESULTS_FILE = "results.json"
REPORT_FILE = "report.html"


@dataclass(frozen=True)
class CompareConfig:
    """Options of a comparison, the same in every domain."""

    out: Path = Path("infonoise-compare")
    """folder for report.html and results.json"""
    schedules: str = "edm,log-uniform,infonoise"
    """names, comma-separated"""
    budget: str = "3m"
    """time for everything, such as 90s, 3m or 1.5h; decides the number of updates"""
    steps: Annotated[int | None, formerly("updates")] = None
    """optimizer steps of each run, instead of --budget"""
    seeds: int = 1
    """runs of each schedule, from different seeds"""
    batch_size: Annotated[int, formerly("batch")] = 128
    """examples per optimizer step"""
    lr: float = 2e-3
    """learning rate"""
    seed: int = 0
    """the first seed"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace an earlier comparison in --out"""

    def training(self, updates: int) -> TrainConfig:
        """Settings of each run: twelve evaluations, four checkpoints."""
        return TrainConfig(
            steps=updates, batch_size=self.batch_size, lr=self.lr,
            lr_warmup=min(100, updates // 10),
            seed=self.seed, eval_every=max(1, updates // 12), save_every=max(1, updates // 4),
            keep=1,
        )  # fmt: skip

    def check(self) -> list[str]:
        """The names of the schedules; InputError for what no comparison could be made of.

        To be called before data are read: a mistake is then told at once.
        """
        names = split_names(self.schedules)
        parse_duration(self.budget)
        if self.seeds < 1:
            raise InputError(f"--seeds {self.seeds}: give at least 1")
        self.training(60 if self.steps is None else self.steps)
        pick_device(self.device)
        return names


@dataclass(frozen=True)
class Subject:
    """What a domain brings to a comparison.

    Attributes:
        about: A description of the data, with their `name`.
        setting: What the schedules are made for; the updates in it do not count.
        make_task: Seed -> a task with a fresh network.
        samples: What to show of a trained denoiser.
        real: Title -> held-out data to show beside.
        settings: The command and its options, `CompareConfig`'s left out.
        versions: Of the domain's package.
    """

    about: Mapping[str, Any]
    setting: ScheduleContext
    make_task: Callable[[int], Task]
    evaluation: Evaluation
    samples: Callable[[nn.Module], Samples]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    real: Mapping[str, Samples] = field(default_factory=dict)


def compare(subject: Subject, config: CompareConfig) -> Results:
    """Train under every schedule; write report.html and results.json, print table and answer.

    A comparison that was cut short goes on where it was.
    """
    names = config.check()
    samples: dict[str, Samples] = {}

    def finish(name: str, seed: int, denoiser: nn.Module) -> None:
        if seed == config.seed:
            samples[name] = subject.samples(denoiser)

    comparison = Comparison(
        make_task=subject.make_task,
        make_schedules={name: _maker(name, subject.setting) for name in names},
        evaluate=subject.evaluation,
        finish=finish,
        device=config.device,
    )
    settings = _settings(subject, config)
    updates = _open(config, comparison, settings)
    runs = len(names) * config.seeds
    print(
        f"{', '.join(names)} on {subject.about['name']}: {runs} runs of {updates} updates",
        file=sys.stderr,
    )
    with progress(runs * updates, "compare") as reporter:
        arms = run_comparison(
            comparison, config.training(updates), config.seeds, config.out, reporter
        )
    results = Results(
        data=dict(subject.about),
        settings={**settings, "train": settings_of(config.training(updates))},
        measures=subject.evaluation.measures(),
        arms=arms,
        versions={
            "infonoise-core": infonoise_core.__version__,
            **subject.versions,
            "torch": torch.__version__,
        },
        floors=dict(subject.evaluation.floors),
    )
    write_report(config.out / REPORT_FILE, results, {**samples, **subject.real})
    write_json(config.out / RESULTS_FILE, results.to_dict())
    print_table(results)
    print(answer(results))
    print(f"report: {config.out / REPORT_FILE}")
    return results


def _settings(subject: Subject, config: CompareConfig) -> dict[str, Any]:
    """What must be the same for a comparison to go on: not where it lies."""
    own = {k: v for k, v in settings_of(config).items() if k not in ("out", "overwrite")}
    return {**subject.settings, **own, "about": dict(subject.about)}


def _open(config: CompareConfig, comparison: Comparison, settings: dict[str, Any]) -> int:
    """Make the folder of the comparison, or take one over; returns the updates of each run.

    The budget is measured before an earlier comparison is replaced: it may be too short. So is the
    number of threads, which stays the same when a comparison goes on.
    """
    began = time.perf_counter()
    kept = config.out / UPDATES_FILE
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
    return {"updates": updates_within(comparison, short, runs, left), "threads": threads}


def _maker(name: str, setting: ScheduleContext) -> Callable[[int], Schedule]:
    def make(updates: int) -> Schedule:
        return make_schedule(name, replace(setting, steps=updates))

    make(1000)  # what a schedule refuses is refused before the first one is trained
    return make
