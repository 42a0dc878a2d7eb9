"""What a benchmark section hands back, and how its JSON is rendered as Markdown.

The page is made from the JSON alone, so a test can check that the two belong together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pictures import figures

Cell = str | int | float | bool | None
Relation = Literal["at most", "at least", "equal to", "between"]
# Enough to see any change that matters, few enough for quiet diffs.
_DIGITS = 6


@dataclass(frozen=True)
class Table:
    """about: one sentence on what was measured.  formats: column -> format specification of its
    numbers.  rows: one cell per column.
    """

    title: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Goal:
    """what: the measured number in words.  upper: the other limit of "between".  spec: the format
    of value and limits.  note: what a reader must know to judge it.
    """

    what: str
    value: float
    relation: Relation
    limit: float
    spec: str = ".3g"
    note: str = ""
    upper: float | None = None

    @property
    def met(self) -> bool:
        match self.relation:
            case "at most":
                return self.value <= self.limit
            case "at least":
                return self.value >= self.limit
            case "equal to":
                return self.value == self.limit
            case "between":
                return self.upper is not None and self.limit <= self.value <= self.upper


@dataclass(frozen=True)
class Curve:
    """A measure as training went on, of one schedule and seed; pictures are drawn from it.

    Attributes:
        steps, values: (k,) optimizer steps and the measure there.
    """

    schedule: str
    seed: int
    measure: str
    steps: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True)
class Strip:
    """A row of small images, for pictures.

    Attributes:
        shape: (height, width, channels).
        bytes: Of the pixels, in base64.
    """

    name: str
    shape: tuple[int, int, int]
    bytes: str


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    title: str
    tables: Sequence[Table]
    goals: Sequence[Goal]
    curves: Sequence[Curve] = ()
    strips: Sequence[Strip] = ()


def to_json(section: Section) -> dict[str, Any]:
    """Plain JSON types, with every goal's verdict."""
    plain = asdict(section)
    for name in ("curves", "strips"):
        if not plain[name]:
            del plain[name]
    for goal, verdict in zip(plain["goals"], section.goals, strict=True):
        goal["met"] = verdict.met
    rounded: dict[str, Any] = _rounded(plain)
    return rounded


def render(results: Mapping[str, Any]) -> str:
    """The Markdown page of a suite's JSON."""
    sections = results["sections"].values()
    goals = [goal for section in sections for goal in section["goals"]]
    met = sum(goal["met"] for goal in goals)
    lines = [
        f"# {results['title']}",
        "",
        f"Written by `{results['command']}`; not edited by hand. {_setting(results)}",
        "",
        f"{met} of {len(goals)} goals met.",
        *figures.links(results),
    ]
    for section in sections:
        lines += ["", f"## {section['title']}", ""]
        lines += [_sentence(goal) for goal in section["goals"]]
        for table in section["tables"]:
            lines += ["", f"**{table['title']}.** {table['about']}", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _setting(results: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    mode = "quick mode (fewer draws, not for quoting), " if results["quick"] else ""
    threads = "one thread"
    if results["threads"] > 1:
        threads += f", but {results['threads']} where the cost is measured"
    return f"Run with {mode}{versions}; seed {results['seed']}; {threads}."


def _sentence(goal: Mapping[str, Any]) -> str:
    verdict = "met" if goal["met"] else "**missed**"
    relation = "" if goal["relation"] == "equal to" else f"{goal['relation']} "
    value, limit = _number(goal["value"], goal["spec"]), _number(goal["limit"], goal["spec"])
    if goal["upper"] is not None:
        limit += f" and {_number(goal['upper'], goal['spec'])}"
    note = f" {goal['note']}" if goal["note"] else ""
    return f"- {goal['what']}: {value}; goal {relation}{limit}: {verdict}.{note}"


def _table(table: Mapping[str, Any]) -> list[str]:
    formats = table["formats"]
    lines = ["| " + " | ".join(table["columns"]) + " |"]
    lines.append("|" + "|".join(" --- " for _ in table["columns"]) + "|")
    for row in table["rows"]:
        cells = [
            _number(cell, formats.get(column, ".3g"))
            for column, cell in zip(table["columns"], row, strict=True)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(cell: Cell, spec: str) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str | int):
        return str(cell)
    text = format(cell, spec)
    # Minus nothing is nothing.
    return text.lstrip("+-") if not text.strip("+-0.%") else text


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        # JSON knows no nan and inf.
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
