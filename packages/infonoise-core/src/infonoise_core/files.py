"""Files and folders that are there whole or not at all, and JSON files that say what is wrong."""

import errno
import json
import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.reading import parse_json, read_bytes

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}-[0-9]+\.tmp")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The name of a file to write, which takes the place of `path` when all went well.

    It vanishes otherwise, and what was at `path` stays as it is. The folder is made if need be.

    Raises:
        InputError: Where the file cannot be written: no permission, a full disk, no plain file.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise InputError(f"{path} is no plain file: give a file name")
    temporary = target.with_name(f"{_prefix(target)}{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        # A full disk names no file; what the caller reads meanwhile may fail for its own reasons.
        ours = error.filename in (str(temporary), str(target.parent)) or error.errno in _FULL
        if not ours:
            raise
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8 with plain line ends, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; a path in it becomes its text."""
    write_text(path, json.dumps(value, indent=1, default=plain) + "\n")


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        path: The file.
        fix: What to do about a file that is missing or damaged, such as "train again".

    Raises:
        InputError: Where there is no such file, or it holds no JSON object.
    """
    try:
        value = parse_json(read_bytes(path), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {fix}") from None
    except InputError as error:
        reason = "" if str(error).startswith(f"{path}: is no JSON") else f" ({error})"
        raise InputError(f"{path}: damaged{reason}; {fix}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: damaged; {fix}")
    return value


def plain(value: Any) -> str:
    """A path as text, for `json.dumps`; TypeError for anything else that JSON does not know."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no plain value")


def check_output(out: Path, overwrite: bool) -> None:
    """InputError where the file `out` cannot be written or must not be replaced."""
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give a file name")
    blocking = next((path for path in out.parents if path.exists() and not path.is_dir()), None)
    if blocking is not None:
        raise InputError(f"--out {out}: {blocking} is a file; give another folder")
    if not out.exists():
        return
    if not out.is_file():
        raise InputError(f"--out {out} is no plain file: give a file name")
    if not overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")


def is_temporary(path: Path) -> bool:
    """Whether the name is that of a file which a killed process had not written to its end."""
    return _TEMPORARY.fullmatch(path.name) is not None


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` when all went well.

    It vanishes otherwise; what was at `out` stays until then.
    """
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (out.with_name(f".{out.name}.{word}") for word in ("partial", "replaced"))
    _back(old, out)  # what a killed process had put aside
    for left_over in (partial, old):
        shutil.rmtree(left_over, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        if out.exists():
            out.rename(old)
        partial.rename(out)
    finally:
        _back(old, out)
        for left_over in (partial, old):
            shutil.rmtree(left_over, ignore_errors=True)


def _back(old: Path, out: Path) -> None:
    if old.exists() and not out.exists():
        old.rename(out)


def _prefix(target: Path) -> str:
    """What the names of this machine's temporary files for `target` begin with."""
    return f".{target.name}.{zlib.crc32(platform.node().encode()):08x}-"


def _sweep(target: Path) -> None:
    """Delete what killed processes of this machine left of the same file."""
    prefix = _prefix(target)
    for path in target.parent.iterdir():
        if not path.name.startswith(prefix):
            continue
        process = path.name.removeprefix(prefix).removesuffix(".tmp")
        if process.isdecimal() and not _is_alive(int(process)):
            with suppress(OSError):
                path.unlink()


def _is_alive(process: int) -> bool:
    # Elsewhere a signal of 0 may end the process, so nothing is swept there.
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
