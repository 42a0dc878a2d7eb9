"""Solvers and noise levels at equal calls of the denoiser, from one run on images."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from infonoise_core.errors import InputError
from infonoise_core.training.progress import Silent
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.energy import energy_of_sets
from infonoise_vision.evaluation.fid import frechet_distance, kernel_distance
from infonoise_vision.evaluation.generated import Drawn, count, draw, features
from of_images import vision_runs
from report import Cell, Goal, Section, Table
from suite import Tick

SOLVERS = {"euler": "Euler", "heun": "Heun", "dpmpp-2m": "DPM-Solver++(2M)"}
GRIDS = {"karras": "Karras", "entropic": "entropic", "rescaled-entropic": "rescaled entropic"}
CALLS, CALLS_QUICK = (5, 10, 20, 35, 80), (5, 10)


@dataclass(frozen=True)
class Quality:
    """Distances of generated images from real ones."""

    frechet: float
    kernel: float
    energy: float


def section(quick: bool, seed: int, tick: Tick) -> Section:
    """Every solver on every grid at every number of calls."""
    run = vision_runs.trained("free", [], quick, seed, tick)
    images, held_out = vision_runs.images_of(run)
    judge = vision_runs.classifier(images, tick)
    samples = vision_runs.SAMPLES_QUICK if quick else vision_runs.SAMPLES
    calls = CALLS_QUICK if quick else CALLS
    rows: list[Sequence[Cell]] = []
    found: dict[tuple[str, str, int], Quality] = {}
    for solver in SOLVERS:
        for target in calls:
            for grid in GRIDS:
                tick(f"{solver}, {grid}, {target} calls")
                config = vision_runs.sampler(seed, levels(solver, target), grid, solver)
                drawn = draw(run, images, held_out, samples, config, Silent())
                if not rows:
                    rows.append(["real images", "–", None, *_cells(floor(drawn, judge))])
                quality = found[solver, grid, target] = generated(drawn, judge)
                rows.append([SOLVERS[solver], GRIDS[grid], drawn.nfe, *_cells(quality)])
    table = _table(rows, samples, run.step)
    return Section("Samplers", [table], _goals(found, calls, samples))


def levels(solver: str, calls: int) -> int:
    """The most noise levels that keep to so many calls: Heun makes two for each but the last."""
    return (calls + 1) // 2 if solver == "heun" else calls


def generated(drawn: Drawn, judge: Classifier) -> Quality:
    """Of what was generated."""
    return _quality(drawn.generated, drawn.reference, judge)


def floor(drawn: Drawn, judge: Classifier) -> Quality:
    """Of as many training images from the held-out ones; InputError where there are fewer."""
    if drawn.other is None:
        raise InputError(f"{drawn.n} training images are needed, and there are fewer")
    return _quality(drawn.other, drawn.reference, judge)


def _quality(images: ImageSet, reference: ImageSet, judge: Classifier) -> Quality:
    real, other = (features(part, judge.features_of) for part in (reference, images))
    return Quality(
        frechet_distance(real, other),
        kernel_distance(real, other)[0],
        energy_of_sets(images, reference),
    )


def _cells(quality: Quality) -> list[Cell]:
    return [quality.frechet, quality.kernel, quality.energy]


def _table(rows: Sequence[Sequence[Cell]], samples: int, steps: int) -> Table:
    n = count(samples)
    measures = [f"fd_clf_{n}", f"kid_clf_{n}", f"energy_{n}"]
    size = vision_runs.SIZE
    return Table(
        f"One run of {steps} steps on grey Fashion-MNIST at {size}x{size}",
        f"{samples} images from the same starting noise against {samples} held-out ones: Fréchet"
        " and kernel distance in features of a classifier of the training images, and energy"
        " distance in pixels. The first row is what as many training images give: nothing can be"
        " expected below it. Calls of the denoiser are counted; Heun's number is always odd.",
        ["solver", "grid", "calls", *measures],
        rows,
        {measures[0]: ".3f", measures[1]: ".4f", measures[2]: ".4f"},
    )


def _goals(
    found: dict[tuple[str, str, int], Quality], calls: Sequence[int], samples: int
) -> list[Goal]:
    measure = f"fd_clf_{count(samples)}"
    few = [n for n in calls if n <= 20]
    euler = geometric_mean(
        [
            found["euler", "rescaled-entropic", n].frechet / found["euler", "karras", n].frechet
            for n in few
        ]
    )
    least = min(quality.frechet for (_, _, n), quality in found.items() if n == max(calls))
    at = max(few)
    best = min(quality.frechet for (_, _, n), quality in found.items() if n == at)
    return [
        Goal(f"Euler, rescaled entropic grid: {measure} over Karras', mean ratio at"
             f" {', '.join(map(str, few))} calls", euler, "at most", 1, ".2f",
             "Published for first-order solvers (Stancevic et al. 2025)."),
        Goal(f"Best {measure} at {at} calls over the best at {max(calls)}", best / least,
             "at most", 1.1, ".2f"),
    ]  # fmt: skip
