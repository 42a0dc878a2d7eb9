"""Runs as a user starts them: `infonoise-vision train digits`, and torchrun in front of it."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from safetensors.numpy import load_file

from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.training import checkpoint

UPDATES = 50
# Between two looks at whether a checkpoint is being written, in seconds.
_LOOK = 0.001


class Learned(NamedTuple):
    """What a run has learned.

    Attributes:
        losses: One of each update.
        rate: Of the profile.
        bits: Held-out bits per dim at the end.
        average: The averaged weights in the last checkpoint, in the order of their names.
    """

    losses: list[float]
    rate: list[float]
    bits: float
    average: list[float]


class Differences(NamedTuple):
    """The largest relative ones of two runs."""

    losses: float
    rate: float
    bits: float
    average: float


def learn(out: Path, processes: int, options: list[str], seed: int) -> Learned:
    """A run to its end, in processes of its own."""
    with tempfile.TemporaryFile("w+") as errors:
        started = start(out, processes, options, seed, errors.fileno())
        if started.wait():
            errors.seek(0)
            raise InputError(f"{out.name}: {failure(errors.read())}")
    return learned(out)


def failure(said: str) -> str:
    """The line of what processes said that tells most: torchrun ends with lines of its own."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "rror: " in line or "Signal " in line]
    return next(iter([*errors, *lines[-1:]]), "no word")


def start(
    out: Path, processes: int, options: list[str], seed: int, errors: int
) -> "subprocess.Popen[bytes]":
    """Begin a run, or go on with it.

    Args:
        errors: The descriptor that takes what it says.
    """
    launcher = ["torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    launched = [] if processes == 1 else [*launcher, "-m"]
    command = [
        sys.executable, "-m", *launched, "infonoise_vision",
        "train", "digits", "--out", str(out), "--steps", str(UPDATES), "--batch-size", "32",
        "--log-every", "1", "--eval-every", "0", "--device", "cpu", "--seed", str(seed), *options,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    return subprocess.Popen(command, env=environment, stdout=errors, stderr=errors)


def learned(out: Path) -> Learned:
    """What is written down of a run that is done."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [line for line in lines if "loss" in line]
    if [line["step"] for line in losses] != list(range(1, UPDATES + 1)):
        raise InputError(f"{out.name}: not every step is there once; look at metrics.jsonl")
    folder = checkpoint.path_of(out / CHECKPOINTS, UPDATES)
    checkpoint.check(folder)
    average: dict[str, list[float]] = {}
    for file in checkpoint.part_files(folder, "ema"):
        average |= {name: value.ravel().tolist() for name, value in load_file(file).items()}
    return Learned(
        [line["loss"] for line in losses],
        json.loads((out / "profile.json").read_text())["rate"],
        json.loads((out / "done.json").read_text())["bits_per_dim"],
        [number for name in sorted(average) for number in average[name]],
    )


def differences(one: Learned, other: Learned) -> Differences:
    """Of two runs: single numbers, but for the average, which is taken as a whole."""
    top = max(map(abs, one.average))
    pairs = zip(one.average, other.average, strict=True)
    return Differences(
        largest(one.losses, other.losses),
        largest(one.rate, other.rate),
        largest([one.bits], [other.bits]),
        max(abs(a - b) for a, b in pairs) / top,
    )


def largest(first: list[float], second: list[float]) -> float:
    """Largest |a - b| / |a|."""
    pairs = zip(first, second, strict=True)
    return max(abs(a - b) / max(abs(a), 1e-12) for a, b in pairs)


def kill_while_saving(
    out: Path, processes: int, options: list[str], seed: int, after: int
) -> tuple[int, int]:
    """SIGKILL the last process while a checkpoint beyond step `after` is being written.

    Returns:
        The steps of the newest whole checkpoint at the kill, and 1 if one was half-written then.
    """
    folder = out / CHECKPOINTS
    with tempfile.TemporaryFile("w+") as errors:
        started = start(out, processes, options, seed, errors.fileno())
        while started.poll() is None:
            newest = max(checkpoint.steps(folder), default=0) if folder.exists() else 0
            if newest >= after and any(folder.glob(".writing-*")):
                break
            time.sleep(_LOOK)
        else:
            raise InputError(f"{out.name}: ended before it was killed: make it longer")
        victim = started.pid if processes == 1 else _ranks(started.pid)[-1]
        os.kill(victim, signal.SIGKILL)
        half = int(any(folder.glob(".writing-*")))
        # torchrun ends the others.
        started.wait()
    return max(checkpoint.steps(folder)), half


def _ranks(launcher: int) -> list[int]:
    """Processes that a launcher has started, in their order."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(child) for child in children]
