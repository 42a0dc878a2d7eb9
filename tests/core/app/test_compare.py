"""A comparison is fair, goes on where it was cut short, and keeps to its budget."""

import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core import (
    Denoiser,
    EDMDenoiser,
    EntropyRateProfile,
    InfoNoise,
    InputError,
    LogNormal,
    LogUniform,
    Schedule,
    VarianceExploding,
    edm_weight,
)
from infonoise_core.app import comparison as compare
from infonoise_core.app.comparison import (
    EVALUATIONS,
    PLANNED,
    Comparison,
    good_threads,
    run_comparison,
    steps_within,
)
from infonoise_core.app.results import Arm
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.task import Batch, Losses, denoising_losses

CHANNEL = VarianceExploding(0.02, 20.0)
CONFIG = TrainConfig(
    steps=12, batch_size=8, lr=1e-2, log_every=4, eval_every=4, save_every=3, keep=1
)
HELD_OUT = HeldOutError(Batch(torch.tensor([[1.0, 1.0], [-1.0, -1.0]] * 4)), 0.05, 20.0, levels=4)


class Net(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 2))

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat([x, c_noise[:, None]], 1))
        return out


class Points:
    """Twenty points in the plane; keeps what it was asked to train on."""

    dim = 2

    def __init__(self, seed: int) -> None:
        self.denoiser: nn.Module = EDMDenoiser(Net(seed), sigma_data=1.0)
        self.initial = [p.detach().clone() for p in self.denoiser.parameters()]
        self.points = torch.linspace(-1, 1, 40).reshape(20, 2)
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def __len__(self) -> int:
        return 20

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(self.points[torch.from_numpy(index)])

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        self.seen.append((batch.x0, eps, sigma))
        return denoising_losses(denoiser, batch, sigma, eps, edm_weight(1.0))


def fixed(updates: int) -> Schedule:
    return LogNormal(CHANNEL)


def adaptive(updates: int) -> Schedule:
    return InfoNoise(
        CHANNEL, weight=edm_weight(1.0), refresh_every=2, warmup_steps=4, min_count=1, bins=8
    )


def evaluate(denoiser: nn.Module) -> dict[str, float]:
    return {"nats": HELD_OUT(denoiser).nats}


def comparison(
    schedules: dict[str, Callable[[int], Schedule]],
    tasks: list[Points] | None = None,
    finished: list[tuple[str, int]] | None = None,
) -> Comparison:
    """tasks and finished are filled in as the comparison goes on."""

    def make_task(seed: int) -> Points:
        task = Points(seed)
        if tasks is not None:
            tasks.append(task)
        return task

    def finish(name: str, seed: int, denoiser: nn.Module) -> None:
        assert not denoiser.training
        if finished is not None:
            finished.append((name, seed))

    return Comparison(make_task, schedules, evaluate, finish, device="cpu")


BOTH = {"normal": fixed, "adaptive": adaptive}


def test_one_law_under_two_names_gives_one_result(tmp_path: Path) -> None:
    arms = run_comparison(comparison({"a": fixed, "b": fixed}), CONFIG, 2, tmp_path)
    a0, a1, b0, b1 = arms
    assert [arm.schedule for arm in arms] == ["a", "a", "b", "b"]
    assert [arm.seed for arm in arms] == [0, 1, 0, 1]
    assert replace(a0, schedule="b") == b0
    assert replace(a1, schedule="b") == b1
    assert a0.evaluations != a1.evaluations
    assert [e["step"] for e in a0.evaluations] == [4, 8, 12]


