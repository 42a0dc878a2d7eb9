"""The context law and cross entropy on DNA, against what is transferred from images.

Each arm is a comparison of its own with one schedule, so that arms of different losses stand side
by side and each run is kept. Runs of one seed share initial weights, batches and noises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import comparisons
from comparisons import Comparison, Outcome
from infonoise_core.app.results import first_reached, with_error
from report import Cell, Curve, Goal, Section, Table
from suite import Tick

ENTROPY, SQUARED = "cross-entropy", "squared-error"
MEASURE = "bits_per_base"
# The best of six log-normals of a search on E. coli (docs/decisions.md).
SEARCHED = "log-normal:0.2:0.3"
RAISED = "4e-3"


@dataclass(frozen=True)
class Arm:
    """One schedule under one loss; `lr` as on the command line, the default where empty."""

    schedule: str
    loss: str
    lr: str = ""
    seeds: int = 3

    @property
    def name(self) -> str:
        """As in tables."""
        return f"{self.schedule}, {self.loss}" + (f", lr {self.lr}" if self.lr else "")


OURS, ORACLE, TRANSFERRED, RECIPE, FOUND = (
    Arm("infonoise", ENTROPY), Arm("iid-oracle", SQUARED), Arm("edm", ENTROPY),
    Arm("edm", SQUARED), Arm(SEARCHED, ENTROPY),
)  # fmt: skip
# What each is compared with: the words of a column.
AGAINST = {
    RECIPE: "the whole transferred recipe",
    TRANSFERRED: "EDM's law, all else ours",
    ORACLE: "the oracle of independent bases",
}
# In the order of what they are needed for; the last ones ask what the rate of learning does.
ARMS = (OURS, RECIPE, ORACLE, TRANSFERRED, FOUND)
TUNED = tuple(Arm(a.schedule, a.loss, RAISED, 1) for a in (RECIPE, ORACLE, OURS))


@dataclass(frozen=True)
class Study:
    """Arms on one set of sequences.

    Attributes:
        name: Of the folders of its runs.
        options: Of `compare`, without the arm's own.
    """

    name: str
    title: str
    options: Sequence[str]
    needs: Path
    arms: Sequence[Arm] = ARMS
    tuned: Sequence[Arm] = ()


def study(case: Study, quick: bool, seed: int, tick: Tick) -> Section:
    """Train what is not there yet; tables of ends and of ratios, and goals.

    Args:
        seed: Not used, runs have seeds of their own.
    """
    found = {
        arm: Outcome(comparisons.results(_comparison(case, arm), quick, tick))
        for arm in (*case.arms, *case.tuned)
    }
    arms = {arm: found[arm] for arm in case.arms}
    tables = [_ends(case, arms), _rates(case, found)] if case.tuned else [_ends(case, arms)]
    return Section(case.title, tables, _goals(arms), _curves(arms))


def times(outcome: Outcome, other: Outcome) -> list[float]:
    """Per seed: steps that `other` had, over those `outcome` needs to where that one ends.

    0 where it never gets there. Runs of one seed are paired.
    """
    ratios = []
    for own, theirs in zip(outcome.results["arms"], other.results["arms"], strict=False):
        step = first_reached(own["evaluations"], MEASURE, theirs["evaluations"][-1][MEASURE])
        ratios.append(0.0 if step is None else other.steps / step)
    return ratios


def _comparison(case: Study, arm: Arm) -> Comparison:
    own = ["--loss", arm.loss, "--schedules", arm.schedule, "--seeds", str(arm.seeds)]
    rate = ["--lr", arm.lr] if arm.lr else []
    name = "-".join([case.name, arm.schedule.replace(":", "_"), arm.loss, *rate[1:]])
    options = [*case.options, *own, *rate]
    return Comparison(name, case.title, "infonoise-bio", options, needs=case.needs)


def _ends(case: Study, arms: Mapping[Arm, Outcome]) -> Table:
    against = {words: arms[arm] for arm, words in AGAINST.items()}
    rows: list[list[Cell]] = []
    for arm, outcome in arms.items():
        ratios = [_ratio(times(outcome, other)) for other in against.values()]
        rows.append([arm.name, with_error(outcome.finals(arm.schedule, MEASURE), ".4f"), *ratios])
    command = " ".join(["infonoise-bio compare", *case.options])
    ours = arms[OURS]
    return Table(
        f"{ours.steps:.0f} steps, {ours.seeds} paired seeds",
        f"`{command}` with the loss, the schedule and the seeds of each row. Times fewer steps than"
        " the arm that heads a column had to where it ends, runs of one seed compared; ± is the"
        " standard error over seeds. The transferred recipe is EDM's law and the squared error; the"
        " oracle draws by the closed form of independent bases, with the squared error.",
        ["schedule and loss", "bits per base", *(f"x {words}" for words in against)],
        rows,
    )


def _rates(case: Study, found: Mapping[Arm, Outcome]) -> Table:
    """Ends of seed 0 at both learning rates."""
    rows: list[list[Cell]] = []
    for arm in case.tuned:
        plain = next(a for a in case.arms if (a.schedule, a.loss) == (arm.schedule, arm.loss))
        ends = [found[a].finals(a.schedule, MEASURE)[0] for a in (plain, arm)]
        rows.append([plain.name, *ends])
    columns = ["schedule and loss", "2e-3, the default", "4e-3"]
    return Table(
        "Learning rate",
        "Bits per base at the end, one seed: whether a gain is one of the learning rate.",
        columns,
        rows,
        dict.fromkeys(columns[1:], ".4f"),
    )


def _goals(arms: Mapping[Arm, Outcome]) -> list[Goal]:
    ours = arms[OURS]
    ends = {arm: outcome.finals(arm.schedule, MEASURE) for arm, outcome in arms.items()}
    goals = [
        Goal("infonoise: times fewer steps than the whole transferred recipe to where that ends",
             fmean(times(ours, arms[RECIPE])), "at least", 3, ".2f"),
        Goal("infonoise: times fewer steps than the oracle to where that ends",
             fmean(times(ours, arms[ORACLE])), "at least", 1.3, ".2f"),
    ]  # fmt: skip
    if FOUND in arms:
        worst = max(a / b for a, b in zip(ends[OURS], ends[FOUND], strict=False))
        goals.append(Goal("infonoise: final bits over those of a searched log-normal, worst seed",
                          worst, "at most", 1.01, ".4f"))  # fmt: skip
    return goals


def _curves(arms: Mapping[Arm, Outcome]) -> list[Curve]:
    return [
        Curve(arm.name, c.seed, c.measure, c.steps, c.values)
        for arm, outcome in arms.items()
        for c in outcome.curves()
    ]


def _ratio(values: Sequence[float]) -> str:
    if min(values) == 0:
        there = sum(value > 0 for value in values)
        return f"{there} of {len(values)} seeds" if there else "never"
    return with_error(values, ".2f")
