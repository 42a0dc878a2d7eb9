"""What makes up a run between two updates, and how it goes to disk and comes back."""

import errno
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors  # noqa: F401  where it is missing, that shows before training
import torch
from torch import nn

import infonoise_core
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
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
from infonoise_core.training.step.noise import STREAMS


@dataclass
class RunState:
    """Everything that changes while a run goes on.

    Random numbers are not among it: they are a function of (seed, step, place in the batch).

    Attributes:
        signed: File that interprets the weights -> its SHA-256 as the run began or went on.
        streams: Version of the random streams that the run was begun under.
    """

    out: Path
    config: TrainConfig
    engine: Engine
    model: nn.Module
    average: WeightAverage
    schedule: Schedule
    meter: Meter
    metrics: Metrics
    signed: Mapping[str, str] = field(default_factory=dict)
    streams: int = STREAMS

    def save(self, step: int) -> None:
        """Write a checkpoint and the profile, on rank 0; collective."""
        if self.engine.rank == 0:
            self.metrics.check_place()
        self.metrics.flush()
        state = {
            "optimizer": self.engine.save(),
            "schedule": self.engine.gather(self.schedule.state_dict()),
            "meter": self.engine.gather(self.meter.state_dict()),
            "metrics": self.metrics.state_dict(),
        }
        with self.engine.whole():
            self.engine.share(lambda: self._write(step, state))

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
        manifest, parts = checkpoint.load(checkpoint.path_of(self.out / CHECKPOINTS, step))
        state = parts["state"]
        self.engine.load(parts["model"], state["optimizer"])
        self.average.load_state_dict(parts["ema"])
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

    def _write(self, step: int, state: dict[str, Any]) -> None:
        parts = {
            "model": self.model.state_dict(),
            "ema": self.average.state_dict(),
            "state": state,
        }
        profiles = self.meter.profiles()
        info = {
            "versions": {"infonoise-core": infonoise_core.__version__, "torch": torch.__version__},
            "revision": _revision(),
            "config": settings_of(self.config),
            "layout": self.engine.layout(),
            "position": step * self.config.batch_size,
            "streams": self.streams,
            SIGNED: dict(self.signed),
            PROFILES: {name: p.to_dict() for name, p in profiles.items()},
        }
        with no_space_left(self.out):
            # The checkpoint last: a run killed before it writes the profile once more, not never.
            for name, profile in profiles.items():
                profile.save(self.out / name)
            checkpoint.save(
                self.out / CHECKPOINTS, step, parts, info, self.config.keep, self._best(step)
            )

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
