"""Rows that are needed again in another order, in a temporary file and not in memory."""

import json
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Value = str | int | float


class Spool:
    """Rows with a number each; memory holds 16 bytes for one, whatever is in it.

    The file is gone with the spool.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed as the spool is collected
        weakref.finalize(self, self._file.close)
        self._numbers, self._places = array("q"), array("q")

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, row: Iterable[Value]) -> None:
        """Append a row; numbers may come in any order, and more than once."""
        self._numbers.append(number)
        self._places.append(self._file.seek(0, 2))
        self._file.write(json.dumps(list(row)).encode() + b"\n")

    def of(self, number: int) -> Iterator[list[Any]]:
        """Rows of one number, as they were added."""
        yield from self._read(np.flatnonzero(np.array(self._numbers) == number))

    def in_order(self) -> Iterator[list[Any]]:
        """All rows by their number, equal ones as they were added."""
        yield from self._read(np.argsort(np.array(self._numbers), kind="stable"))

    def _read(self, which: np.ndarray) -> Iterator[list[Any]]:
        for i in which:
            self._file.seek(self._places[i])
            yield json.loads(self._file.readline())
