"""Whether an adaptive schedule helps: the same network, trained under each schedule in turn."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from infonoise_core.app.results import Arm
from infonoise_core.binning import log_edges
from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import ByExample
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.schedules.fixed import FixedLaw, Schedule
from infonoise_core.schedules.knowledge import believed_by
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import RunResult, train
from infonoise_core.training.progress import Reporter, Silent
from infonoise_core.training.step.due import Evaluate
from infonoise_core.training.task import Task

EVALUATIONS = 12
_SMALLEST_RUN = 5 * EVALUATIONS
# Speed-up that makes more than one thread worth the risk of a busy machine.
_WORTH = 1.5
# Share of a budget that is planned; the rest is for the machine's moods and the report.
PLANNED = 0.9


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        make_task: Seed -> a task with a freshly initialised network.
        make_schedules: Name -> schedule for a run of that many steps.
        evaluate: The measures of averaged weights, the same for every schedule.
        finish: Called with (schedule, seed, denoiser) after a run, for samples.
    """

    make_task: Callable[[int], Task]
    make_schedules: Mapping[str, Callable[[int], Schedule]]
    evaluate: Evaluate
    finish: Callable[[str, int, nn.Module], None]
    device: str = "auto"


def run_comparison(
    comparison: Comparison,
    config: TrainConfig,
    seeds: int,
    out: Path,
    reporter: Reporter | None = None,
) -> list[Arm]:
    """Train every schedule from every seed; the arms in the order of the schedules.

    Runs with one seed share initial weights, batches, noises and evaluation; only noise levels
    differ. Each lives in `out/runs`, so that a comparison that was cut short goes on where it was.
    """
    reporter = reporter or Silent()
    arms = []
    for name, make_schedule in comparison.make_schedules.items():
        for seed in range(config.seed, config.seed + seeds):
            trained = train(
                comparison.make_task(seed),
                make_schedule(config.steps),
                replace(config, seed=seed),
                out / "runs" / f"{name}-seed{seed}",
                engine=TorchEngine(comparison.device),
                evaluate=comparison.evaluate,
                reporter=_Labelled(reporter, name),
            )
            comparison.finish(name, seed, trained.denoiser)
            # With several seeds the error is that between seeds.
            examples = _by_example(comparison.evaluate, trained) if seeds == 1 else None
            arms.append(_arm(name, seed, trained, examples))
    return arms


def good_threads(comparison: Comparison, config: TrainConfig) -> int:
    """One thread, or all that torch would use where those are at least half as fast again.

    Where other programs want the cores too, threads wait for each other far longer than they
    compute: 28 ms an update became 800 ms with two threads on two busy cores, 60 ms with one. A
    budget that is planned on a quiet machine should hold when it is quiet no longer.
    """
    every = torch.get_num_threads()
    if every == 1 or TorchEngine(comparison.device).device.type != "cpu":
        return every
    seconds = {}
    try:
        for threads in (every, 1):
            torch.set_num_threads(threads)
            _time_of(comparison, config, 1)
            seconds[threads] = _time_of(comparison, config, 5)
    finally:
        torch.set_num_threads(every)
    return every if seconds[1] > _WORTH * seconds[every] else 1


def steps_within(comparison: Comparison, config: TrainConfig, runs: int, seconds: float) -> int:
    """Updates per run so that `runs` runs with their evaluations take about `seconds`.

    Measured on a throwaway network, which costs a few of those seconds.
    """
    began = time.perf_counter()
    _time_of(comparison, config, 3)
    setup = _time_of(comparison, config, 1)
    steps = 15
    step = max(1e-5, (_time_of(comparison, config, steps + 1) - setup) / steps)
    start = time.perf_counter()
    task = comparison.make_task(config.seed)
    comparison.evaluate(task.denoiser.to(TorchEngine(comparison.device).device))
    evaluation = time.perf_counter() - start
    left = PLANNED * seconds - (time.perf_counter() - began)
    # Per run: its evaluations, samples worth about two of them, and what examples cost at the end.
    often = EVALUATIONS + 2 + isinstance(comparison.evaluate, ByExample)
    measured = often * evaluation
    steps = int((left / runs - measured) / step)
    if steps < _SMALLEST_RUN:
        need = runs * (measured + 2 * _SMALLEST_RUN * step) / PLANNED
        raise InputError(
            f"--budget {seconds:.0f}s is too short for {runs} runs: an update takes"
            f" {1e3 * step:.0f} ms and an evaluation {evaluation:.1f} s here;"
            f" give at least {max(need, seconds) + 10:.0f}s or --steps"
        )
    return steps - steps % EVALUATIONS


def _time_of(comparison: Comparison, config: TrainConfig, steps: int) -> float:
    """Seconds of a run of so many steps, of a throwaway network, without evaluations."""
    make_schedule = next(iter(comparison.make_schedules.values()))
    short = replace(config, steps=steps, eval_every=0, log_every=steps)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(
            comparison.make_task(config.seed),
            make_schedule(steps),
            short,
            Path(folder),
            engine=TorchEngine(comparison.device),
        )
        return time.perf_counter() - start


def _by_example(evaluate: object, trained: RunResult) -> list[float] | None:
    """What each held-out example costs at the end, where the evaluation says so."""
    if not isinstance(evaluate, ByExample):
        return None
    found = evaluate.by_example(trained.denoiser)
    return None if found is None else found.tolist()


def _arm(name: str, seed: int, trained: RunResult, examples: list[float] | None) -> Arm:
    schedule = trained.schedule
    channel = schedule.channel
    sigma = log_edges(channel.sigma_min, channel.sigma_max, 200)
    centres = (sigma[:-1] * sigma[1:]).sqrt()
    density = (centres.tolist(), schedule.density(centres).to(torch.float64).tolist())
    profile = trained.profiles.get(PROFILE_FILE)
    return Arm(
        name,
        isinstance(schedule, FixedLaw),
        seed,
        trained.evaluations,
        density,
        schedule.status(),
        None if profile is None else profile.to_dict(),
        None if profile is None else believed_by(schedule, profile).tolist(),
        examples,
    )


class _Labelled:
    """Puts the schedule's name before what a run says of itself."""

    def __init__(self, reporter: Reporter, label: str) -> None:
        self._reporter, self._label = reporter, label

    def advance(self, amount: float = 1, note: str = "") -> None:
        self._reporter.advance(amount, f"{self._label}: {note}" if note else "")
