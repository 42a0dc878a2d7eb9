"""An orderly end on SIGTERM, which schedulers send before they kill."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(SystemExit):
    """A run that was asked to end and has saved; uncaught, it ends the process with exit code 0."""

    def __init__(self, step: int, updates: int, quiet: bool = False) -> None:
        super().__init__(0)
        if not quiet:
            print(
                f"stopped by SIGTERM: saved step {step} of {updates}; the same command goes on"
                " from there",
                file=sys.stderr,
            )


class Flag:
    """Set once a signal has come."""

    def __init__(self) -> None:
        self.raised = False

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.raised = True


@contextmanager
def sigterm() -> Iterator[Flag]:
    """A flag that SIGTERM raises, in place of ending the process.

    Outside the main thread, where Python takes no signals, it never rises.
    """
    flag = Flag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = signal.signal(signal.SIGTERM, flag._raise)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGTERM, before)
