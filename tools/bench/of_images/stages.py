"""Staged diffusion against EDM's process: equal parameters and training time.

Time is that of the processor, so that what else the machine does takes no part in it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

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

_SHARED = Path("../shared/data/vision")
PLAIN = "EDM's process"
# Processor seconds of training, images of each measure, noise levels of Heun's solver.
SAMPLES, SAMPLES_QUICK, STEPS = 300, 16, (5, 9, 18, 27)
_BATCH = 128
# Steps between the corners of two patches of a photograph.
_STRIDE = 32


@dataclass(frozen=True)
class Kind:
    """What is learned.

    Attributes:
        title: In words.
        data: Where it is.
        seconds: Of the processor, that each system is trained for.
        batch: Images of a step.
    """

    side: int
    title: str
    data: Path
    seconds: float
    batch: int


KINDS = {
    32: Kind(32, "CIFAR-10 (JPEG) at 32x32", _SHARED / "cifar10-jpeg", 150.0, _BATCH),
    64: Kind(64, "64x64 patches of photographs", _SHARED / "kodak", 600.0, 32),
}


@dataclass(frozen=True)
class Point:
    """One system at one number of levels."""

    quality: Quality
    milliseconds: float
    calls: int


def systems(leads: Sequence[float]) -> dict[str, tuple[str, float]]:
    """Name -> --stages and --lead: EDM's process, and one in stages for each lead."""
    staged = {"staged" if lead == 1 else f"staged, lead {lead:g}": ("auto", lead) for lead in leads}
    return {PLAIN: ("none", 1.0), **staged}


def section(
    kind: Kind, seeds: int, leads: Sequence[float], quick: bool, seed: int, tick: Tick
) -> Section:
    """All systems, each trained for as long, at every number of levels.

    Args:
        kind: What is learned.
        seeds: Of training.
        leads: Of the systems in stages.
        quick: Two levels, one seed and hardly any training.
        seed: The first.
        tick: Says what is being done.
    """
    data = _data(kind, quick, tick)
    parts = domain.DOMAIN.load(str(data), ImageOptions(Objective()))
    judge = vision_runs.classifier(parts.train, tick)
    steps = STEPS[:2] if quick else STEPS
    samples = SAMPLES_QUICK if quick else SAMPLES
    rows: list[Sequence[Cell]] = []
    found: dict[tuple[str, int, int], Point] = {}
    for number in range(seed, seed + (1 if quick else seeds)):
        for name, (stages, lead) in systems(leads).items():
            run = _trained(kind, data, parts, stages, lead, number, quick, tick)
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
    return Section(
        "Stages" if kind.side == 32 else kind.title,
        [_table(kind, rows, samples)],
        _goals(found, steps),
    )


def _data(kind: Kind, quick: bool, tick: Tick) -> Path:
    """Images as `prepare` leaves them, or an archive of patches."""
    if not kind.data.exists():
        raise InputError(f"{kind.data}: not there; this benchmark needs it")
    small = "-quick" if quick else ""
    if kind.side == 64:
        out = WORK / f"vision-patches{small}.npz"
        if not out.exists():
            tick("patches")
            out.parent.mkdir(parents=True, exist_ok=True)
            files = sorted(kind.data.glob("*.png"))[: 3 if quick else None]
            stride = 3 * _STRIDE if quick else _STRIDE
            cut = patches([_photograph(path) for path in files], kind.side, stride)
            np.savez(out, **cut)  # type: ignore[arg-type]
        return out
    out = WORK / f"vision-cifar10{small}"
    if not out.exists():
        limit = "300" if quick else "20000"
        options = [str(kind.data), "--out", str(out), "--limit", limit]
        comparisons.call("infonoise-vision", ["prepare", *options], tick)
    return out


