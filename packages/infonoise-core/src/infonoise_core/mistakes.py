"""What a user, a machine or a file can cause, in one line each; all else is a bug of ours."""

import csv
import errno
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable

from infonoise_core.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_FIX = "make room, or give a path on another disk"
# Words of libraries that raise no kind of their own, as torch and safetensors do.
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc",
                 "Cannot allocate memory", "Storage size calculation overflowed")  # fmt: skip
_FULL_WORDS = ("No space left on device", f"os error {errno.ENOSPC}", "Disk quota exceeded")
# Packed or structured files that a reader has not given a name to.
_DAMAGE = (zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, EOFError, csv.Error,
           json.JSONDecodeError)  # fmt: skip
_SHOWN = 300


def one_line(error: BaseException) -> str | None:
    """One line for an error that is not ours: what is wrong, where, and the fix; else None."""
    for kinds, words in _WORDS:
        if isinstance(error, kinds):
            return " ".join(words(error).split())
    text = str(error)
    if isinstance(error, (RuntimeError, ValueError, OverflowError)) or _is_foreign(error):
        if any(words in text for words in _MEMORY_WORDS):
            return _memory(error)
        if any(words in text for words in _FULL_WORDS):
            return f"the disk is full; {_FULL_FIX}"
        if "integer string conversion" in text:
            return "a number has more digits than can be read; give one that fits into 64 bits"
    return None


def _is_foreign(error: BaseException) -> bool:
    return type(error).__name__ in ("SafetensorError", "OutOfMemoryError")


def _os_error(error: BaseException) -> str:
    assert isinstance(error, OSError)
    reason = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in _FULL:
        return f"{where}the disk is full ({reason}); {_FULL_FIX}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}the port is taken ({reason}); give another --master-port or MASTER_PORT"
    if error.errno == errno.ENOMEM:
        return _memory(error)
    return f"{where}{reason[:_SHOWN]}; fix that or give another path"


def _memory(error: BaseException) -> str:
    return (
        "there is not enough memory; give a smaller --batch-size, smaller data, or a machine with"
        " more"
    )


def _unicode(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"a file is not UTF-8 at byte {error.start}; convert it to UTF-8"
    return "a text holds characters that cannot be written; rename the file, id or label"


_WORDS: tuple[tuple[type | tuple[type, ...], Callable[[BaseException], str]], ...] = (
    (InputError, str),
    (UnicodeError, _unicode),
    (_DAMAGE, lambda error: f"a file is damaged or cut short ({error}); get it again"),
    (OSError, _os_error),
    (MemoryError, _memory),
    (RecursionError, lambda _: "a file is nested too deep to be read; write it in fewer levels"),
    (OverflowError, lambda error: f"a number is too large ({error}); give a smaller one"),
)
