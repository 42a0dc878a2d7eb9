"""Do several processes, under any engine, learn what one process learns?

`infonoise-vision train digits` as a user starts it, and torchrun in front of it; read from
metrics.jsonl and profile.json.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from infonoise_core.errors import InputError
from report import Cell, Goal, Section, Table

UPDATES = 50
ENGINES = {
    "torch": ["--engine", "torch"],
    **{f"DeepSpeed, ZeRO {zero}": ["--engine", "deepspeed", "--zero", str(zero)]
       for zero in (0, 1, 2, 3)},
}  # fmt: skip


class Learned(NamedTuple):
    """losses: one of each update.  rate: of the profile.  bits: held-out bits per dim."""

    losses: list[float]
    rate: list[float]
    bits: float


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Largest relative differences of two processes from one."""
    engines = ENGINES if importlib.util.find_spec("deepspeed") else {"torch": ENGINES["torch"]}
    with tempfile.TemporaryDirectory() as folder:
        tick("one process")
        alone = learn(Path(folder) / "one", 1, [], seed)
        found: dict[str, tuple[float, float, float]] = {}
        for name, options in engines.items():
            tick(f"two processes, {name}")
            pair = learn(Path(folder) / name, 2, options, seed)
            found[name] = (
                largest(alone.losses, pair.losses),
                largest(alone.rate, pair.rate),
                largest([alone.bits], [pair.bits]),
            )
    rows: list[list[Cell]] = [[name, *differences] for name, differences in found.items()]
    left_out = "" if len(engines) > 1 else " DeepSpeed was not installed."
    return Section(
        "Two processes",
        [
            Table(
                f"{UPDATES} steps of the 8x8 digits on two processes, against one",
                "Largest relative difference: of the loss of any update, of the profile's rate in"
                f" any bin, of the held-out bits per dim at the end. fp32, CPU, gloo.{left_out}",
                ["engine", "losses", "profile", "bits per dim"],
                rows,
                {"losses": ".1e", "profile": ".1e", "bits per dim": ".1e"},
            )
        ],
        [
            Goal("Relative difference of losses, worst engine",
                 max(d[0] for d in found.values()), "at most", 1e-5, ".1e"),
            Goal("Relative difference of profiles, worst engine",
                 max(d[1] for d in found.values()), "at most", 1e-5, ".1e"),
            Goal("Engines compared", len(found), "equal to", len(ENGINES)),
        ],
    )  # fmt: skip


def learn(out: Path, processes: int, options: list[str], seed: int) -> Learned:
    """A run in processes of its own."""
    start = [] if processes == 1 else ["torch.distributed.run", f"--nproc-per-node={processes}"]
    command = [
        sys.executable, "-m", *start, *(["-m"] if start else []), "infonoise_vision",
        "train", "digits", "--out", str(out), "--steps", str(UPDATES), "--batch-size", "32",
        "--log-every", "1", "--eval-every", "0", "--device", "cpu", "--seed", str(seed), *options,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{' '.join(command[2:])}: {done.stderr.strip().splitlines()[-1]}")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return Learned(
        [line["loss"] for line in lines if "loss" in line],
        json.loads((out / "profile.json").read_text())["rate"],
        json.loads((out / "done.json").read_text())["bits_per_dim"],
    )


def largest(first: list[float], second: list[float]) -> float:
    """Largest |a - b| / |a|."""
    pairs = zip(first, second, strict=True)
    return max(abs(a - b) / max(abs(a), 1e-12) for a, b in pairs)
