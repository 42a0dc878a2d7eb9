"""What is piped in: kept in a file, because text is read several times."""

import codecs
import re
import shutil
import sys
import tempfile
import zlib
from contextlib import suppress
from functools import cache
from lzma import LZMAError
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.reading import open_unpacked, packing_of

NAME = "-"
# An object, or an array of them.
_RECORDS = re.compile(rb"\s*(\[\s*)?\{")


@cache
def spooled() -> Path:
    """A file of standard input, called by what it holds; gone at exit.

    Raises:
        InputError: Where a person would have to type it.
    """
    if sys.stdin.isatty():
        raise InputError(f"{NAME}: nothing is piped in; give a file, or text by a pipe")
    folder = _folder()
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path.rename(folder / f"stdin{_suffix(path)}")


def _suffix(path: Path) -> str:
    """What a file would be called that holds this: packed, JSON lines or an array, or text."""
    with path.open("rb") as file:
        packed = packing_of(file.read(16))
    if packed == "zst":
        require("zstandard", "zstd", f"{NAME}: reading .zst")
    with suppress(EOFError, OSError, LZMAError, zlib.error), open_unpacked(path, packed) as stream:
        start = stream.read(1 << 10)
        records = _RECORDS.match(start.removeprefix(codecs.BOM_UTF8))
        kind = ".tar" if start.startswith(b"ustar", 257) else ".jsonl" if records else ""
        return kind + (f".{packed}" if packed else "")
    return f".{packed}"


@cache
def _folder() -> Path:
    held = tempfile.TemporaryDirectory(prefix="infonoise-")
    _HELD.append(held)
    return Path(held.name)


# Folders that go when the program ends.
_HELD: list[tempfile.TemporaryDirectory[str]] = []
