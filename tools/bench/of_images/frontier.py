"""Bits against pictures: infonoise at several value exponents beside fixed laws."""

from dataclasses import dataclass
from statistics import fmean

import numpy as np

from infonoise_core.app.results import with_error
from infonoise_vision.data.images import ImageSet, load_split
from infonoise_vision.evaluation.fid import frechet_distance
from infonoise_vision.evaluation.generated import features
from infonoise_vision.methods.options import VALUES, Objective
from of_images import trials, vision_runs
from of_images.trials import Arm, Trial
from report import Cell, Goal, Section, Table
from suite import Tick

EXPONENTS = (0.0, 0.25, 0.5, 1.0)
FIXED = ("log-uniform", "edm", "logit-normal")
SEEDS = 3
# Levels of the sampler, Heun's, and images of the distance.
LEVELS, SAMPLES, SAMPLES_QUICK = 10, 1000, 40


@dataclass(frozen=True)
class Setting:
    """Data and network of one table.

    Attributes:
        title: Of the data.
        about: What a reader must know of the sizes.
    """

    name: str
    title: str
    network: str
    steps: int
    about: str


DIGITS = Setting("digits", "Digits, 8x8, 17 grey levels", "small", 400, "The default network")
GREY = Setting(
    "grey", "Grey Fashion-MNIST at 14x14", "tiny", 300,
    "The network tiny, half as wide as the default",
)  # fmt: skip


@dataclass(frozen=True)
class Point:
    """Bits per dim and Fréchet distance of a law, one of each seed."""

    name: str
    bits: list[float]
    frechet: list[float]

    def beats(self, other: "Point") -> bool:
        """Better in both, on average."""
        ours, theirs = self.place, other.place
        return ours[0] <= theirs[0] and ours[1] <= theirs[1]

    @property
    def place(self) -> tuple[float, float]:
        """Means over seeds."""
        return fmean(self.bits), fmean(self.frechet)


def section(setting: Setting, quick: bool, seed: int, tick: Tick) -> Section:
    """Every law from every seed, and the frontier that the exponents make."""
    images, held_out = _images(setting, quick)
    steps = 12 if quick else setting.steps
    trial = Trial(f"frontier-{setting.name}", images, held_out, steps, looks=2, quick=quick)
    arms = [
        Arm(name, Objective(network=setting.network, head="edm", weight="edm"), name)
        for name in (*(f"infonoise:{c:g}" for c in EXPONENTS), *FIXED)
    ]
    judge = vision_runs.classifier(images, tick)
    samples = min(SAMPLES_QUICK if quick else SAMPLES, len(held_out))
    real, floor = (
        features(part.take(np.arange(samples)), judge.features_of) for part in (held_out, images)
    )
    found = {arm.name: Point(arm.name, [], []) for arm in arms}
    for repeat in range(seed, seed + (1 if quick else SEEDS)):
        for arm in arms:
            ran = trials.run(trial, arm, repeat, tick)
            found[arm.name].bits.append(ran.bits)
            made = judge.features_of(trials.drawn(ran, trial, samples, seed, LEVELS))
            found[arm.name].frechet.append(frechet_distance(real, made))
    points = list(found.values())
    table = _table(setting, trial, points, samples, frechet_distance(real, floor))
    return Section(f"Bits against pictures: {setting.title}", [table], _goals(found, samples))


def _images(setting: Setting, quick: bool) -> tuple[ImageSet, ImageSet]:
    if setting is GREY:
        return trials.fashion(quick)
    return load_split("digits", limit=300 if quick else None)


def _table(
    setting: Setting, trial: Trial, points: list[Point], samples: int, floor: float
) -> Table:
    ours = [point for point in points if point.name.startswith("infonoise")]
    rows: list[list[Cell]] = [["real images", None, f"{floor:.3f}", None]]
    for point in points:
        better = [one.name for one in ours if point not in ours and one.beats(point)]
        rows.append(
            [point.name, with_error(point.bits, ".4f"), with_error(point.frechet, ".3f"),
             ", ".join(better) or None]
        )  # fmt: skip
    names = ", ".join(f"{name} {value:g}" for name, value in VALUES.items())
    return Table(
        f"{trial.steps} steps, {len(points[0].bits)} seeds",
        f"{setting.about}, EDM's head and weight, noise levels in the unit of the images. Bits per"
        f" dim of {trial.bound} held-out images, and the Fréchet distance of {samples} drawn ones"
        f" (Heun, {2 * LEVELS - 1} calls) from as many held-out in a classifier's features."
        " infonoise:c draws by the root of the rate over the loss weight to the power of c;"
        f" --favour says {names}. ± is the standard error over seeds; a fixed law is beaten by"
        " those that are better in both.",
        ["schedule", "bits per dim", f"fd_clf_{samples}", "beaten by"],
        rows,
    )


def _goals(found: dict[str, Point], samples: int) -> list[Goal]:
    bits, pictures = (found[f"infonoise:{VALUES[name]:g}"] for name in ("bits", "pictures"))
    uniform, best = found["log-uniform"], min(point.place[1] for point in found.values())
    return [
        Goal("--favour bits: bits per dim over log-uniform's, minus 1",
             bits.place[0] / uniform.place[0] - 1, "at most", -0.02, "+.1%"),
        Goal(f"--favour pictures: fd_clf_{samples} over the best of all",
             pictures.place[1] / best, "at most", 1.1, ".2f"),
    ]  # fmt: skip
