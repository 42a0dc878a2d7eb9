"""The same images at other scales, where noise levels, preconditioning and laws follow them."""

from statistics import fmean

from infonoise_core.app.results import with_error
from infonoise_vision.data.images import load_split
from infonoise_vision.evaluation.energy import energy_distance
from infonoise_vision.methods.options import Objective
from of_images import trials
from of_images.trials import Arm, Trial
from report import Cell, Goal, Section, Table
from suite import Tick

SCALES = (0.1, 1.0, 10.0)
SCHEDULES = ("edm", "infonoise")
STEPS, STEPS_QUICK = 200, 12
SEEDS = 2
SAMPLES, LEVELS = 256, 10


def section(quick: bool, seed: int, tick: Tick) -> Section:
    """Digits at each scale, from the same seeds."""
    images, held_out = load_split("digits", limit=300 if quick else None)
    steps = STEPS_QUICK if quick else STEPS
    samples = min(SAMPLES, len(held_out))
    real = held_out.x0(slice(samples))
    rows: list[list[Cell]] = []
    bits: dict[tuple[str, float], list[float]] = {}
    for name in SCHEDULES:
        arm = Arm(name, Objective(head="edm"), name)
        for scale in SCALES:
            trial = Trial(f"scale-{scale:g}", images, held_out, steps, looks=2, quick=quick)
            trial = trial.scaled(scale)
            seeds = range(seed, seed + (1 if quick else SEEDS))
            ran = [trials.run(trial, arm, repeat, tick) for repeat in seeds]
            far = [
                energy_distance(trials.drawn(one, trial, samples, seed, LEVELS), real)
                for one in ran
            ]
            bits[name, scale] = [one.bits for one in ran]
            unit = ran[0].objective.unit
            rows.append(
                [name, scale, unit, with_error(bits[name, scale], ".4f"), with_error(far, ".4f")]
            )
    table = Table(
        f"Digits, {steps} steps, {len(bits[SCHEDULES[0], 1.0])} seeds",
        "The default network and EDM's head on the same images times 0.1, 1 and 10, with no other"
        " option: the unit of the noise levels is the images' standard deviation over 0.5. ± is"
        " the standard error over seeds; rounding is all that differs between scales.",
        ["schedule", "scale", "unit", "bits per dim", f"energy_{samples}"],
        rows,
    )
    goals = [
        Goal(f"{name}: largest difference between scales, of one seed, over the bits per dim",
             _spread(bits, name), "at most", 0.01, ".2%")
        for name in SCHEDULES
    ]  # fmt: skip
    return Section("The same images at any scale", [table], goals)


def _spread(bits: dict[tuple[str, float], list[float]], name: str) -> float:
    """Of the seed that differs most."""
    spreads: list[float] = []
    for values in zip(*(bits[name, scale] for scale in SCALES), strict=True):
        spreads.append((max(values) - min(values)) / fmean(values))
    return max(spreads)
