"""The results of a comparison: one schema for all domains, as JSON and as a table."""

import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from infonoise_core.evaluation.measures import Measure
from infonoise_core.terminal import print_rows

FORMAT = "infonoise-results"
VERSION = 1
# Standard errors up to which a difference says nothing.
ERRORS = 2.0


@dataclass(frozen=True)
class Arm:
    """One schedule trained from one seed.

    Attributes:
        evaluations: Measures by `step`.
        density: (sigma, draws per unit log sigma) it ended with.
        profile: As its losses show it, `EntropyRateProfile.to_dict`.
        believed: The part of that profile's rate, bin by bin, that draws follow or would.
        examples: What each held-out example costs at the end: the first measure is their mean.
    """

    schedule: str
    fixed: bool
    seed: int
    evaluations: list[dict[str, float]]
    density: tuple[list[float], list[float]]
    status: str
    profile: dict[str, Any] | None = None
    believed: list[float] | None = None
    examples: list[float] | None = None


@dataclass(frozen=True)
class Difference:
    """How far the final measure of one schedule lies above that of another.

    Attributes:
        stderr: Standard error of the mean.
        examples: How many held-out examples of one seed were compared one by one, if they were.
    """

    mean: float
    stderr: float
    examples: int = 0

    @property
    def within_error(self) -> bool:
        """Whether it is no larger than two standard errors."""
        return abs(self.mean) <= ERRORS * self.stderr