def patches(
    photographs: Sequence[NDArray[np.uint8]], side: int, stride: int
) -> dict[str, NDArray[np.generic]]:
    """Overlapping patches (n, 3, side, side) with the photograph's number as their class.

    Those of the rightmost three sides of each are held out, and none of training overlaps them.

    Args:
        photographs: (h, w, 3) each.
        side: Of a patch.
        stride: From one patch to the next.
    """
    parts: dict[str, list[NDArray[np.uint8]]] = {"train": [], "test": []}
    labels: dict[str, list[NDArray[np.str_]]] = {"train": [], "test": []}
    for i, pixels in enumerate(photographs):
        edge = pixels.shape[1] - 3 * side
        for name, band in (("train", pixels[:, :edge]), ("test", pixels[:, edge:])):
            views = np.lib.stride_tricks.sliding_window_view(band, (side, side), axis=(0, 1))
            found = views[::stride, ::stride].reshape(-1, 3, side, side)
            parts[name].append(found)
            labels[name].append(np.full(len(found), f"photograph {i + 1:02d}"))
    return {
        **{f"x_{name}": np.concatenate(rows) for name, rows in parts.items()},
        **{f"y_{name}": np.concatenate(rows) for name, rows in labels.items()},
    }


def _photograph(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _trained(
    kind: Kind,
    data: Path,
    parts: Parts,
    stages: str,
    lead: float,
    seed: int,
    quick: bool,
    tick: Tick,
) -> ImageRun:
    """A run of so many seconds; its steps are those that take as long, as some steps now say."""
    which = "" if kind.side == 32 else f"{kind.side}-"
    kept = f"{which}{stages}-{seed}" if lead == 1 else f"{which}{stages}-lead-{lead:g}-{seed}"
    out = WORK / f"vision-stages-{kept}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        batch = 8 if quick else kind.batch
        each = 0.0 if quick else step_seconds(
            parts, Objective(stages=stages, lead=lead), batch=batch
        )  # fmt: skip
        steps = 20 if quick else round(kind.seconds / each)
        comparisons.call(
            "infonoise-vision",
            ["train", str(data), "--out", str(out), "--stages", stages, "--lead", str(lead),
             "--schedule", "edm",
             "--steps", str(steps), "--batch-size", str(batch), "--eval-every", "0",
             "--seed", str(seed), "--device", "cpu"],
            lambda line: tick(f"--stages {stages} --lead {lead:g}, seed {seed}: {line}"),
        )  # fmt: skip
    return domain.open_run(out, "cpu")


def step_seconds(parts: Parts, objective: Objective, count: int = 6, batch: int = _BATCH) -> float:
    """Processor time of one training step."""
    options = ImageOptions(objective)
    task = DOMAIN.task(parts, options, 0)
    schedule = DOMAIN.schedules(parts, options)("edm", 1000)
    optimizer = torch.optim.AdamW(task.denoiser.parameters(), fused=True)
    spent = []
    for step in range(count):
        began = time.process_time()
        rows = (np.arange(batch) + step * batch) % len(task)
        images = task.batch(rows)
        u = schedule.sample(batch, generator=torch.Generator().manual_seed(step))
        losses = task.losses(
            task.denoiser, images, schedule.channel.sigma(u), torch.randn(images.x0.shape)
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


def _table(kind: Kind, rows: Sequence[Sequence[Cell]], samples: int) -> Table:
    columns = [
        "system", "seed", "training steps", "levels", "calls", "ms per image",
        f"fd_clf_{samples}", f"kid_clf_{samples}", f"energy_{samples}",
    ]  # fmt: skip
    formats = dict(zip(columns[5:], (".1f", ".2f", ".4f", ".3f"), strict=True))
    return Table(
        f"{kind.title}, the same network",
        f"{kind.seconds:.0f} seconds of processor time of training each, on one core; {samples}"
        " images by Heun's solver against as many held-out ones: Fréchet and kernel distance in"
        " features of a classifier of the training images, energy distance in pixels. A call in a"
        " coarse stage costs a quarter or a sixteenth of one at the full side. The first row is"
        " what as many training images give.",
        columns, rows, formats,
    )  # fmt: skip


def _goals(found: dict[tuple[str, int, int], Point], steps: Sequence[int]) -> list[Goal]:
    seeds = sorted({seed for _, seed, _ in found})
    names = [name for name in dict.fromkeys(name for name, _, _ in found) if name != PLAIN]
    return [
        Goal(f"{name.capitalize()}: times less time an image at the Fréchet distance that EDM's"
             " process has at its best number of levels, the least of the seeds",
             min(_gain(found, PLAIN, name, seed, steps) for seed in seeds), "at least", 2, ".2f",
             "0 where no number of levels reaches it.")
        for name in names
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
