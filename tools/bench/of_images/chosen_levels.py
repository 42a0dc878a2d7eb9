"""Levels chosen on a model against those of Karras et al., at equal calls and with each solver."""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from infonoise_core.app.results import with_error
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.choose import LevelChoice, choose_levels, levels_in
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import solve
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.energy import energy_distance
from infonoise_vision.evaluation.fid import frechet_distance
from infonoise_vision.sampling.trained import ImageRun
from of_images import vision_runs
from of_pretrained.strips import SHOWN, strip
from report import Cell, Goal, Section, Strip, Table
from suite import Tick

SOLVERS = {
    "euler": "Euler", "heun": "Heun", "dpmpp-2m": "DPM-Solver++(2M)", "deis": "DEIS",
    "unipc": "UniPC",
}  # fmt: skip
KARRAS, CHOSEN = "Karras", "chosen"
# Calls up to which levels are to win, and beyond which they are to lose nothing.
FEW = 10


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        steps: Of training.
        samples: Images of each of `seeds` noises, and `real` ones that they are compared with.
        examples: Training images that levels are chosen on.
        search: Calls that moving single levels may take.
    """

    steps: int = 1500
    calls: tuple[int, ...] = (5, 10, 20, 35)
    samples: int = 400
    seeds: int = 3
    real: int = 2000
    examples: int = 128
    search: int = 300


QUICK = Size(steps=20, calls=(5, 20), samples=32, seeds=2, real=64, examples=32, search=20)


@dataclass(frozen=True)
class Arm:
    """One solver and list at one number of calls.

    Attributes:
        made: Calls that it takes.
        frechet, energy: (seeds,) distances from real images.
        choice: Where the levels were chosen.
        seconds: Of the processor, that choosing took.
    """

    solver: str
    name: str
    calls: int
    sigmas: Tensor
    choice: LevelChoice | None = None
    seconds: float = 0.0
    frechet: list[float] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)
    made: list[int] = field(default_factory=list)


def section(quick: bool, seed: int, tick: Tick, size: Size | None = None) -> Section:
    """Every solver at every number of calls, by both lists from the same noises."""
    size = size or (QUICK if quick else Size())
    run = vision_runs.trained("levels", ["--network", "tiny"], quick, seed, tick, steps=size.steps)
    train, held_out = vision_runs.images_of(run)
    judge = vision_runs.classifier(train, tick)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed)).tolist()
    arms = _arms(run, train.x0(order[: size.examples]), size, tick)
    real = held_out.x0(slice(size.real)) / held_out.scale
    floor = Arm("real images", "–", 0, torch.ones(0))
    for number in range(size.seeds):
        rows = slice(size.examples + number * size.samples,
                     size.examples + (number + 1) * size.samples)  # fmt: skip
        _add(floor, train.x0(order[rows]) / train.scale, real, judge)
    for arm in arms:
        for number in range(size.seeds):
            tick(f"{arm.solver}, {arm.name}, {arm.calls} calls, noises {number}")
            x, calls = sampled(run, arm, size.samples, seed + number)
            arm.made.append(calls)
            _add(arm, x, real, judge)
    return Section(
        "Levels chosen on the model",
        [_distances(arms, floor, size, run.step), _choices(arms)],
        goals(arms),
        strips=_strips(run, arms, seed, real),
    )


def _arms(run: ImageRun, x0: Tensor, size: Size, tick: Tick) -> list[Arm]:
    low, high = run.channel.sigma_min, run.channel.sigma_max
    scale = run.objective.scale
    arms = []
    profile: EntropyRateProfile | None = None
    for solver in SOLVERS:
        for calls in size.calls:
            tick(f"choose levels for {calls} calls of {solver}")
            stock = karras_grid(levels_in(calls, solver), low, high)
            began = time.process_time()
            choice = choose_levels(
                run.denoiser, x0, run.channel, calls, solver, stock={KARRAS: stock},
                profile=profile, finish=partial(torch.clamp, min=-scale, max=scale),
                examples=size.examples, search=size.search, chunk=vision_runs.CHUNK,
            )  # fmt: skip
            seconds = time.process_time() - began
            profile = choice.profile
            arms += [
                Arm(solver, KARRAS, calls, stock),
                Arm(solver, CHOSEN, calls, choice.sigmas, choice, seconds),
            ]
    return arms


def sampled(run: ImageRun, arm: Arm, count: int, seed: int) -> tuple[Tensor, int]:
    """Images (count, c, h, w) between -1 and 1, and the calls that each took."""
    noise = torch.randn(count, *run.shape, generator=torch.Generator().manual_seed(seed))
    parts, calls = [], 0
    for part in torch.split(noise, vision_runs.CHUNK):
        made = solve(run.denoiser, float(arm.sigmas[0]) * part, arm.sigmas, arm.solver)
        parts.append(made.x / run.objective.scale)
        calls = made.nfe
    return torch.cat(parts).clamp(-1, 1), calls


def _add(arm: Arm, x: Tensor, real: Tensor, judge: Classifier) -> None:
    arm.frechet.append(frechet_distance(judge.features_of(real), judge.features_of(x)))
    arm.energy.append(energy_distance(x, real))


def _distances(arms: Sequence[Arm], floor: Arm, size: Size, steps: int) -> Table:
    measures = [f"fd_clf_{size.samples}", f"energy_{size.samples}"]
    rows: list[Sequence[Cell]] = [
        ["real images", "–", None, *_cells(floor), None],
    ]
    for karras, chosen in pairs(arms):
        rows.append([SOLVERS[karras.solver], KARRAS, karras.made[0], *_cells(karras), None])
        rows.append([SOLVERS[chosen.solver], _words(chosen), chosen.made[0], *_cells(chosen),
                     share(karras, chosen)])  # fmt: skip
    side = vision_runs.SIZE
    return Table(
        f"One run of {steps} steps on grey Fashion-MNIST at {side}x{side}",
        f"{size.samples} images from each of {size.seeds} seeds of noise, the same for all, against"
        f" {size.real} held-out ones: Fréchet distance in features of a classifier of the training"
        " images, and energy distance in pixels. ± is the standard error over seeds. Levels and"
        f" their start are chosen on {size.examples} training images, for the solver and its calls;"
        " the last column is their Fréchet distance over that of Karras et al.'s list with the same"
        " solver. The first row is of as many training images.",
        ["solver", "list", "calls", *measures, "over Karras'"],
        rows, {"over Karras'": ".2f"},
    )  # fmt: skip


def _words(arm: Arm) -> str:
    return f"{CHOSEN}: {KARRAS}" if arm.choice is not None and arm.choice.kept_stock else CHOSEN


def _cells(arm: Arm) -> list[Cell]:
    return [with_error(arm.frechet, ".3f"), with_error(arm.energy, ".4f")]


def _choices(arms: Sequence[Arm]) -> Table:
    rows: list[Sequence[Cell]] = []
    for arm in arms:
        if arm.choice is None:
            continue
        found = arm.choice
        rows.append([
            SOLVERS[arm.solver], arm.calls, found.best.name,
            found.best.error / found.stock.error, found.remaining, arm.seconds,
            " ".join(f"{sigma:.4g}" for sigma in found.sigmas.tolist()),
        ])  # fmt: skip
    return Table(
        "What was chosen",
        "The list, its distance from a fine solve over that of Karras et al.'s list on the examples"
        " (1 where that is kept), the nats that its start leaves out, the seconds of one core that"
        " choosing took (the profile is measured with the first), and the levels.",
        ["solver", "calls", "list", "error over Karras'", "nats left out", "seconds", "levels"],
        rows, {"error over Karras'": ".2f", "nats left out": ".2g", "seconds": ".0f"},
    )  # fmt: skip


def pairs(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """Karras' list and the chosen one of each solver and number of calls."""
    return list(zip(arms[::2], arms[1::2], strict=True))


