"""Paired translation, plain and in stages, at equal parameters and training time.

Time is that of the processor, so that what else the machine does takes no part in it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

import comparisons
from infonoise_core.errors import InputError
from infonoise_core.training.progress import Silent
from infonoise_vision import domain
from infonoise_vision.data.images import Parts, load_split
from infonoise_vision.evaluation.bound import fixed_part
from infonoise_vision.evaluation.energy import energy_of_sets
from infonoise_vision.evaluation.generated import Plan, draw_plan, plan
from infonoise_vision.evaluation.pairs import (
    Nats,
    drawn_again,
    figures,
    pair_information,
    spread,
)
from infonoise_vision.methods.options import ImageOptions, Objective
from infonoise_vision.sampling.trained import ImageRun
from of_images import vision_runs
from of_images.stages import step_seconds
from of_pretrained.strips import strip
from report import Cell, Goal, Section, Strip, Table
from suite import WORK, Tick

SYSTEMS = {"plain": "none", "staged": "1"}
# Processor seconds of training, inputs of each measure, images of each, noise levels of Heun's
# solver, images of the bound.
SECONDS, INPUTS, DRAWS, STEPS, BOUND = 25.0, 128, 4, (9, 18), 128
_BATCH, _SHOWN, _NETWORK = 128, 10, "tiny"
# Of each part, at most.
_IMAGES = 10000
_KEYS = (("x_train", "y_train", "pairs"), ("x_test", "y_test", "pairs_test"))
# Of the greatest slope that there can be: what is steeper is an edge.
_EDGE = 0.25


@dataclass(frozen=True)
class Kind:
    """A task.

    Attributes:
        title: In words.
        data: Where the images are.
        size: Their side.
        pair: Images (n, c, h, w) of bytes -> what they are drawn from.
    """

    name: str
    title: str
    data: Path
    size: int
    pair: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def edges(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Black and white (n, 1, h, w): where Sobel's filter finds a slope."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    filters = torch.stack([across, across.T])[:, None] / (4 * 255)
    padded = functional.pad(torch.from_numpy(images).float(), (1, 1, 1, 1), mode="replicate")
    slope = functional.conv2d(padded, filters).square().sum(1, keepdim=True).sqrt()
    found: NDArray[np.uint8] = (slope > _EDGE).numpy().astype(np.uint8)
    return 255 * found


def grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey (n, 1, h, w) of colours, by ITU-R BT.601."""
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]
    luma: NDArray[np.uint8] = (images * weights).sum(1, keepdims=True).round().astype(np.uint8)
    return luma


