"""metrics.jsonl read again, whatever a kill or damage has made of it."""

import json
import sys
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.files import write_text
from infonoise_core.reading import check_regular, parse_json

_EMPTY: dict[str, Any] = {"sigma": [], "density": []}


def rewritten(path: Path, step: int) -> list[dict[str, Any]]:
    """The file without the lines after a step; its records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [r for r in read_lines(path) if r["step"] <= step]
    write_text(path, "".join(json.dumps(r) + "\n" for r in records))
    return records


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file that a kill may have cut anywhere, and damage may have changed.

    What is no line of ours is passed over, with one warning for all, but for a last line that was
    cut off.
    """
    if not path.exists():
        return []
    check_regular(path)
    content = path.read_bytes()
    lines = content.split(b"\n")
    records = [_record(line) for line in lines]
    # Cut off by a kill: the line will be written again.
    odd = sum(
        r is None and bool(line.strip()) for r, line in zip(records, lines[:-1], strict=False)
    )
    if odd:
        print(
            f"warning: {path}: {odd} damaged lines are passed over; what they said is not shown",
            file=sys.stderr,
        )
    return [record for record in records if record is not None]


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = parse_json(line, "")
    except InputError:
        return None
    if not isinstance(record, dict) or not _is_count(record.get("step")):
        return None
    measures, density = record.get("evaluate", {}), record.get("density", _EMPTY)
    if not isinstance(measures, dict) or not all(map(_is_number, measures.values())):
        return None
    if not isinstance(density, dict) or not all(map(_is_column, map(density.get, _EMPTY))):
        return None
    return record if len(density["sigma"]) == len(density["density"]) else None


def _is_column(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