def share(karras: Arm, chosen: Arm) -> float:
    """The Fréchet distance of the chosen levels over Karras'."""
    return statistics.fmean(chosen.frechet) / statistics.fmean(karras.frechet)


def goals(arms: Sequence[Arm]) -> list[Goal]:
    """At most 0.7 of Karras' distance at few calls, never worse at more."""
    found = []
    for karras, chosen in pairs(arms):
        name = f"{SOLVERS[karras.solver]}, {karras.calls} calls: Fréchet distance"
        if karras.calls <= FEW:
            found.append(Goal(f"{name} over Karras'", share(karras, chosen), "at most", 0.7, ".2f"))
        else:
            found.append(Goal(
                f"{name} above Karras', in standard errors of the difference",
                errors_above(chosen.frechet, karras.frechet), "at most", 2, ".1f",
            ))  # fmt: skip
    return found


def errors_above(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Mean difference over seeds of equal noise, in its standard errors; 0 for the same numbers."""
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    if not any(gaps):
        return 0.0
    error = statistics.stdev(gaps) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.nan
    return statistics.fmean(gaps) / error if error else math.copysign(math.inf, sum(gaps))


def _strips(run: ImageRun, arms: Sequence[Arm], seed: int, real: Tensor) -> list[Strip]:
    """At the fewest calls, each solver by both lists."""
    few = [arm for arm in arms if arm.calls == arms[0].calls]
    made = [
        strip(f"{SOLVERS[arm.solver]}, {arm.name}, {arm.calls} calls",
              sampled(run, arm, SHOWN, seed)[0])
        for arm in few
    ]  # fmt: skip
    return [*made, strip("real images", real)]