def test_only_the_noise_levels_differ_between_schedules(tmp_path: Path) -> None:
    """Initial weights, examples and noises are the same in every step."""
    tasks: list[Points] = []
    run_comparison(comparison({"normal": fixed, "uniform": lambda n: LogUniform(CHANNEL),
                         "adaptive": adaptive}, tasks), CONFIG, 1, tmp_path)  # fmt: skip
    first = tasks[0]
    assert len(tasks) == 3
    assert len({eps.sum().item() for _, eps, _ in first.seen}) == CONFIG.steps
    for task in tasks[1:]:
        assert all(map(torch.equal, task.initial, first.initial))
        assert len(task.seen) == len(first.seen) == CONFIG.steps
        for (x0, eps, sigma), (x0_first, eps_first, sigma_first) in zip(
            task.seen, first.seen, strict=True
        ):
            assert torch.equal(x0, x0_first)
            assert torch.equal(eps, eps_first)
            assert not torch.equal(sigma, sigma_first)


def test_an_arm_tells_what_its_schedule_did(tmp_path: Path) -> None:
    finished: list[tuple[str, int]] = []
    normal, learned = run_comparison(comparison(BOTH, finished=finished), CONFIG, 1, tmp_path)
    assert finished == [("normal", 0), ("adaptive", 0)]
    assert (normal.fixed, learned.fixed) == (True, False)
    assert normal.profile is not None  # measured, whatever schedule draws
    assert learned.profile is not None
    saved = EntropyRateProfile.load(tmp_path / "runs" / "adaptive-seed0" / "profile.json")
    assert EntropyRateProfile.from_dict(learned.profile).to_dict() == saved.to_dict()
    assert learned.status.startswith("adapting")
    for arm in (normal, learned):
        sigma, density = (np.array(column) for column in arm.density)
        step = math.log(CHANNEL.sigma_max / CHANNEL.sigma_min) / len(sigma)
        # The midpoint rule over 200 cells; for the adaptive law's 8 bins it is exact, the normal
        # law's curvature leaves step^2/24 of the second derivative, far below a thousandth.
        assert (density * step).sum() == pytest.approx(1, abs=1e-3)


class Killed(BaseException):
    pass


