"""Comparisons of schedules as benchmarks: run a domain's `compare`, then read its results.json.

Long ones run for hours, so what is finished stays in a folder of its own and is read again.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from infonoise_core.app.results import first_reached, times_fewer, with_error
from infonoise_core.errors import InputError
from report import Cell, Curve, Goal, Relation, Section, Table
from suite import WORK

QUICK_STEPS = 60


@dataclass(frozen=True)
class Aim:
    """A goal of a comparison: a number read from its results."""

    what: str
    read: Callable[["Outcome"], float]
    relation: Relation
    limit: float
    spec: str = ".2f"
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """name: of its folder.  command: the domain's program.  options: of its `compare`, without
    --out.  quick: options that replace those of the same name where it only has to run.
    """

    name: str
    title: str
    command: str
    options: Sequence[str]
    about: str = ""
    aims: Sequence[Aim] = ()
    quick: Sequence[str] = ()
    needs: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """The content of a results.json, with the readings that goals are made of."""

    results: Mapping[str, Any]
    seeds: int = field(init=False)

    def __post_init__(self) -> None:
        counts = {len(self.finals(name)) for name in self.schedules}
        object.__setattr__(self, "seeds", min(counts))

    @property
    def schedules(self) -> list[str]:
        return list(dict.fromkeys(arm["schedule"] for arm in self.results["arms"]))

    @property
    def measure(self) -> str:
        return str(self.results["measures"][0]["name"])

    @property
    def steps(self) -> float:
        return float(self.results["settings"]["train"]["steps"])

    def finals(self, schedule: str, measure: str | None = None) -> list[float]:
        """The measure after the last update, one value per seed."""
        name = measure or self.measure
        arms = [arm for arm in self.results["arms"] if arm["schedule"] == schedule]
        return [float(arm["evaluations"][-1][name]) for arm in arms]

    def curves(self) -> list[Curve]:
        """The first measure of every run at each of its evaluations."""
        name = self.measure
        return [
            Curve(
                arm["schedule"],
                arm["seed"],
                name,
                [at["step"] for at in arm["evaluations"]],
                [at[name] for at in arm["evaluations"]],
            )
            for arm in self.results["arms"]
        ]

    def reached(self, schedule: str) -> list[float]:
        """Updates to the best fixed schedule's final value per seed; inf for never."""
        steps = self.results["updates_to_best_fixed"][schedule]
        return [math.inf if step is None else float(step) for step in steps]

    def fewer_than(self, schedule: str, other: str) -> float:
        """How many times fewer steps `schedule` needs than `other` to the best fixed schedule's
        final value; where the other never gets there, than all it had: a lower bound.
        """
        theirs = fmean(min(step, self.steps) for step in self.reached(other))
        return theirs / fmean(self.reached(schedule))

    def fewer_to_where_it_ends(
        self, schedule: str, other: str, measure: str | None = None
    ) -> float:
        """How many times fewer steps `schedule` needs than `other` had to the value at which that
        one ends, on average over seeds; 0 where a seed never gets there.
        """
        name = measure or self.measure
        end = fmean(self.finals(other, name))
        arms = [arm for arm in self.results["arms"] if arm["schedule"] == schedule]
        steps = [first_reached(arm["evaluations"], name, end) for arm in arms]
        return self.steps / fmean(math.inf if step is None else step for step in steps)

    def worse_than_best_fixed(self, schedule: str) -> float:
        """Final measure over that of the best fixed schedule, minus 1."""
        return fmean(self.finals(schedule)) / float(self.results["best_fixed"]["value"]) - 1


def bench(comparison: Comparison, quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """The comparison's table, after running what is not there yet.

    Args:
        seed: Not used, a comparison has seeds of its own.
    """
    outcome = Outcome(results(comparison, quick, tick))
    table, goals = _table(comparison, outcome), _goals(comparison, outcome)
    return Section(comparison.title, [table], goals, outcome.curves())


def folder(comparison: Comparison, quick: bool) -> Path:
    """Where its runs, results and report are."""
    return WORK / (f"{comparison.name}-quick" if quick else comparison.name)


def results(comparison: Comparison, quick: bool, tick: Callable[[str], None]) -> dict[str, Any]:
    """The content of its results.json, after running what is not there yet."""
    if comparison.needs is not None and not comparison.needs.exists():
        raise InputError(
            f"{comparison.needs}: not there; the comparison {comparison.name} needs it"
        )
    out = folder(comparison, quick)
    file = out / "results.json"
    if not file.exists():
        options = [*comparison.options]
        if quick:
            options = _replaced(
                options, ["--steps", str(QUICK_STEPS), "--seeds", "1", *comparison.quick]
            )
        call(comparison.command, ["compare", *options, "--out", str(out)], tick)
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def call(command: str, arguments: Sequence[str], tick: Callable[[str], None]) -> None:
    """A domain's program in a process of its own, whose lines on progress are passed on."""
    module = f"{command.replace('-', '_')}.cli"
    line = ""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for line in process.stderr or ():
            tick(line.strip())
    if process.returncode:
        raise InputError(f"{command} {' '.join(arguments)}: {line.strip()}")


def _replaced(options: Sequence[str], others: Sequence[str]) -> list[str]:
    """Options with the values of some of them changed."""
    changed = dict(zip(others[::2], others[1::2], strict=True))
    out, skip = [], False
    for option in options:
        if not skip and option not in changed:
            out.append(option)
        skip = option in changed
    return [*out, *others]


def _table(comparison: Comparison, outcome: Outcome) -> Table:
    measures = outcome.results["measures"]
    best = outcome.results["best_fixed"]["schedule"]
    columns = [
        "schedule",
        *(m["label"] for m in measures),
        f"steps to {best}'s final",
        "times fewer",
    ]
    rows: list[list[Cell]] = []
    for schedule in outcome.schedules:
        finals = [with_error(outcome.finals(schedule, m["name"]), ".4f") for m in measures]
        rows.append([schedule, *finals, *_speed(outcome, schedule)])
    seeds = f"{outcome.seeds} seeds" if outcome.seeds > 1 else "one seed"
    command = " ".join([comparison.command, "compare", *comparison.options])
    return Table(
        f"{outcome.steps:.0f} steps, {seeds}",
        f"{comparison.about} `{command}`. ± is the standard error over seeds.".strip(),
        columns,
        rows,
    )


def _speed(outcome: Outcome, schedule: str) -> list[Cell]:
    reached = outcome.reached(schedule)
    there = [step for step in reached if math.isfinite(step)]
    if len(there) < len(reached):
        return ["never" if not there else f"{len(there)} of {len(reached)} seeds", None]
    return [with_error(there, ".0f"), times_fewer(outcome.steps, there)]


def _goals(comparison: Comparison, outcome: Outcome) -> list[Goal]:
    return [
        Goal(aim.what, aim.read(outcome), aim.relation, aim.limit, aim.spec, aim.note)
        for aim in comparison.aims
    ]
