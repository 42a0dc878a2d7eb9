"""What `evaluate` found: one schema for all domains, as evaluation.json and as tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from infonoise_core.errors import InputError

FORMAT, VERSION = "infonoise-evaluation", 1
EVALUATION_FILE = "evaluation.json"
# From here on numbers are shown with an exponent.
_LARGE = 1e7

Better = Literal["lower", "higher", ""]


@dataclass(frozen=True)
class Row:
    """One thing that is measured.

    Attributes:
        values: Column -> number; None where it means nothing.
        stderr: Column -> standard error of its number, where it is known.
        better: Which way is better; empty where neither is.
    """

    name: str
    values: Mapping[str, float | None]
    stderr: Mapping[str, float] = field(default_factory=dict)
    better: Better = ""
    explanation: str = ""


@dataclass(frozen=True)
class Table:
    """Rows that share their columns.

    Attributes:
        name: In evaluation.json, one word.
        settings: What the numbers were found with, as plain values.
        note: What a reader should keep in mind.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            foreign = set(row.values) - set(self.columns)
            if foreign:
                raise ValueError(f"{row.name}: no column {', '.join(sorted(foreign))}")


@dataclass(frozen=True)
class Evaluated:
    """What was found.

    Attributes:
        tables: The first row of the first is the measure that a run is judged by.
        about: Plain values that say what was measured, such as the label.
        notes: What was left out and why, a line each.
    """

    tables: Sequence[Table]
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


def to_record(found: Evaluated, head: Mapping[str, Any]) -> dict[str, Any]:
    """The content of evaluation.json.

    Args:
        head: Program, versions, run, step, data, split and the like.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        **head,
        "about": dict(found.about),
        "tables": [_plain(table) for table in found.tables],
        "notes": list(found.notes),
    }


def from_record(record: Mapping[str, Any], where: str) -> Evaluated:
    """What evaluation.json holds.

    Raises:
        InputError: For another format, another version or damage.
    """
    if record.get("format") != FORMAT:
        raise InputError(f"{where}: of an older release; run evaluate again")
    if record.get("version") != VERSION:
        raise InputError(
            f"{where}: format version {record.get('version')}, this program reads {VERSION}; run"
            " evaluate again"
        )
    try:
        tables = [
            Table(
                table["name"], table["title"], tuple(table["columns"]),
                [Row(**row) for row in table["rows"]], table["settings"], table["note"],
            )
            for table in record["tables"]
        ]  # fmt: skip
        return Evaluated(tables, record["about"], record["notes"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{where}: damaged; run evaluate again") from None


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text: for the terminal and for the page."""
    header = [table.title, *table.columns]
    if any(row.better for row in table.rows):
        header.append("better")
    return header, [_cells(table, row)[: len(header)] for row in table.rows]


def _cells(table: Table, row: Row) -> list[str]:
    return [row.name, *(_number(row, column) for column in table.columns), row.better]


def _number(row: Row, column: str) -> str:
    value = row.values.get(column)
    if value is None:
        return "-"
    error = row.stderr.get(column)
    return _shown(value) if error is None else f"{_shown(value)} ± {_shown(error)}"


def _shown(value: float) -> str:
    """Four decimals, or six digits of what would fill a line with more."""
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.5e}"


def _plain(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "columns": list(table.columns),
        "settings": dict(table.settings),
        "note": table.note,
        "rows": [
            {
                "name": row.name,
                "values": {k: _finite(v) for k, v in row.values.items()},
                "stderr": {k: v for k, v in row.stderr.items() if math.isfinite(v)},
                "better": row.better,
                "explanation": row.explanation,
            }
            for row in table.rows
        ],
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
