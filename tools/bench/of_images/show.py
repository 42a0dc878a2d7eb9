"""Fashion-MNIST at its full 28x28 after half an hour of one core: images that one would show."""

from collections.abc import Sequence
from dataclasses import dataclass

import comparisons
from infonoise_core.training.progress import Silent
from infonoise_vision import domain
from infonoise_vision.data.images import ImageSet
from infonoise_vision.domain import DOMAIN
from infonoise_vision.evaluation.bound import LikelihoodBound, fixed_part
from infonoise_vision.evaluation.generated import count, draw
from infonoise_vision.methods.options import ImageOptions, Objective
from infonoise_vision.sampling.trained import ImageRun
from of_images import vision_runs
from of_images.picture_samplers import Quality, floor, generated
from of_images.stages import step_seconds
from of_pretrained.strips import SHOWN, strip
from report import Cell, Goal, Section, Strip, Table
from suite import WORK, Tick

# Processor seconds of training, images of each measure, noise levels of Heun's solver.
SECONDS, SAMPLES, LEVELS = 1500.0, 1000, 18
GRIDS = {"karras": "Karras", "rescaled-entropic": "rescaled entropic"}
# Rows of images that are shown, and images of the likelihood bound.
ROWS, BOUND = 4, 512
_BATCH, _NETWORK = 128, "tiny"
# Distance from held-out images over that of training images, at which a grid is one to show.
_NEAR = 10


@dataclass(frozen=True)
class Kind:
    """What is drawn.

    Attributes:
        title: In words.
        binarize: Threshold of black and white, as `--binarize` has it.
    """

    name: str
    title: str
    binarize: float | None = None


KINDS = {
    "grey": Kind("grey", "Grey Fashion-MNIST at 28x28"),
    "binarised": Kind("binarised", "Binarised Fashion-MNIST at 28x28", 0.5),
}


def section(kind: Kind, quick: bool, seed: int, tick: Tick) -> Section:
    """One run, its distances by each list of levels, and a grid."""
    run = _trained(kind, quick, seed, tick)
    images, held_out = vision_runs.images_of(run)
    judge = vision_runs.classifier(images, tick)
    samples = vision_runs.SAMPLES_QUICK if quick else SAMPLES
    rows: list[Sequence[Cell]] = []
    found: dict[str, Quality] = {}
    shown: list[Strip] = []
    for grid, words in GRIDS.items():
        tick(f"{words}: draws")
        config = vision_runs.sampler(seed, LEVELS, grid, "heun")
        drawn = draw(run, images, held_out, samples, config, Silent())
        if not rows:
            found["real"] = floor(drawn, judge)
            rows.append(["real images", None, *_cells(found["real"])])
            shown = _rows("held out", drawn.reference, 1)
        found[grid] = generated(drawn, judge)
        rows.append([f"Heun, {words}", drawn.nfe, *_cells(found[grid])])
        if grid == _first_best(found):
            kept = drawn.generated
    shown += _rows("drawn", kept, ROWS)
    tick("bits per dim")
    bound = LikelihoodBound(fixed_part(held_out, BOUND), images, *run.objective.span)
    bits = bound(run.denoiser)
    n = count(samples)
    best = min(found[grid].frechet for grid in GRIDS)
    table = Table(
        kind.title,
        f"{SECONDS:.0f} seconds of processor time of training on one core, {run.step} steps of"
        f" {_BATCH} under infonoise, the network {_NETWORK}: {bits.value:.3f} ± {bits.stderr:.3f}"
        f" bits per dim of {BOUND} held-out images. {samples} images on {LEVELS} levels against as"
        " many held-out ones: Fréchet and kernel distance in features of a classifier of the"
        " training images, energy distance in pixels. The first row is what as many training images"
        " give.",
        ["images", "calls", f"fd_clf_{n}", f"kid_clf_{n}", f"energy_{n}"],
        rows,
        {f"fd_clf_{n}": ".3f", f"kid_clf_{n}": ".4f", f"energy_{n}": ".4f"},
    )
    goal = Goal(
        f"{kind.title}: fd_clf_{n} over that of real images", best / found["real"].frechet,
        "at most", _NEAR, ".1f",
    )  # fmt: skip
    return Section(kind.title, [table], [goal], strips=shown)


def _first_best(found: dict[str, Quality]) -> str:
    """The list of levels with the least distance so far."""
    return min((g for g in GRIDS if g in found), key=lambda grid: found[grid].frechet)


def _trained(kind: Kind, quick: bool, seed: int, tick: Tick) -> ImageRun:
    """A run of SECONDS; its steps are those that take as long, as some steps now say."""
    out = WORK / f"vision-show-{kind.name}-{seed}{'-quick' if quick else ''}"
    if not (out / "done.json").exists():
        source = str(vision_runs.there())
        reading = [] if kind.binarize is None else ["--binarize", str(kind.binarize)]
        steps = 6 if quick else _steps(kind, source)
        if quick:
            few = WORK / f"vision-show-few-{kind.name}"
            if not few.exists():
                options = [source, "--limit", "300", "--out", str(few), *reading]
                comparisons.call("infonoise-vision", ["prepare", *options], tick)
            source, reading = str(few), []
        comparisons.call(
            "infonoise-vision",
            ["train", source, "--out", str(out), *reading, "--network", _NETWORK,
             "--schedule", "infonoise", "--steps", str(steps),
             "--batch-size", str(16 if quick else _BATCH), "--eval-every", "0",
             "--seed", str(seed), "--device", "cpu"],
            lambda line: tick(f"{kind.name}: {line}"),
        )  # fmt: skip
    return domain.open_run(out, "cpu")


def _steps(kind: Kind, source: str) -> int:
    options = ImageOptions(Objective(binarize=kind.binarize, network=_NETWORK))
    parts = DOMAIN.load(source, options)
    return round(SECONDS / step_seconds(parts, DOMAIN.settled(options, parts, {}).objective))


def _rows(name: str, images: ImageSet, rows: int) -> list[Strip]:
    return [
        strip(f"{name}, {i + 1}" if rows > 1 else name,
              images.x0(slice(i * SHOWN, (i + 1) * SHOWN)))
        for i in range(rows)
    ]  # fmt: skip


def _cells(quality: Quality) -> list[Cell]:
    return [quality.frechet, quality.kernel, quality.energy]
