"""The entropy-rate profile of a run, measured from its training losses whatever schedule draws."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.fixed import Schedule

VERSION = 1
# Those of the schedules that learn.
BINS = 64


@runtime_checkable
class Measuring(Protocol):
    """A schedule that measures the profile itself, as InfoNoise does.

    It is read, and nothing is measured twice.
    """

    @property
    def observed(self) -> bool:
        """Whether `profile` has anything to say yet."""

    def profile(self) -> EntropyRateProfile:
        """What the losses showed as of the last refresh."""


@dataclass(frozen=True)
class Part:
    """One kind of noise of a run.

    Attributes:
        file: Name of its profile in the run's folder.
        schedule: What draws its levels.
        dim: Dimensions of an example that it is put on.
    """

    file: str
    schedule: Schedule
    dim: int


@runtime_checkable
class Several(Protocol):
    """A schedule of several kinds of noise: its levels and errors are (n, number of parts)."""

    def parts(self) -> Sequence[Part]:
        """In the order of the columns."""


class Meter:
    """Measures a run's profiles on the grid of the channel.

    Observing adds to sums on the device and never waits for it. Every `refresh_every` optimizer
    steps the sums are pooled over processes and read out, as InfoNoise does with its own.

    Args:
        schedule: What draws the levels.
        dim: Dimensions of one example, the ceiling of the rate.
    """

    def __init__(self, schedule: Schedule, dim: int, refresh_every: int) -> None:
        self._several = isinstance(schedule, Several)
        self._parts = (
            list(schedule.parts())
            if isinstance(schedule, Several)
            else [Part(PROFILE_FILE, schedule, dim)]
        )
        self._refresh_every = refresh_every
        self._estimators = {
            part.file: RateEstimator(part.schedule.channel.edges(BINS), dim=part.dim)
            for part in self._parts
            if not isinstance(part.schedule, Measuring)
        }
        self._missed = 0

    def observe(self, u: Tensor, squared_error: Tensor) -> None:
        """Add (n,) squared x0-errors at levels u (n,) in the channel's coordinate.

        (n, parts) of several kinds of noise.
        """
        if self._missed:
            print(
                f"note: the release that trained the first {self._missed} steps measured no profile"
                " under this schedule; the profile begins with the steps that follow",
                file=sys.stderr,
            )
            self._missed = 0
        for i, part in enumerate(self._parts):
            if part.file in self._estimators:
                column = (slice(None), i) if self._several else slice(None)
                sigma = part.schedule.channel.sigma(u[column])
                self._estimators[part.file].observe(sigma, squared_error[column])

    def step(self, done: int) -> None:
        """After optimizer step number `done`, on every process: a collective when it is due."""
        if done % self._refresh_every == 0:
            for estimator in self._estimators.values():
                estimator.merge()

    def profiles(self) -> Mapping[str, EntropyRateProfile]:
        """Name of a file in the run's folder -> the profile in it.

        None before the first refresh, and none of a task without noise levels.
        """
        sources: dict[str, Measuring | RateEstimator] = {}
        for part in self._parts:
            own = part.schedule
            sources[part.file] = own if isinstance(own, Measuring) else self._estimators[part.file]
        return {file: source.profile() for file, source in sources.items() if source.observed}

    def state_dict(self) -> dict[str, Any]:
        """What the schedule does not hold itself; copies."""
        parts = {file: estimator.state_dict() for file, estimator in self._estimators.items()}
        return {"version": VERSION, "parts": parts}

    def begin_after(self, done: int) -> None:
        """Begin empty after so many steps, and say so at the first observation.

        For a run whose checkpoint has no state for a meter.
        """
        self._missed = done if self._estimators else 0

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over; InputError when it belongs to another grid or version."""
        if state["version"] != VERSION:
            raise InputError(
                f"the meter's state has version {state['version']}, this program reads {VERSION}:"
                " use the release that wrote it"
            )
        for file, estimator in self._estimators.items():
            estimator.load_state_dict(state["parts"][file])