@dataclass(frozen=True)
class Results:
    """What `compare` found.

    Attributes:
        measures: The first is the one that steps to a target are counted in.
        references: Name -> the first measure of what is no arm, on the same held-out examples.
    """

    data: dict[str, Any]
    settings: dict[str, Any]
    measures: list[Measure]
    arms: list[Arm]
    versions: dict[str, str]
    floors: dict[str, float] = field(default_factory=dict)
    references: dict[str, float] = field(default_factory=dict)

    @property
    def schedules(self) -> list[str]:
        """Names, in the order of the arms."""
        return list(dict.fromkeys(arm.schedule for arm in self.arms))

    def of(self, schedule: str) -> list[Arm]:
        """The arms of one schedule, one per seed."""
        return [arm for arm in self.arms if arm.schedule == schedule]

    def final(self, schedule: str, measure: str) -> list[float]:
        """The measure after the last update, one value per seed."""
        return [arm.evaluations[-1][measure] for arm in self.of(schedule)]

    def best_fixed(self) -> tuple[str, float] | None:
        """The fixed schedule with the best final value of the first measure, and that value.

        It is the mean over seeds.
        """
        name = self.measures[0].name
        fixed = dict.fromkeys(arm.schedule for arm in self.arms if arm.fixed)
        scores = {s: statistics.fmean(self.final(s, name)) for s in fixed}
        if not scores:
            return None
        best = min(scores, key=lambda s: (math.isnan(scores[s]), scores[s]))
        return best, scores[best]

    def difference(self, schedule: str, other: str) -> Difference | None:
        """The first measure at the end: `schedule` less `other`; None where no error is known.

        From several seeds the error is that of their differences, seed by seed, as runs of one seed
        share weights, batches and noises. From one it is that of the differences, example by
        example, on the same noises: what another seed would change is not in it. Where what single
        examples cost is not known, both errors count as independent, which is rather too much.
        """
        name = self.measures[0].name
        here, there = ({arm.seed: arm.evaluations[-1] for arm in self.of(s)}
                       for s in (schedule, other))  # fmt: skip
        seeds = sorted(here.keys() & there.keys())
        gaps = [here[seed][name] - there[seed][name] for seed in seeds]
        if not gaps or not all(map(math.isfinite, gaps)):
            return None
        if len(gaps) > 1:
            return Difference(statistics.fmean(gaps), statistics.stdev(gaps) / math.sqrt(len(gaps)))
        costs = [self._examples(s, seeds[0]) for s in (schedule, other)]
        paired = _paired_error(*costs)
        if paired is not None:
            return Difference(gaps[0], paired, len(costs[0]))
        errors = [side[seeds[0]].get(f"{name}_stderr", math.nan) for side in (here, there)]
        error = math.hypot(*errors)
        return Difference(gaps[0], error) if math.isfinite(error) else None

    def _examples(self, schedule: str, seed: int) -> list[float]:
        """What single examples cost, if that is known."""
        return next(arm.examples for arm in self.of(schedule) if arm.seed == seed) or []

    def updates_to_best_fixed(self, schedule: str) -> list[float | None]:
        """Steps until the best fixed schedule's final value was first reached, per seed.

        None for a seed that never reached it.
        """
        best = self.best_fixed()
        if best is None:
            return [None for _ in self.of(schedule)]
        return [
            first_reached(a.evaluations, self.measures[0].name, best[1]) for a in self.of(schedule)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The content of results.json."""
        best = self.best_fixed()
        return {
            "format": FORMAT,
            "version": VERSION,
            **asdict(self),
            "best_fixed": None if best is None else {"schedule": best[0], "value": best[1]},
            "updates_to_best_fixed": {s: self.updates_to_best_fixed(s) for s in self.schedules},
        }


def first_reached(
    evaluations: Sequence[Mapping[str, float]], measure: str, target: float
) -> float | None:
    """The step at which a falling measure first meets the target, linear between evaluations."""
    before: Mapping[str, float] | None = None
    for now in evaluations:
        if now[measure] <= target:
            if before is None or not math.isfinite(before[measure]):
                return float(now["step"])
            share = (before[measure] - target) / (before[measure] - now[measure])
            return before["step"] + share * (now["step"] - before["step"])
        before = now
    return None


def _paired_error(here: list[float], there: list[float]) -> float | None:
    """Standard error of the mean difference of the same examples; None where it is not known."""
    if len(here) != len(there) or len(here) < 2:
        return None
    error = statistics.stdev(a - b for a, b in zip(here, there, strict=True))
    return error / math.sqrt(len(here)) if math.isfinite(error) else None


def rows(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and one row per schedule and reference, as text, for the terminal and the report."""
    best = results.best_fixed()
    header = ["schedule", *(m.label for m in results.measures)]
    if best is not None:
        header += [f"steps to {best[0]}'s final", "times fewer"]
    body = []
    for schedule in results.schedules:
        row = [schedule]
        for measure in results.measures:
            row.append(_mean_and_error(results, schedule, measure.name))
        if best is not None:
            row += _speed(results, schedule, results.of(schedule)[0].evaluations[-1]["step"])
        body.append(row)
    for name, value in results.references.items():
        body.append([name, f"{value:.4f}", *["-"] * (len(header) - 2)])
    return header, body


def print_table(results: Results, console: Console | None = None) -> None:
    """The table on the terminal."""
    header, body = rows(results)
    title = f"{results.data['name']}: {results.settings['train']['steps']} steps each"
    # Titles are broken, numbers never: the usual table fits a terminal of 80 columns.
    widths = [max(12, *(len(row[i]) for row in body)) for i in range(len(header))]
    titles = ["\n".join(textwrap.wrap(t, width)) for t, width in zip(header, widths, strict=True)]
    print_rows(title, titles, body, console)


def with_error(values: Sequence[float], spec: str) -> str:
    """Mean over seeds, and its standard error where there are several."""
    mean = format(statistics.fmean(values), spec)
    if len(values) < 2:
        return mean
    return f"{mean} ± {format(statistics.stdev(values) / math.sqrt(len(values)), spec)}"


def times_fewer(total: float, steps: Sequence[float]) -> str:
    """All steps over the mean of those needed.

    The error follows that of the mean to first order.
    """
    mean = statistics.fmean(steps)
    text = f"{total / mean:.2f}"
    if len(steps) < 2:
        return text
    relative = statistics.stdev(steps) / math.sqrt(len(steps)) / mean
    return f"{text} ± {total / mean * relative:.2f}"


def _mean_and_error(results: Results, schedule: str, name: str) -> str:
    values = results.final(schedule, name)
    if len(values) > 1:
        return with_error(values, ".4f")
    error = results.of(schedule)[0].evaluations[-1].get(f"{name}_stderr", math.nan)
    return f"{values[0]:.4f}" if math.isnan(error) else f"{values[0]:.4f} ± {error:.4f}"


def _speed(results: Results, schedule: str, total: float) -> list[str]:
    reached = results.updates_to_best_fixed(schedule)
    steps = [s for s in reached if s is not None]
    if len(steps) < len(reached):
        never = "never" if not steps else f"{len(steps)} of {len(reached)} seeds"
        return [never, "-"]
    return [with_error(steps, ".0f"), times_fewer(total, steps)]