KINDS = {
    "edges": Kind(
        "edges", "Edges to Fashion-MNIST at 14x14", vision_runs.DATA, 14, edges
    ),
    "colours": Kind(
        "colours", "Grey to colour CIFAR-10 (JPEG) at 16x16",
        Path("../shared/data/vision/cifar10-jpeg"), 16, grey,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One system at one number of levels.

    Attributes:
        one, best: Root mean square difference of a draw, and of the nearest of DRAWS.
        apart: Of two draws.
        milliseconds: Of one image.
    """

    one: float
    best: float
    apart: float
    milliseconds: float


def section(kind: Kind, quick: bool, seed: int, tick: Tick) -> Section:
    """Both systems, each trained for as long, at every number of levels."""
    data = _data(kind, quick, tick)
    parts = domain.DOMAIN.load(str(data), ImageOptions(Objective(condition="pair")))
    inputs = vision_runs.SAMPLES_QUICK if quick else INPUTS
    chosen = plan(parts.train, parts.held_out, inputs, seed, completing=True)
    rows: list[Sequence[Cell]] = []
    found: dict[tuple[str, int], Point] = {}
    nats: dict[str, Nats] = {}
    shown: list[Strip] = []
    for name, stages in SYSTEMS.items():
        run = _trained(kind, data, parts, stages, quick, tick)
        tick(f"{name}: what the pairs say")
        nats[name] = _information(run, parts)
        for levels in STEPS:
            tick(f"{name}, {levels} levels")
            cells, found[name, levels], drawn = _measured(run, chosen, levels)
            gain = f"{nats[name].value:.0f} ± {nats[name].stderr:.0f}"
            rows.append([name, run.step, levels, *cells, gain])
        shown += [strip(f"{name}, draw {i + 1}", drawn[:_SHOWN, i]) for i in range(2)]
    truth = parts.held_out.x0(chosen.rows[:_SHOWN])
    pair = parts.held_out.given(chosen.rows[:_SHOWN])
    assert pair is not None
    shown = [strip("given", pair), strip("true", truth), *shown]
    table = _table(kind, rows, inputs)
    return Section(kind.title, [table], _goals(found, nats), strips=shown)


def _data(kind: Kind, quick: bool, tick: Tick) -> Path:
    """An archive of images with their pairs."""
    if not kind.data.exists():
        raise InputError(f"{kind.data}: not there; this benchmark needs it")
    out = WORK / f"vision-pairs-{kind.name}{'-quick' if quick else ''}.npz"
    if not out.exists():
        tick("pairs")
        limit = 300 if quick else _IMAGES
        arrays: dict[str, NDArray[np.generic]] = {}
        both = load_split(kind.data, size=kind.size, limit=limit)
        for images, (x, y, pairs) in zip(both, _KEYS, strict=True):
            assert images.labels is not None
            pixels = np.asarray(images.pixels, np.uint8)
            arrays |= {x: pixels, pairs: kind.pair(pixels)}
            arrays[y] = np.array(images.classes)[images.labels]
        out.parent.mkdir(parents=True, exist_ok=True)
        np.savez(out, **arrays)  # type: ignore[arg-type]
    return out


def _trained(
    kind: Kind, data: Path, parts: Parts, stages: str, quick: bool, tick: Tick
) -> ImageRun:
    """A run of SECONDS; its steps are those that take as long, as some steps now say."""
    out = WORK / f"vision-pairs-{kind.name}-{stages}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        objective = Objective(condition="pair", stages=stages, network=_NETWORK)
        steps = 20 if quick else round(SECONDS / step_seconds(parts, objective))
        comparisons.call(
            "infonoise-vision",
            ["train", str(data), "--out", str(out), "--condition", "pair", "--stages", stages,
             "--network", _NETWORK,
             "--schedule", "edm", "--steps", str(steps), "--batch-size", str(_BATCH),
             "--eval-every", "0", "--device", "cpu"],
            lambda line: tick(f"--stages {stages}: {line}"),
        )  # fmt: skip
    return domain.open_run(out, "cpu")


def _information(run: ImageRun, parts: Parts) -> Nats:
    part, null = fixed_part(parts.held_out, BOUND), {"withheld": run.null()["withheld"]}
    span = run.objective.span
    return pair_information(run.denoiser, part, parts.train, span, run.conditioning, null)


def _measured(run: ImageRun, chosen: Plan, levels: int) -> tuple[list[Cell], Point, Tensor]:
    config = vision_runs.sampler(0, levels, "karras", "heun")
    began = time.process_time()
    first = draw_plan(run, chosen, config, Silent(), condition=run.condition(), rounded=True)
    spent = 1000 * (time.process_time() - began) / first.n
    drawn, truth = drawn_again(run, chosen, first, config, DRAWS, Silent())
    of = figures(spread(drawn, truth))
    energy = energy_of_sets(first.generated, first.reference)
    point = Point(of.one, of.best, of.apart, spent)
    return [
        first.nfe, spent, of.one, of.best, of.apart, of.psnr_best, energy
    ], point, drawn  # fmt: skip


def _table(kind: Kind, rows: Sequence[Sequence[Cell]], inputs: int) -> Table:
    columns = [
        "system", "training steps", "levels", "calls", "ms per image", "RMSE", f"best of {DRAWS}",
        "apart", f"PSNR, best of {DRAWS}", f"energy_{inputs}", "I(image; pair), nats",
    ]  # fmt: skip
    formats = dict(zip(columns[4:10], (".1f", *[".3f"] * 3, ".1f", ".3f"), strict=True))
    return Table(
        kind.title,
        f"{SECONDS:.0f} seconds of processor time of training each, on one core, the network tiny;"
        f" {inputs} held-out pairs, {DRAWS} images of each by Heun's solver. RMSE: of an image from"
        " the true one, pixels from -1 to 1; beside it that of the nearest, and of two images of"
        " one pair from each other, which for the true posterior is that from the true one."
        " The energy distance of the first draws, in pixels, is from training images. The last"
        f" column is what the likelihood bound of {BOUND} held-out images falls by when the pair is"
        " given; a staged network is not given it for details above their birth.",
        columns, rows, formats,
    )  # fmt: skip


def _goals(found: dict[tuple[str, int], Point], nats: dict[str, Nats]) -> list[Goal]:
    plain, staged = (found[name, STEPS[-1]] for name in SYSTEMS)
    return [
        Goal("Staged: times less time an image, at equal levels",
             plain.milliseconds / staged.milliseconds, "at least", 2, ".2f"),
        Goal(f"Staged: RMSE of the best of {DRAWS} over the plain system's",
             staged.best / plain.best, "at most", 1.05, ".3f"),
        *(Goal(f"{name}: two images of one pair from each other over one from the true one",
               point.apart / point.one, "between", 0.8, ".3f", upper=1.1,
               note="1 for the true posterior.")
          for name, point in zip(SYSTEMS, (plain, staged), strict=True)),
        Goal("plain: what the pair says of the image, in nats", nats["plain"].value, "at least", 50,
             ".0f"),
    ]  # fmt: skip
