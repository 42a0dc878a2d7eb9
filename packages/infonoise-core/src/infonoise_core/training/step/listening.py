"""How far long work is, heard while it lasts; free of what draws it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

# So many pieces are done, of so many.
Heard = Callable[[int, int], None]


@runtime_checkable
class Long(Protocol):
    """Work, such as an evaluation, that says how far it is."""

    def listen(self, heard: Heard | None) -> None:
        """Who is told from now on; None for nobody."""


@contextmanager
def listening(work: object, heard: Heard) -> Iterator[None]:
    """While it lasts, `heard` is told how far the work is, if it is `Long`."""
    if not isinstance(work, Long):
        yield
        return
    work.listen(heard)
    try:
        yield
    finally:
        work.listen(None)
