"""EDM's head and the head of symbols on images of few grey levels, under several laws."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import torch

from infonoise_core.app.results import times_fewer, with_error
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.energy import energy_distance
from infonoise_vision.methods.options import Objective
from of_images import trials
from of_images.trials import MEASURE, Arm, Ran, Trial
from report import Cell, Curve, Goal, Section, Table
from suite import Tick

STEPS, STEPS_QUICK = 240, 12
SEEDS, SEEDS_MORE = 3, 1
NETWORK = "tiny"
# Generated and real images of the energy distance, and levels of the sampler.
SAMPLES, SAMPLES_QUICK, LEVELS = 256, 16, 10


def objective(head: str) -> Objective:
    """EDM's range for all, so that only head, loss and law differ."""
    return Objective(head=head, network=NETWORK, noise_unit=1.0)


RECIPE = Arm("EDM's head, loss and law", objective("edm"), "edm")
TRANSFERRED = Arm("symbols, EDM's law", objective("symbols"), "edm")
OURS = Arm("symbols, infonoise", objective("symbols"), "infonoise")
ARMS = (RECIPE, TRANSFERRED, OURS, Arm("symbols, iid-oracle", objective("symbols"), "iid-oracle"))
MORE = (4, 16)


def section(quick: bool, seed: int, tick: Tick) -> Section:
    """Two grey levels with every arm and three seeds."""
    binary = trial(2, quick)
    # A seed at a time, so that what is cut short is whole for the first.
    ran: dict[str, list[Ran]] = {arm.name: [] for arm in ARMS}
    for repeat in range(seed, seed + (1 if quick else SEEDS)):
        for arm in ARMS:
            ran[arm.name].append(trials.run(binary, arm, repeat, tick))
    table = _table(ran, binary, SAMPLES_QUICK if quick else SAMPLES, seed)
    whole, law = ratios(ran, RECIPE, OURS), ratios(ran, TRANSFERRED, OURS)
    goals = [
        Goal("Symbols and infonoise: times fewer steps than the whole EDM recipe to where it ends,"
             " mean over seeds", fmean(whole), "at least", 4, ".2f"),
        Goal("infonoise: times fewer steps than EDM's law on the same head to where it ends, mean"
             " over seeds", fmean(law), "at least", 1.5, ".2f"),
    ]  # fmt: skip
    return Section("A head of symbols", [table], goals, _curves(ran, seed))


def more_levels(quick: bool, seed: int, tick: Tick) -> Section:
    """More grey levels, with two arms and one seed."""
    more = {}
    for levels in MORE:
        grey = trial(levels, quick)
        for arm in (RECIPE, OURS):
            more[levels, arm.name] = (grey, trials.run(grey, arm, seed, tick))
    table = _more(more, SAMPLES_QUICK if quick else SAMPLES, seed)
    goals = [
        Goal(f"{levels} grey levels: bits per dim of symbols and infonoise over the whole EDM"
             " recipe's", more[levels, OURS.name][1].bits / more[levels, RECIPE.name][1].bits,
             "at most", 1, ".2f")
        for levels in MORE
    ]  # fmt: skip
    return Section("A head of symbols on more grey levels", [table], goals)


def trial(levels: int, quick: bool) -> Trial:
    """Fashion-MNIST at 14x14 in so many grey levels."""
    images, held_out = trials.fashion(quick, 0.5 if levels == 2 else None)
    if levels != 2:
        images, held_out = coarser(images, levels), coarser(held_out, levels)
    steps = STEPS_QUICK if quick else STEPS
    return Trial(f"heads-{levels}", images, held_out, steps, looks=20, bound=128, quick=quick)


