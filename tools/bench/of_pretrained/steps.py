"""Noise levels measured on a model against those that Diffusers has, at equal calls."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.integrations.diffusers import channel, denoiser, levels_for
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import solve
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.energy import energy_distance
from infonoise_vision.evaluation.fid import frechet_distance
from of_images.vision_runs import classifier
from of_pretrained import foreign, stock
from of_pretrained.answers import (
    OURS,
    Arm,
    Far,
    best_stock,
    goals,
    levels_table,
    profile_table,
    quality_table,
    recommended,
)
from of_pretrained.foreign import Model
from of_pretrained.strips import SHOWN, strip
from report import Section, Strip
from suite import Tick

CALLS, CALLS_QUICK = (5, 10, 20), (5,)
# Images of each seed, real ones they are compared with, and those of the fine solve.
SEEDS, SAMPLES, REAL, FINE = 3, 400, 2000, 1000
SAMPLES_QUICK = 32
# Examples that levels are chosen on: training images.
EXAMPLES = 256
FINE_LEVELS = 40
_SOLVERS = {"euler": "Euler", "dpmpp-2m": "DPM-Solver++(2M)", "unipc": "UniPC"}


@dataclass(frozen=True)
class Setting:
    """Images (n, c, h, w) that others are compared with, and how many are made."""

    real: Tensor
    fine: Tensor
    judge: Classifier
    samples: int
    seeds: Sequence[int]

    def add(self, far: Far, made: Tensor) -> None:
        """The distances of images (n, c, h, w)."""
        features = self.judge.features_of
        far.real.append(energy_distance(made, self.real))
        far.fine.append(energy_distance(made, self.fine))
        far.frechet.append(frechet_distance(features(self.real), features(made)))


def section(model: Model, quick: bool, seed: int, tick: Tick) -> Section:
    """Everything stock, and measured levels, from the same noises."""
    train, held_out = foreign.images(model.data, quick)
    network, scheduler = foreign.trained(model, train, quick, tick)
    tick("fine solve")
    rng = torch.Generator().manual_seed(seed + 1000)
    order = torch.randperm(len(train), generator=rng).tolist()
    samples = SAMPLES_QUICK if quick else SAMPLES
    setting = Setting(
        held_out.x0(slice(REAL)),
        _fine(network, scheduler, train, samples if quick else FINE, rng),
        classifier(train, tick), samples, range(seed, seed + (1 if quick else SEEDS)),
    )  # fmt: skip
    arms = _arms(model, network, scheduler, train.x0(order[:EXAMPLES]), quick, tick)
    floor = Far()
    for number in range(len(setting.seeds)):
        rows = slice(EXAMPLES + number * samples, EXAMPLES + (number + 1) * samples)
        setting.add(floor, train.x0(order[rows]))
    for arm in arms:
        for number in setting.seeds:
            tick(f"{arm.solver}, {arm.name}, {arm.calls} calls, seed {number}")
            setting.add(arm.far, _made(arm, network, train, samples, number))
    profile = next(arm.choice.choice.profile for arm in arms if arm.choice is not None)
    return Section(
        model.title,
        [quality_table(arms, floor, samples), levels_table(arms), profile_table(profile)],
        goals(arms, floor),
        strips=_strips(arms, network, train, setting),
    )


def _fine(
    network: nn.Module, scheduler: Any, train: ImageSet, count: int, rng: torch.Generator
) -> Tensor:
    """What the model makes where steps are no question: Heun's solver on many levels."""
    space = channel(scheduler)
    levels = karras_grid(FINE_LEVELS, space.sigma_min, space.sigma_max)
    model = denoiser(network, scheduler)
    parts = []
    for part in torch.split(torch.randn(count, *train.shape, generator=rng), stock.CHUNK):
        with torch.no_grad():
            parts.append(solve(model, float(levels[0]) * part, levels, "heun").x)
    return torch.cat(parts).clamp(-1, 1)


def _arms(
    model: Model, network: nn.Module, scheduler: Any, x0: Tensor, quick: bool, tick: Tick
) -> list[Arm]:
    arms = []
    profile = None
    few: dict[str, Any] = {"examples": 32, "search": 20} if quick else {}
    for calls in CALLS_QUICK if quick else CALLS:
        for solver, name, made in stock.samplers(scheduler, model.flow, calls):
            arms.append(Arm(solver, name, calls, made))
        for solver in ("euler", "unipc") if model.flow else ("euler", "dpmpp-2m", "unipc"):
            tick(f"choose {calls} levels for {solver}")
            # The processor's time, which other work on the machine does not lengthen.
            began = time.process_time()
            found = levels_for(
                (network, scheduler), x0, calls, solver, profile=profile, chunk=stock.CHUNK, **few
            )
            profile = found.choice.profile
            seconds = time.process_time() - began
            name = _SOLVERS[solver]
            arms.append(Arm(name, OURS, calls, found.scheduler, found, seconds=seconds))
    return arms


def _made(arm: Arm, network: nn.Module, train: ImageSet, count: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, *train.shape, generator=rng)
    return stock.run(network, arm.scheduler, noise, arm.calls)


def _strips(
    arms: Sequence[Arm], network: nn.Module, train: ImageSet, setting: Setting
) -> list[Strip]:
    """At the fewest calls: the library's default, its best list, and the measured one."""
    calls = arms[0].calls
    chosen = [arms[0], best_stock(arms, calls, "real"), recommended(arms, calls)]
    shown = [
        strip(
            f"{arm.solver}, {arm.name}, {calls} calls",
            _made(arm, network, train, SHOWN, setting.seeds[0]),
        )
        for arm in chosen
    ]
    return [*shown, strip("fine solve", setting.fine), strip("real images", setting.real)]
