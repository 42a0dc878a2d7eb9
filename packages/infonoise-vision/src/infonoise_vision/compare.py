"""`infonoise-vision compare`: the same network under several schedules, on the user's images."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_core
import infonoise_vision
from infonoise_core.errors import InputError
from infonoise_core.grid import karras_grid
from infonoise_core.law import Schedule
from infonoise_core.training.compare import (
    Contest,
    good_threads,
    run_contest,
    updates_within,
)
from infonoise_core.training.config import (
    TrainConfig,
    check_run,
    open_run,
    parse_duration,
    settings_of,
    write_json,
)
from infonoise_core.training.engine import pick_device
from infonoise_core.training.progress import progress
from infonoise_core.training.report import Exhibit, answer, write_report
from infonoise_core.training.results import Results, print_table
from infonoise_core.training.schedules import Setting, make_schedule, split_names
from infonoise_vision.evaluate import ImageEvaluation
from infonoise_vision.sample import generate, png_grid
from infonoise_vision.task import Objective, describe, load_split

COMMAND = "infonoise-vision compare"
UPDATES_FILE = "updates.json"
RESULTS_FILE = "results.json"
REPORT_FILE = "report.html"
SHOWN = 64


@dataclass(frozen=True)
class Compare:
    """Train the same network under several schedules and report which needs how many updates."""

    data: Positional[str] = "digits"
    """folder of images, .npz file, or digits (scikit-learn's, 8x8)"""
    out: Path = Path("infonoise-compare")
    """folder for report.html and results.json"""
    schedules: str = "edm,log-uniform,infonoise"
    """names, comma-separated"""
    budget: str = "3m"
    """time for everything, such as 90s, 3m or 1.5h; decides the number of updates"""
    updates: int | None = None
    """optimizer steps of each run, instead of --budget"""
    seeds: int = 1
    """runs of each schedule, from different seeds"""
    batch: int = 128
    """examples per optimizer step"""
    lr: float = 2e-3
    """learning rate"""
    seed: int = 0
    """the first seed"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace an earlier comparison in --out"""
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)

    def training(self, updates: int) -> TrainConfig:
        """Settings of each run: twelve evaluations, four checkpoints."""
        return TrainConfig(
            updates=updates, batch=self.batch, lr=self.lr, lr_warmup=min(100, updates // 10),
            seed=self.seed, eval_every=max(1, updates // 12), save_every=max(1, updates // 4),
            keep=1,
        )  # fmt: skip


def run_compare(config: Compare) -> None:
    """Train under every schedule; write report.html and results.json, print the table."""
    names, budget = split_names(config.schedules), parse_duration(config.budget)
    _refuse_nonsense(config)
    objective = config.objective
    images, held_out = load_split(config.data, objective.size)
    evaluation = ImageEvaluation(images, held_out, objective.sigma_min, objective.sigma_max)
    exhibits: dict[str, Exhibit] = {}

    def finish(name: str, seed: int, denoiser: nn.Module) -> None:
        if seed == config.seed:
            exhibits[name] = png_grid(_samples(denoiser, images.shape, objective))

    setting = objective.setting(1000, images)
    contest = Contest(
        make_task=partial(objective.task, images),
        make_schedules={name: _maker(name, setting) for name in names},
        evaluate=evaluation,
        finish=finish,
        device=config.device,
    )
    updates = _open(config, contest, describe(images, held_out), budget)
    runs = len(names) * config.seeds
    print(f"{', '.join(names)} on {images.name}: {runs} runs of {updates} updates", file=sys.stderr)
    with progress(runs * updates, "compare") as reporter:
        arms = run_contest(contest, config.training(updates), config.seeds, config.out, reporter)
    results = Results(
        data=describe(images, held_out),
        settings={**_settings(config), "train": settings_of(config.training(updates))},
        measures=evaluation.measures(),
        arms=arms,
        versions={
            "infonoise-core": infonoise_core.__version__,
            "infonoise-vision": infonoise_vision.__version__,
            "torch": torch.__version__,
        },
        floors={evaluation.distance: evaluation.floor},
    )
    exhibits["held-out images"] = png_grid(held_out.x0(slice(SHOWN)))
    write_report(config.out / REPORT_FILE, results, exhibits)
    write_json(config.out / RESULTS_FILE, results.to_dict())
    print_table(results)
    print(answer(results))
    print(f"report: {config.out / REPORT_FILE}")


def _refuse_nonsense(config: Compare) -> None:
    if config.seeds < 1:
        raise InputError(f"--seeds {config.seeds}: give at least 1")
    config.training(60 if config.updates is None else config.updates)
    pick_device(config.device)


def _open(config: Compare, contest: Contest, images: dict[str, Any], budget: float) -> int:
    """Make the folder of the comparison, or take one over; returns the updates of each run.

    The budget is measured before an earlier comparison is replaced: it may be too short. So is the
    number of threads, which stays the same when a comparison goes on.
    """
    began = time.perf_counter()
    settings = {**_settings(config), "images": images}
    kept = config.out / UPDATES_FILE
    going_on = check_run(config.out, settings, overwrite=config.overwrite, finished=RESULTS_FILE)
    if going_on and kept.exists():
        plan = json.loads(kept.read_text())
        torch.set_num_threads(plan["threads"])
    elif config.updates is not None:
        plan = {"updates": config.updates, "threads": torch.get_num_threads()}
    else:
        short = config.training(60)
        threads = good_threads(contest, short)
        torch.set_num_threads(threads)
        runs = len(contest.make_schedules) * config.seeds
        left = budget - (time.perf_counter() - began)
        plan = {"updates": updates_within(contest, short, runs, left), "threads": threads}
    open_run(config.out, settings, overwrite=config.overwrite, finished=RESULTS_FILE)
    write_json(kept, plan)
    return int(plan["updates"])


def _settings(config: Compare) -> dict[str, Any]:
    """What must be the same for a comparison to go on: not where it lies."""
    settings = {"command": COMMAND, **settings_of(config)}
    return {k: v for k, v in settings.items() if k not in ("out", "overwrite")}


def _maker(name: str, setting: Setting) -> Callable[[int], Schedule]:
    def make(updates: int) -> Schedule:
        return make_schedule(name, replace(setting, updates=updates))

    make(1000)  # what a schedule refuses is refused before the first one is trained
    return make


def _samples(denoiser: nn.Module, shape: tuple[int, int, int], objective: Objective) -> Tensor:
    sigmas = karras_grid(18, objective.sigma_min, objective.sigma_max)
    return generate(denoiser, shape, SHOWN, sigmas).x