def coarser(images: ImageSet, levels: int) -> ImageSet:
    """Bytes in equally wide grey levels."""
    pixels = (images.pixels.astype("int64") * levels // 256).astype("uint8")
    return replace(images, pixels=pixels, levels=levels)


def ratios(ran: dict[str, list[Ran]], other: Arm, ours: Arm) -> list[float]:
    """Of each seed: how many times fewer steps to where the other arm ends; 0 for never."""
    found = []
    for theirs, own in zip(ran[other.name], ran[ours.name], strict=True):
        step = own.reached(theirs.bits)
        found.append(0.0 if step is None else theirs.looks[-1]["step"] / step)
    return found


def _table(ran: dict[str, list[Ran]], binary: Trial, samples: int, seed: int) -> Table:
    rows: list[list[Cell]] = []
    for arm in ARMS:
        rows.append(
            [
                arm.name,
                with_error([one.bits for one in ran[arm.name]], ".4f"),
                *_speed(ran, RECIPE, arm),
                *_speed(ran, TRANSFERRED, arm),
                distance(ran[arm.name][0], binary, samples, seed),
            ]
        )
    seeds = len(ran[RECIPE.name])
    return Table(
        f"Binarised Fashion-MNIST at 14x14, {binary.steps} steps, {seeds} seeds",
        f"The network {NETWORK}, 128 images a step, the same range of noise levels for all: EDM's"
        " head, preconditioned and trained by squared error with EDM's weight, or the posterior of"
        " each pixel's level, trained by cross entropy with weight 1. Bits per dim of 128 held-out"
        " images; steps to where two of the arms end, of each seed to its own pair's, and how many"
        f" times fewer that is than they had. Energy distance of {samples} images of the first seed"
        f" (Heun, {2 * LEVELS - 1} calls). ± is the standard error over seeds.",
        ["arm", "bits per dim", "steps to the recipe's end", "times fewer",
         "steps to the end of EDM's law", "times fewer ", f"energy_{samples}"],
        rows,
        {f"energy_{samples}": ".4f"},
    )  # fmt: skip


def _speed(ran: dict[str, list[Ran]], other: Arm, arm: Arm) -> list[Cell]:
    pairs = zip(ran[other.name], ran[arm.name], strict=True)
    steps = [own.reached(theirs.bits) for theirs, own in pairs]
    there = [step for step in steps if step is not None]
    if arm == other or len(there) < len(steps):
        never = "never" if not there else f"{len(there)} of {len(steps)} seeds"
        return ["–" if arm == other else never, None]
    had = float(ran[other.name][0].looks[-1]["step"])
    return [with_error(there, ".0f"), times_fewer(had, there)]


def _more(ran: dict[tuple[int, str], tuple[Trial, Ran]], samples: int, seed: int) -> Table:
    rows: list[list[Cell]] = []
    for (levels, name), (grey, one) in ran.items():
        end = ran[levels, RECIPE.name][1].bits
        step = None if name == RECIPE.name else one.reached(end)
        fewer = None if step is None else f"{grey.steps / step:.2f}"
        rows.append([levels, name, one.bits, fewer, distance(one, grey, samples, seed)])
    return Table(
        f"More grey levels, {next(iter(ran.values()))[0].steps} steps, one seed",
        "The same on Fashion-MNIST rounded to 4 and 16 grey levels.",
        ["grey levels", "arm", "bits per dim", "times fewer", f"energy_{samples}"],
        rows,
        {"bits per dim": ".4f", f"energy_{samples}": ".4f"},
    )


def distance(one: Ran, data: Trial, samples: int, seed: int) -> float:
    """Energy distance of a run's images from held-out ones, rounded to the levels of the data."""
    images = trials.drawn(one, data, samples, seed, LEVELS)
    top = (data.images.levels or 256) - 1
    images = ((images + 1) / 2 * top).round() * 2 / top - 1
    order = torch.randperm(len(data.held_out), generator=torch.Generator().manual_seed(seed))
    real = data.held_out.x0(order[:samples]) / data.images.scale
    return energy_distance(images, real)


def _curves(ran: dict[str, list[Ran]], seed: int) -> Sequence[Curve]:
    return [
        Curve(
            arm.name,
            seed + place,
            MEASURE,
            [look["step"] for look in one.looks],
            [look[MEASURE] for look in one.looks],
        )
        for arm in ARMS
        for place, one in enumerate(ran[arm.name])
    ]
