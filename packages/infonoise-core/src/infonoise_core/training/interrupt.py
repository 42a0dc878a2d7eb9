"""An orderly end on Ctrl-C, and on SIGTERM, which schedulers send before they kill."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# torchrun passes Ctrl-C on to its processes, which the terminal has sent it to already: of several
# processes a second one counts after so many seconds.
_APART = 1.0
_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(SystemExit):
    """A run that was to end and has saved.

    Uncaught, it ends the process with exit code 0, or 130 after Ctrl-C.
    """

    def __init__(
        self, step: int, updates: int, quiet: bool = False, number: int = signal.SIGTERM
    ) -> None:
        super().__init__(130 if number == signal.SIGINT else 0)
        if not quiet:
            name = _NAMES.get(signal.Signals(number), "a signal")
            print(
                f"stopped by {name}: saved step {step} of {updates}; the same command goes on"
                " from there",
                file=sys.stderr,
            )


class Flag:
    """Set once a signal has come.

    Attributes:
        raised: Whether one has.
        number: The first one's; SIGTERM until then.
    """

    def __init__(self) -> None:
        self.raised, self.number = False, int(signal.SIGTERM)
        self._last = -_APART

    def _raise(self, number: int, frame: FrameType | None) -> None:
        now, several = time.monotonic(), os.environ.get("WORLD_SIZE", "1") != "1"
        if number == signal.SIGINT:
            if self.raised and self.number == number and (not several or now > self._last + _APART):
                raise KeyboardInterrupt
            self._last = now
        if not self.raised:
            self.raised, self.number = True, number
            if number == signal.SIGINT and os.environ.get("LOCAL_RANK", "0") == "0":
                # Not by print(), which may be at work where the signal came.
                with contextlib.suppress(OSError):
                    os.write(2, b"stopping after this step; Ctrl-C again ends it at once\n")


@contextmanager
def asked_to_stop() -> Iterator[Flag]:
    """A flag that Ctrl-C and SIGTERM raise, in place of ending the process.

    A second Ctrl-C is a KeyboardInterrupt.

    Outside the main thread, where Python takes no signals, it never rises.
    """
    flag = Flag()
    with _handled({signal.SIGTERM: flag._raise, signal.SIGINT: flag._raise}):
        yield flag


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the process as an exception does.

    So nothing half-written stays behind; the exit code is 128 and the number of the signal.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    wanted = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
    # What is ignored already (nohup) stays ignored.
    kept = [number for number in wanted if signal.getsignal(number) is signal.SIG_DFL]
    with _handled(dict.fromkeys(kept, end)):
        yield


@contextmanager
def _handled(handlers: dict[signal.Signals, Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