def crashing(real: Callable[..., Any], at: int, before: bool) -> Callable[..., Any]:
    """Like `real`, but the call number `at` ends everything, before or after it is done."""
    calls = 0

    def replacing(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and before:
            raise Killed
        done = real(*args)
        if calls == at:
            raise Killed
        return done

    return replacing


@pytest.mark.parametrize("before", [True, False])
def test_a_contest_cut_at_any_commit_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Everything reaches its place by a rename; here each one in turn is the last thing done.

    Checkpoints, metrics and profiles of the resumed comparison are those of the uninterrupted one,
    and so is the result.
    """
    short = replace(CONFIG, steps=6, log_every=3, eval_every=3)
    whole = run_comparison(comparison(BOTH), short, 1, tmp_path / "whole")
    files = read_all(tmp_path / "whole")
    for at in range(1, 100):
        out = tmp_path / f"{at}"
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", crashing(os.replace, at, before))
            try:
                run_comparison(comparison(BOTH), short, 1, out)
            except Killed:
                pass
            else:
                break
        assert run_comparison(comparison(BOTH), short, 1, out) == whole
        found = read_all(out)
        assert {name: found.pop(name, None) for name in files} == files
        # An older checkpoint that was to be removed may be left over, and nothing else.
        assert all("/checkpoints/" in name for name in found), list(found)
    assert at > 8  # two runs, each with a list of metrics, two checkpoints and a profile


def read_all(folder: Path) -> dict[str, bytes]:
    """Every file, but for what lines of metrics say of how fast a run went."""
    speed = re.compile(rb', "speed": \{[^}]*\}')
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): speed.sub(b"", p.read_bytes()) for p in files}


class Plane:
    """An evaluation that says what each point costs."""

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        return {"nats": float(self.by_example(denoiser).mean())}

    def by_example(self, denoiser: nn.Module) -> Tensor:
        return HELD_OUT(denoiser).rate_integral


def test_of_one_seed_what_points_cost_is_kept_from_the_weights_that_were_measured(
    tmp_path: Path,
) -> None:
    told = replace(comparison(BOTH), evaluate=Plane())
    arms = run_comparison(told, CONFIG, 1, tmp_path / "one")
    for arm in arms:
        assert arm.examples is not None
        assert len(arm.examples) == 8
        assert math.fsum(arm.examples) / 8 == pytest.approx(arm.evaluations[-1]["nats"], rel=1e-9)
    # Also where the run was finished before.
    assert run_comparison(told, CONFIG, 1, tmp_path / "one") == arms
    assert {arm.examples is None for arm in run_comparison(told, CONFIG, 2, tmp_path / "two")} == {
        True
    }


def test_finished_runs_are_not_trained_again(tmp_path: Path) -> None:
    whole = run_comparison(comparison(BOTH), CONFIG, 1, tmp_path)
    tasks: list[Points] = []
    finished: list[tuple[str, int]] = []
    assert run_comparison(comparison(BOTH, tasks, finished), CONFIG, 1, tmp_path) == whole
    assert all(task.seen == [] for task in tasks)
    assert finished == [("normal", 0), ("adaptive", 0)]  # samples are made anew


class Clock:
    """Time that passes only where the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def timed_contest(clock: Clock, update: float, evaluation: float) -> Comparison:
    class Slow(Points):
        def losses(self, *args: Any) -> Losses:
            clock.now += update
            return super().losses(*args)

    def slow_evaluate(denoiser: nn.Module) -> dict[str, float]:
        clock.now += evaluation
        return evaluate(denoiser)

    return Comparison(Slow, BOTH, slow_evaluate, lambda *_: None, device="cpu")


@pytest.mark.parametrize(
    ("update", "evaluation", "seconds"), [(0.01, 0.5, 60), (0.1, 0.01, 200), (0.001, 1.0, 90)]
)
def test_a_budget_is_used_and_not_exceeded(
    monkeypatch: pytest.MonkeyPatch, update: float, evaluation: float, seconds: float
) -> None:
    """On a clock on which updates and evaluations cost what they are said to cost."""
    clock, runs = Clock(), 3
    monkeypatch.setattr(compare, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    found = steps_within(timed_contest(clock, update, evaluation), CONFIG, runs, seconds)
    measuring = clock.now
    assert found % EVALUATIONS == 0
    # Samples are counted as two evaluations.
    total = measuring + runs * (found * update + (EVALUATIONS + 2) * evaluation)
    planned = PLANNED * seconds
    assert total <= planned
    assert total + runs * EVALUATIONS * update > planned - 1e-6


def test_a_budget_that_is_too_short_says_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(compare, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    slow = timed_contest(clock, 0.1, 1.0)
    with pytest.raises(InputError, match=r"--budget 20s is too short .* or --steps") as caught:
        steps_within(slow, CONFIG, 2, 20)
    enough = float(str(caught.value).split("give at least ")[1].split("s")[0])
    assert steps_within(slow, CONFIG, 2, enough) >= 60


def test_measuring_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network that is timed is a throwaway: the comparison after it is the same as without."""
    clock = Clock()
    monkeypatch.setattr(compare, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    expected: list[Arm] = run_comparison(comparison(BOTH), CONFIG, 1, tmp_path / "one")
    timed = timed_contest(clock, 0.001, 0.1)
    steps_within(timed, CONFIG, 2, 60)
    assert run_comparison(timed, CONFIG, 1, tmp_path / "two") == expected


@pytest.mark.parametrize(("alone", "together", "good"), [(0.1, 0.05, 2), (0.1, 0.08, 1), (1, 9, 1)])
def test_more_threads_must_be_worth_it(
    monkeypatch: pytest.MonkeyPatch, alone: float, together: float, good: int
) -> None:
    """Updates cost `alone` seconds with one thread and `together` with two."""
    clock, threads = Clock(), [2]
    monkeypatch.setattr(compare, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: threads.__setitem__(0, n))

    class Timed(Points):
        def losses(self, *args: Any) -> Losses:
            clock.now += alone if threads[0] == 1 else together
            return super().losses(*args)

    comparison = Comparison(Timed, BOTH, evaluate, lambda *_: None, device="cpu")
    assert good_threads(comparison, CONFIG) == good
    assert threads == [2]
