"""A digest of examples by their content, which says whether data are those of a run."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

# Bytes that are hashed at a time: arrays may be mapped from files larger than memory.
_CHUNK = 1 << 24


def fingerprint(parts: Iterable[tuple[str, Any]]) -> str:
    """SHA-256, in hex, of named arrays and plain values, in their order.

    It depends on names, types, shapes and values alone: not on files, on the machine's byte order,
    or on how an array lies in memory.

    Args:
        parts: Name and content: an array (of anything but objects), or a value that JSON knows.

    Raises:
        TypeError: For an array of objects, and for a value that JSON does not know.
    """
    digest = hashlib.sha256()
    for name, content in parts:
        if isinstance(content, np.ndarray):
            _add_array(digest, name, content)
        else:
            _add_line(digest, [name, "value", content])
    return digest.hexdigest()


def _add_array(digest: Any, name: str, array: np.ndarray) -> None:
    if array.dtype.hasobject:
        raise TypeError(f"{name}: an array of objects has no bytes of its own")
    little = array.dtype.newbyteorder("<")
    _add_line(digest, [name, little.str, list(array.shape)])
    rows = array.reshape(1) if array.ndim == 0 else array
    step = max(1, _CHUNK // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        digest.update(np.ascontiguousarray(rows[start : start + step], dtype=little).tobytes())


def _add_line(digest: Any, line: list[Any]) -> None:
    # A line's end is no part of JSON's text, so no two lists of parts give the same bytes.
    digest.update(json.dumps(line, sort_keys=True).encode() + b"\n")
