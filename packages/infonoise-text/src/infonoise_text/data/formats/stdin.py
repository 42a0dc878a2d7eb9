"""What is piped in: kept in a file, because text is read several times."""

import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

from infonoise_core.errors import InputError

NAME = "-"


@cache
def spooled() -> Path:
    """A file of standard input, JSON lines where it begins with an object; gone at exit.

    Raises:
        InputError: Where a person would have to type it.
    """
    if sys.stdin.isatty():
        raise InputError(f"{NAME}: nothing is piped in; give a file, or text by a pipe")
    folder = _folder()
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    with path.open("rb") as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return path.rename(folder / ("stdin.jsonl" if start.startswith(b"{") else "stdin.txt"))


@cache
def _folder() -> Path:
    held = tempfile.TemporaryDirectory(prefix="infonoise-")
    _HELD.append(held)
    return Path(held.name)


# Folders that go when the program ends.
_HELD: list[tempfile.TemporaryDirectory[str]] = []
