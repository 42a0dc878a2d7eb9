"""Records by their number, wherever they lie, and what to do with the bad ones."""

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from infonoise_core.errors import InputError

T = TypeVar("T")
Record = Mapping[str, Any]
# Bad records that are named one by one; the rest are only counted.
_NAMED = 5


class Source(Protocol):
    """Records in a fixed order. Safe to read from several threads, and to pickle."""

    def __len__(self) -> int:
        """Number of records."""

    def __getitem__(self, index: int) -> Record:
        """The fields of a record; InputError where it cannot be read."""

    def name(self, index: int) -> str:
        """What to call a record in a message."""


class BadRecords:
    """Counts the records that cannot be used, names the first few, and gives up after too many.

    Counted are the records this process has met, each once, however often it comes.

    Args:
        limit: How many different ones are borne; 0 stops at the first.
        say: Takes each line for the log.
    """

    def __init__(self, limit: int = 0, say: Callable[[str], None] | None = None) -> None:
        if limit < 0:
            raise InputError(f"--bad-limit {limit}: give 0 or more")
        self.limit, self._say = limit, say or _to_stderr
        self._found: dict[int, str] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._found)

    def count(self, index: int, name: str, why: str) -> None:
        """Take note of a bad record; InputError if there are too many."""
        with self._lock:
            if index in self._found:
                return
            self._found[index] = name
            number = len(self._found)
            if number > self.limit:
                raise InputError(
                    f"{name}: {why}; {number} bad records are more than --bad-limit {self.limit}:"
                    " fix the data or raise the limit"
                )
            if number <= _NAMED:
                rest = "; more are only counted" if number == _NAMED else ""
                self._say(
                    f"bad record {number} of at most {self.limit}, skipped: {name}: {why}{rest}"
                )

    def summary(self) -> str:
        """How many there were, and the first names; empty if there were none."""
        with self._lock:
            names = [*self._found.values()]
        if not names:
            return ""
        more = ", ..." if len(names) > _NAMED else ""
        return f"{len(names)} bad records skipped ({', '.join(names[:_NAMED])}{more})"

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that the count goes on after a restart."""
        with self._lock:
            return {"found": [[index, name] for index, name in self._found.items()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with self._lock:
            self._found = {int(index): str(name) for index, name in state["found"]}


class Examples(Generic[T]):
    """Decoded records of a source; in the place of a bad one stands the next good one.

    What stands at an index depends on the data alone: not on what was read before, in which
    process, or since which restart.

    Args:
        decode: Makes an example of a record; InputError where it cannot. That, raised by the source
            or by this, is what makes a record bad: anything else is passed on.
    """

    def __init__(self, source: Source, decode: Callable[[Record], T], bad: BadRecords) -> None:
        if not len(source):
            raise InputError("there are no records: give data with at least one")
        self.source, self._decode, self.bad = source, decode, bad

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> T:
        """The example at `index`."""
        n = len(self.source)
        for place in range(index, index + n):
            try:
                return self._decode(self.source[place % n])
            except InputError as error:
                name = self.source.name(place % n)
                self.bad.count(place % n, name, str(error).removeprefix(f"{name}: "))
        raise InputError(f"all {n} records are bad, the last: {self.source.name((index - 1) % n)}")

    def take(self, indices: Iterable[int]) -> list[T]:
        """The examples at `indices`."""
        return [self[int(index)] for index in indices]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)
