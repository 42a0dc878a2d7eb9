"""Tables and goals of levels measured on a model."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infonoise_core.app.results import with_error
from infonoise_core.integrations.diffusers import LevelsFor
from infonoise_core.profiles.profile import EntropyRateProfile
from report import Cell, Goal, Table

OURS = "measured"


@dataclass(frozen=True)
class Far:
    """Distances over seeds, each (seeds,): in pixels from real images and from what the model makes
    by a fine solve, and from real ones in features of a classifier.
    """

    real: list[float] = field(default_factory=list)
    fine: list[float] = field(default_factory=list)
    frechet: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Arm:
    """One solver and list at one number of calls, and how far it was.

    Attributes:
        scheduler: Of Diffusers, which makes so many calls.
        choice: Where the list was measured.
        seconds: Of the processor, that choosing took.
    """

    solver: str
    name: str
    calls: int
    scheduler: Any
    choice: LevelsFor | None = None
    far: Far = field(default_factory=Far)
    seconds: float = 0.0


def quality_table(arms: Sequence[Arm], floor: Far, samples: int) -> Table:
    """Every arm's distances; the first row is of real images."""
    rows: list[Sequence[Cell]] = [["real images", "–", None, *_cells(floor)]]
    rows += [[arm.solver, arm.name, arm.calls, *_cells(arm.far)] for arm in arms]
    return Table(
        "Distances",
        f"{samples} images by the library's own loop from each of {len(floor.real)} seeds of noise,"
        " the same for all: energy distance in pixels from held-out images and from what the model"
        " makes by a fine solve, and Fréchet distance from held-out images in features of a"
        f" classifier of the training images. ± is the standard error over seeds. '{OURS}' are the"
        " levels chosen on 256 training images, the others what the library offers. The first row"
        " is of as many training images.",
        ["solver", "list", "calls", "energy (real)", "energy (fine solve)",
         f"fd_clf_{samples}"],
        rows,
    )  # fmt: skip


def _cells(far: Far) -> list[Cell]:
    return [
        with_error(far.real, ".4f"),
        with_error(far.fine, ".4f"),
        with_error(far.frechet, ".3f"),
    ]


def levels_table(arms: Sequence[Arm]) -> Table:
    """What was chosen, and what choosing took."""
    rows: list[Sequence[Cell]] = []
    for arm in arms:
        if arm.choice is None:
            continue
        found = arm.choice.choice
        levels = " ".join(f"{sigma:.4g}" for sigma in found.sigmas.tolist())
        share = found.best.error / found.stock.error
        rows.append([
            arm.solver, arm.calls, found.best.name, share, found.stock.name, found.remaining,
            arm.seconds, levels,
        ])  # fmt: skip
    return Table(
        "Levels chosen",
        "What the choice took, its error over that of the best stock list of the same solver (both"
        " from a fine solve, on the examples), the nats that its start leaves out, and the"
        " seconds of one core that choosing took; the profile is measured with the first.",
        ["solver", "calls", "list", "error over stock's", "best stock", "nats left out", "seconds",
         "levels"],
        rows, {"seconds": ".0f", "error over stock's": ".2f"},
    )  # fmt: skip


def profile_table(profile: EntropyRateProfile) -> Table:
    """The measured profile, for the picture."""
    rows = [
        [float(sigma), float(rate)]
        for sigma, rate in zip(profile.sigma.tolist(), profile.rate.tolist(), strict=True)
    ]
    return Table(
        "Profile", "Of the model on the examples, in nats per unit log sigma and image.",
        ["sigma", "rate"], rows, {"sigma": ".3g", "rate": ".3g"},
    )  # fmt: skip


def recommended(arms: Sequence[Arm], calls: int) -> Arm:
    """Of the measured ones that of the least error when it was chosen, so before any comparison."""
    mine = [arm for arm in arms if arm.choice is not None and arm.calls == calls]
    return min(mine, key=lambda arm: arm.choice.choice.best.error if arm.choice else math.inf)


def best_stock(arms: Sequence[Arm], calls: int, measure: str) -> Arm:
    """The nearest of all stock solvers and lists."""
    stock = [arm for arm in arms if arm.choice is None and arm.calls == calls]
    return min(stock, key=lambda arm: statistics.fmean(getattr(arm.far, measure)))


def goals(arms: Sequence[Arm], floor: Far) -> list[Goal]:
    """Half of the best stock distance at few calls, no worse at 20."""
    found = []
    measures = {
        "real": ("energy distance from real images", 0.0),
        "fine": ("energy distance from the fine solve", 0.0),
        "frechet": ("Fréchet distance above that of real images", statistics.fmean(floor.frechet)),
    }
    for calls in dict.fromkeys(arm.calls for arm in arms):
        mine = recommended(arms, calls)
        for measure, (words, least) in measures.items():
            theirs = best_stock(arms, calls, measure)
            mean = statistics.fmean(getattr(mine.far, measure)) - least
            other = statistics.fmean(getattr(theirs.far, measure)) - least
            note = f"{mine.solver} against {theirs.solver}, {theirs.name}."
            ratio = mean / other if other > 0 else math.nan
            what = f"{calls} calls: {words}, over the best stock's"
            if calls <= 10:
                found.append(Goal(what, ratio, "at most", 0.5, ".2f", note))
            else:
                found.append(_never_worse(mine, theirs, measure, f"{calls} calls: {words}", note))
    return found


def _never_worse(mine: Arm, theirs: Arm, measure: str, words: str, note: str) -> Goal:
    """By more than chance: the same noises, so differences by seed."""
    pairs = zip(getattr(mine.far, measure), getattr(theirs.far, measure), strict=True)
    more = [a - b for a, b in pairs]
    error = statistics.stdev(more) / math.sqrt(len(more)) if len(more) > 1 else math.nan
    return Goal(
        f"{words}, above the best stock's in standard errors of the difference",
        statistics.fmean(more) / error, "at most", 2, ".1f", note,
    )  # fmt: skip
