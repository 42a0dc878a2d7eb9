"""Progress: a bar on a terminal, a line now and then in a log file."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from infonoise_core import terminal


class Reporter(Protocol):
    """Hears how far the work is."""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """So much more is done; the note says how it stands."""


class Silent:
    """Says nothing."""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Nothing."""


class Noting:
    """A reporter that says its last note again after how far a measurement in between was."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self._note = reporter, ""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """As of every reporter."""
        self._note = note or self._note
        self._reporter.advance(amount, self._note)

    def measuring(self, done: int, total: int) -> None:
        """So many pieces of a measurement are done, of so many."""
        before = f"{self._note}, " if self._note else ""
        self._reporter.advance(0, f"{before}measuring {done}/{total}")


class _Bar:
    def __init__(self, progress: Progress, total: float, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total, note="")

    def advance(self, amount: float = 1, note: str = "") -> None:
        if note:
            self._progress.update(self._task, note=note)
        self._progress.advance(self._task, amount)


class _Lines:
    def __init__(self, total: float, label: str, seconds: float) -> None:
        self._total, self._label, self._seconds = total, label, seconds
        self._done, self._note = 0.0, ""
        self._began = self._last = time.monotonic()

    def advance(self, amount: float = 1, note: str = "") -> None:
        self._done += amount
        self._note = note or self._note
        now = time.monotonic()
        if now - self._last >= self._seconds or self._done >= self._total > self._done - amount:
            self._last = now
            share = self._done / self._total
            spent = now - self._began
            left = f", {spent * (1 - share) / share:.0f} s left" if share > 0 else ""
            print(
                f"{self._label}: {self._done:.0f}/{self._total:.0f} ({share:.0%}){left}"
                f" {self._note}",
                file=sys.stderr,
                flush=True,
            )


@contextmanager
def progress(
    total: float, label: str, seconds: float = 10.0, shown: bool = True
) -> Iterator[Reporter]:
    """A reporter for `total` units of work: a bar on a terminal, else a line every `seconds`.

    Args:
        shown: Whether to say anything, for one of several processes should.
    """
    if not shown:
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield _Lines(total, label, seconds)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=terminal.console(stderr=True)) as bar:
        yield _Bar(bar, total, label)


@contextmanager
def waiting(label: str, seconds: float = 10.0) -> Iterator[None]:
    """Says that something is at work that tells nothing of itself.

    A spinner on a terminal, else a line at the beginning and one every `seconds`, by a thread: work
    that keeps Python's lock would keep it silent.
    """
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), SpinnerColumn(), TimeElapsedColumn())
        with Progress(*columns, console=terminal.console(stderr=True)) as bar:
            bar.add_task(label, total=None)
            yield
        return
    done, began, stream = threading.Event(), time.monotonic(), sys.stderr

    def lines() -> None:
        while not done.wait(seconds):
            print(f"{label}: {time.monotonic() - began:.0f} s so far", file=stream, flush=True)

    print(label, file=stream, flush=True)
    thread = threading.Thread(target=lines, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
