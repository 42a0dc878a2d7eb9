"""Staged diffusion against EDM's process: equal parameters and training time, CIFAR-10 (JPEG).

Time is that of the processor, so that what else the machine does takes no part in it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

import comparisons
from infonoise_core.errors import InputError
from infonoise_core.training.progress import Silent
from infonoise_vision import domain
from infonoise_vision.data.images import Parts
from infonoise_vision.domain import DOMAIN
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.generated import draw
from infonoise_vision.methods.options import ImageOptions, Objective
from infonoise_vision.sampling.trained import ImageRun
from of_images import vision_runs
from of_images.picture_samplers import Quality, floor, generated
from report import Cell, Goal, Section, Table
from suite import WORK, Tick

DATA = Path("../shared/data/vision/cifar10-jpeg")
SYSTEMS = {"EDM's process": "none", "staged": "auto"}
# Processor seconds of training, images of each measure, noise levels of Heun's solver.
SECONDS, SAMPLES, STEPS = 150.0, 300, (5, 9, 18, 27)
SEEDS = 1
_BATCH = 128


@dataclass(frozen=True)
class Point:
    """One system at one number of levels."""

    quality: Quality
    milliseconds: float
    calls: int


def section(quick: bool, seed: int, tick: Tick) -> Section:
    """Both systems, each trained for as long, at every number of levels."""
    data = _data(quick, tick)
    parts = domain.DOMAIN.load(str(data), ImageOptions(Objective()))
    judge = vision_runs.classifier(parts.train, tick)
    steps = STEPS[:2] if quick else STEPS
    samples = vision_runs.SAMPLES_QUICK if quick else SAMPLES
    rows: list[Sequence[Cell]] = []
    found: dict[tuple[str, int, int], Point] = {}
    for number in range(seed, seed + (1 if quick else SEEDS)):
        for name, stages in SYSTEMS.items():
            run = _trained(data, parts, stages, number, quick, tick)
            for levels in steps:
                tick(f"{name}, seed {number}, {levels} levels")
                point = found[name, number, levels] = _point(run, parts, judge, levels, samples)
                q = point.quality
                rows.append([
                    name, number, run.step, levels, point.calls, point.milliseconds,
                    q.frechet, q.kernel, q.energy,
                ])  # fmt: skip
    config = vision_runs.sampler(seed, steps[0], "karras", "heun")
    drawn = draw(run, parts.train, parts.held_out, samples, config, Silent())
    real = floor(drawn, judge)
    rows.insert(
        0, ["real images", None, None, None, None, None, real.frechet, real.kernel, real.energy]
    )
    return Section("Stages", [_table(rows, samples)], _goals(found, steps))


def _data(quick: bool, tick: Tick) -> Path:
    if not DATA.exists():
        raise InputError(f"{DATA}: not there; this benchmark needs it")
    out = WORK / f"vision-cifar10{'-quick' if quick else ''}"
    if not out.exists():
        limit = "300" if quick else "20000"
        options = [str(DATA), "--out", str(out), "--limit", limit]
        comparisons.call("infonoise-vision", ["prepare", *options], tick)
    return out


def _trained(data: Path, parts: Parts, stages: str, seed: int, quick: bool, tick: Tick) -> ImageRun:
    """A run of SECONDS; its steps are those that take as long, as some steps now say."""
    out = WORK / f"vision-stages-{stages}-{seed}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        steps = 20 if quick else round(SECONDS / step_seconds(parts, Objective(stages=stages)))
        comparisons.call(
            "infonoise-vision",
            ["train", str(data), "--out", str(out), "--stages", stages, "--schedule", "edm",
             "--steps", str(steps), "--batch-size", str(_BATCH), "--eval-every", "0",
             "--seed", str(seed), "--device", "cpu"],
            lambda line: tick(f"--stages {stages}, seed {seed}: {line}"),
        )  # fmt: skip
    return domain.open_run(out, "cpu")


def step_seconds(parts: Parts, objective: Objective, count: int = 6) -> float:
    """Processor time of one training step."""
    options = ImageOptions(objective)
    task = DOMAIN.task(parts, options, 0)
    schedule = DOMAIN.schedules(parts, options)("edm", 1000)
    optimizer = torch.optim.AdamW(task.denoiser.parameters(), fused=True)
    spent = []
    for step in range(count):
        began = time.process_time()
        batch = task.batch(np.arange(_BATCH) + step * _BATCH)
        u = schedule.sample(_BATCH, generator=torch.Generator().manual_seed(step))
        losses = task.losses(
            task.denoiser, batch, schedule.channel.sigma(u), torch.randn(batch.x0.shape)
        )
        losses.loss.mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        spent.append(time.process_time() - began)
    # The first ones set memory up.
    return sum(spent[2:]) / (count - 2)


def _point(run: ImageRun, parts: Parts, judge: Classifier, levels: int, samples: int) -> Point:
    config = vision_runs.sampler(0, levels, "karras", "heun")
    began = time.process_time()
    drawn = draw(run, parts.train, parts.held_out, samples, config, Silent())
    spent = time.process_time() - began
    return Point(generated(drawn, judge), 1000 * spent / samples, drawn.nfe)


def _table(rows: Sequence[Sequence[Cell]], samples: int) -> Table:
    columns = [
        "system", "seed", "training steps", "levels", "calls", "ms per image",
        f"fd_clf_{samples}", f"kid_clf_{samples}", f"energy_{samples}",
    ]  # fmt: skip
    formats = dict(zip(columns[5:], (".1f", ".2f", ".4f", ".3f"), strict=True))
    return Table(
        "CIFAR-10 (JPEG) at 32x32, the same network",
        f"{SECONDS:.0f} seconds of processor time of training each, on one core; {samples} images"
        " by Heun's solver against as many held-out ones: Fréchet and kernel distance in features"
        " of a classifier of the training images, energy distance in pixels. A call in a coarse"
        " stage costs a quarter or a sixteenth of one at the full side. The first row is what as"
        " many training images give.",
        columns, rows, formats,
    )  # fmt: skip


def _goals(found: dict[tuple[str, int, int], Point], steps: Sequence[int]) -> list[Goal]:
    plain, staged = SYSTEMS
    gains = [
        _gain(found, plain, staged, seed, steps) for seed in sorted({seed for _, seed, _ in found})
    ]
    return [
        Goal("Staged: times less time an image at the Fréchet distance that EDM's process has at"
             " its best number of levels, the least of the seeds", min(gains), "at least", 2, ".2f",
             "0 where no number of levels reaches it."),
    ]  # fmt: skip


def _gain(
    found: dict[tuple[str, int, int], Point],
    plain: str,
    staged: str,
    seed: int,
    steps: Sequence[int],
) -> float:
    points = partial(_points, found, seed, steps)
    best = min(points(plain), key=lambda point: point.quality.frechet)
    reached = [p for p in points(staged) if p.quality.frechet <= best.quality.frechet]
    if not reached:
        return 0.0
    return best.milliseconds / min(point.milliseconds for point in reached)


def _points(
    found: dict[tuple[str, int, int], Point], seed: int, steps: Sequence[int], name: str
) -> list[Point]:
    return [found[name, seed, levels] for levels in steps]
