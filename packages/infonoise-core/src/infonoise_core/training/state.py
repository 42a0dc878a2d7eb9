"""What makes up a run between two updates, and how it goes to disk and comes back."""

import errno
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors  # noqa: F401  where it is missing, that shows before training
import torch
from torch import Tensor

import infonoise_core
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError, ReportedError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.infonoise import Schedule
from infonoise_core.training import checkpoint
from infonoise_core.training.config import TrainConfig, parse_target
from infonoise_core.training.ema import WeightAverage
from infonoise_core.training.engines.base import Engine
from infonoise_core.training.engines.ranks import pooled
from infonoise_core.training.meter import Meter
from infonoise_core.training.metrics import Metrics
from infonoise_core.training.record.signature import SIGNED, check_signed
from infonoise_core.training.run_profile import PROFILES
from infonoise_core.training.saving.background import Saver
from infonoise_core.training.saving.contents import Peers
from infonoise_core.training.saving.tree import Divided
from infonoise_core.training.saving.writing import Writing
from infonoise_core.training.step.noise import STREAMS


@dataclass
class RunState:
    """Everything that changes while a run goes on.

    Random numbers are not among it: they are a function of (seed, step, place in the batch).

    Attributes:
        signed: File that interprets the weights -> its SHA-256 as the run began or went on.
        save_async: Checkpoints go to disk while training goes on.
        narrow: A second average, of a run that keeps snapshots.
        streams: Version of the random streams that the run was begun under.
    """

    out: Path
    config: TrainConfig
    engine: Engine
    average: WeightAverage
    schedule: Schedule
    meter: Meter
    metrics: Metrics
    signed: Mapping[str, str] = field(default_factory=dict)
    save_async: bool = False
    narrow: WeightAverage | None = None
    streams: int = STREAMS

    def __post_init__(self) -> None:
        self._shares = self.engine.shares()
        self.average.follow(self._shares)
        if self.narrow is not None:
            self.narrow.follow(self._shares)
        peers = Peers(self.engine.rank, self.engine.world)
        self._saver = Saver(peers, apart=self.save_async)

    @property
    def failed(self) -> bool:
        """Whether `wait` will raise."""
        return self._saver.failed

    def save(self, step: int, *, last: bool = False) -> None:
        """Write a checkpoint and the profile, when the one before is on disk; collective.

        Args:
            last: No step comes after it, so it is on disk on return.

        Raises:
            InputError: When either cannot be written.
        """
        self.wait()
        if self.engine.rank == 0:
            self.metrics.check_place()
        self.metrics.flush()
        state = {
            "optimizer": self._optimizer(),
            "schedule": self.engine.gather(self.schedule.state_dict()),
            "meter": self.engine.gather(self.meter.state_dict()),
            "metrics": self.metrics.state_dict(),
        }
        parts = {**self.average.states(), "state": state}
        if self.narrow is not None:
            parts["narrow"] = self.narrow.states()["ema"]
        profiles = self.meter.profiles()
        best = self._best(step) if self.engine.rank == 0 else None

        def before() -> None:
            # The checkpoint last: a run killed before it writes the profile once more, not never.
            for name, profile in profiles.items():
                _save_profile(profile, self.out / name)

        def finish(tensors: Iterable[Tensor], peers: Peers) -> None:
            writing.finish(
                tensors, peers, before=before, keep=self.config.keep, best=best,
                stays=self.config.snapshot_every,
            )  # fmt: skip

        with self._told():
            writing = Writing(
                self.out / CHECKPOINTS, step, parts, self._info(step, profiles), self._saver.peers
            )
            self._saver.start(writing, finish)
        if last:
            self.wait()

    def wait(self) -> None:
        """Until the last checkpoint is on disk; InputError where it cannot be. Collective."""
        with self._told():
            self._saver.wait()

    def leave(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let a checkpoint come to disk when a run ends with an error, but for a second Ctrl-C."""
        if kind is not KeyboardInterrupt:
            self._saver.join()

    def resume(self) -> int:
        """Take over the newest whole checkpoint; returns the optimizer steps done. Collective."""
        folder = self.out / CHECKPOINTS
        step = self.engine.share(lambda: checkpoint.newest(folder, self._check_signed))
        if step is None:
            self.metrics.rewind(0)
            return 0
        try:
            return self._take_over(step)
        except (checkpoint.DamagedCheckpoint, KeyError, RuntimeError, TypeError) as error:
            if self.engine.world > 1 and isinstance(error, RuntimeError):
                raise  # a lost process, which is reported elsewhere
            raise InputError(
                f"{checkpoint.path_of(folder, step)}: is of another network or schedule than the"
                " settings say; bring back this run's own, or give another --out"
            ) from None

    def _take_over(self, step: int) -> int:
        # Checked already, by the first process.
        manifest, parts = checkpoint.opened(checkpoint.path_of(self.out / CHECKPOINTS, step))
        state = parts["state"]
        self.engine.load(parts["model"], state["optimizer"])
        self.average.load(parts["ema"])
        if self.narrow is not None:
            self.narrow.load(parts["narrow"])
        self.schedule.load_state_dict(
            pooled(state["schedule"], self.engine.rank, self.engine.world)
        )
        self._resume_meter(state.get("meter"), step)
        self.metrics.load_state_dict(state["metrics"])
        self.metrics.rewind(step)
        if self.engine.rank == 0:
            _say_what_changed(step, manifest["layout"], self.engine.layout())
        # The first releases wrote none.
        self.streams = int(manifest.get("streams", 1))
        return step

    def _check_signed(self, manifest: checkpoint.Manifest) -> None:
        check_signed(self.out, manifest)

    def _resume_meter(self, states: list[Any] | None, step: int) -> None:
        rank, world = self.engine.rank, self.engine.world
        if states is not None:
            self.meter.load_state_dict(pooled(states, rank, world))
        elif rank == 0:  # the first releases measured under InfoNoise alone
            self.meter.begin_after(step)

    def _optimizer(self) -> dict[str, dict[str, Any]]:
        return {
            name: {
                key: Divided(self._shares, name, value) if isinstance(value, list) else value
                for key, value in moments.items()
            }
            for name, moments in self.engine.moments(self._shares).items()
        }

    def _info(self, step: int, profiles: Mapping[str, EntropyRateProfile]) -> dict[str, Any]:
        return {
            "versions": {"infonoise-core": infonoise_core.__version__, "torch": torch.__version__},
            "revision": _revision(),
            "config": settings_of(self.config),
            "layout": self.engine.layout(),
            "position": step * self.config.batch_size,
            "streams": self.streams,
            SIGNED: dict(self.signed),
            PROFILES: {name: p.to_dict() for name, p in profiles.items()},
        }

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what a disk says into an InputError, which one process prints."""
        try:
            with no_space_left(self.out):
                yield
        except (OSError, InputError) as error:
            words = str(error)
            if isinstance(error, OSError):
                words = f"{self.out}: the checkpoint cannot be written ({error.strerror or error})"
            raise (ReportedError if self.engine.rank else InputError)(words) from None

    def _best(self, step: int) -> int | None:
        """Among the steps with a checkpoint, that with the lowest measure.

        The target's measure, or the first.
        """
        kept = {step, *checkpoint.steps(self.out / CHECKPOINTS)}
        measured = [e for e in self.metrics.evaluations if e["step"] in kept]
        if not measured:
            return None
        target = parse_target(self.config.target)
        name = target[0] if target else next((k for k in measured[-1] if k != "step"), "step")
        known = [e for e in measured if name in e]
        return int(min(known, key=lambda e: e[name])["step"]) if known else None


def _save_profile(profile: EntropyRateProfile, path: Path) -> None:
    try:
        profile.save(path)
    except InputError as error:
        cause = error.__cause__
        raise cause if isinstance(cause, OSError) else OSError(errno.EIO, str(error)) from None


@contextmanager
def no_space_left(out: Path) -> Iterator[None]:
    """Turns a full disk into an InputError."""
    try:
        yield
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        saved = checkpoint.steps(out / CHECKPOINTS)
        then = "goes on from the last checkpoint" if saved else "begins anew, nothing was saved yet"
        raise InputError(
            f"{out}: the disk is full; make room and give the same command again: it {then}"
        ) from None


def _say_what_changed(step: int, before: dict[str, Any], now: dict[str, Any]) -> None:
    if before == now:
        return
    print(
        f"going on from step {step}, saved by {_words(before)}, with {_words(now)}: weights,"
        " optimizer, averages, profile and position carry over; rounding and dropout differ from"
        " here on, and a schedule that keeps single losses keeps those of the processes there are",
        file=sys.stderr,
    )


def _words(layout: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in layout.items())


def _revision() -> str | None:
    """The git revision of this code, if it runs from a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
