"""Measured numbers for prose: looked up in the results of the bench commands, never typed.

An address names a results file and what stands in it, in words:

    core / cost / Sample, observe and refresh as a share of a training step     a goal
    core / adversarial / 1 bit / floor 1e-2 / slope                             a table's cell
    core / goals met                                                            "22 of 26"

Words are taken instead of positions, so that a number whose meaning changed is an error and not
another number. On the site `` {benchmark}`ADDRESS` `` stands for the number; in plain Markdown it
is written between `<!-- benchmark: ADDRESS -->` and `<!-- end -->`:

    python docs/_ext/benchmark_values.py README.md      writes every number anew
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks"
MARKED = re.compile(r"<!-- benchmark: (?P<address>.+?) -->(?P<text>.*?)<!-- end -->", re.DOTALL)


def look_up(address: str, results: Path = RESULTS) -> str:
    """The number at an address, as its results file formats it; KeyError if there is none."""
    file, *way = (part.strip() for part in address.split(" / "))
    path = results / f"{file}.json"
    if not path.is_file():
        raise KeyError(f"{address}: no results file {path.name}; run its bench command")
    found: dict[str, Any] = json.loads(path.read_text())
    match way:
        case ["goals met"]:
            goals = [goal for part in found["sections"].values() for goal in part["goals"]]
            return f"{sum(goal['met'] for goal in goals)} of {len(goals)}"
        case [section, goal]:
            record = _the(address, _sections(address, found, section)["goals"], "what", goal)
            return _number(record["value"], record["spec"])
        case [section, title, row, column]:
            table = _the(address, _sections(address, found, section)["tables"], "title", title)
            cells = _row(address, table["rows"], row)
            if column not in table["columns"]:
                raise KeyError(f"{address}: no column {column!r} in {table['columns']}")
            return _number(
                cells[table["columns"].index(column)], table["formats"].get(column, ".3g")
            )
    raise KeyError(
        f"{address}: give FILE / SECTION / GOAL or FILE / SECTION / TABLE / ROW / COLUMN"
    )


def rewrite(text: str) -> str:
    """The text with every marked number as the results files have it now."""
    return MARKED.sub(
        lambda m: f"<!-- benchmark: {m['address']} -->{look_up(m['address'])}<!-- end -->", text
    )


def _sections(address: str, found: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in found["sections"]:
        raise KeyError(f"{address}: no section {name!r} in {list(found['sections'])}")
    section: dict[str, Any] = found["sections"][name]
    return section


def _the(address: str, records: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
    hits = [record for record in records if record[key] == value]
    if len(hits) != 1:
        raise KeyError(
            f"{address}: {value!r} stands {len(hits)} times in {[r[key] for r in records]}"
        )
    return hits[0]


def _row(address: str, rows: list[list[Any]], name: str) -> list[Any]:
    """The row whose first cells are `name`, joined by commas where one does not tell them apart."""
    hits = [row for row in rows for n in (1, 2, 3) if ", ".join(map(str, row[:n])) == name]
    if len(hits) != 1:
        raise KeyError(f"{address}: {len(hits)} rows start with {name!r}")
    return hits[0]


def _number(cell: Any, spec: str) -> str:
    if cell is None or isinstance(cell, bool):
        return {None: "–", True: "yes", False: "no"}[cell]
    if not isinstance(cell, float):
        return str(cell)
    text = format(cell, spec)
    return text.lstrip("+-") if not text.strip("+-0.%") else text


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(rewrite(path.read_text()))
