"""The file that says a folder is ours, and of what kind: only what it marks is ever deleted."""

from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from infonoise_core.reading import read_any_json

MARKER_FILE = "infonoise.json"
FORMAT, VERSION = "infonoise-folder", 1
_LIMIT = 1 << 20


def mark(folder: Path, kind: str, **more: Any) -> None:
    """Write the marker of a folder that is ours, all or nothing.

    Args:
        kind: Of the folder, such as run or comparison.
        more: Plain values that whoever opens the folder wants to know.
    """
    content = {"format": FORMAT, "version": VERSION, "kind": kind, **more}
    write_json(folder / MARKER_FILE, content)


def marker_of(folder: Path) -> dict[str, Any] | None:
    """What the marker of a folder says; None where there is none that we wrote."""
    path = folder / MARKER_FILE
    if path.is_symlink() or not path.is_file():
        return None
    try:
        content = read_any_json(path, _LIMIT)
    except (InputError, OSError):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    known = content.get("version") == VERSION and isinstance(content.get("kind"), str)
    return content if known else None
