"""Killed with SIGKILL and started again, a run ends as if nothing had happened, to the last bit."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from infonoise_vision.cli import main

# What must not depend on how often a run was killed. The manifest holds the same checksums.
SAME = ("profile.json", "done.json")
PARTS = ("model", "ema", "state")


def small_images(path: Path) -> Path:
    rng = np.random.default_rng(0)
    images = (np.arange(16).reshape(4, 4) // 4 + rng.integers(0, 2, (60, 4, 4))).clip(0, 3)
    np.savez(path, images=images.astype(np.uint8), levels=4)
    return path


def killed(argv: list[str], metrics: Path, lines: int, pause: float) -> bool:
    """Start a command and kill it a moment after it has brought its metrics to that many lines;
    whether it still ran."""
    before = metrics.stat().st_mtime_ns if metrics.exists() else 0

    def far_enough() -> bool:
        # A run that goes on first rewrites the file, up to its checkpoint.
        if not metrics.exists() or metrics.stat().st_mtime_ns == before:
            return False
        return metrics.read_bytes().count(b"\n") >= lines

    command = [sys.executable, "-m", "infonoise_vision.cli", *argv]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        while child.poll() is None and not far_enough():
            time.sleep(0.002)
        time.sleep(pause)
    finally:
        child.kill()
        said, _ = child.communicate()
    assert child.returncode in (0, -signal.SIGKILL), said
    return child.returncode != 0


def told(run: Path) -> list[dict[str, object]]:
    """The lines of the metrics, but for how fast each run went."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "speed"} for line in lines]


def assert_same_run(out: Path, whole: Path, updates: int) -> None:
    for name in SAME:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    assert told(out) == told(whole)
    newest = Path("checkpoints") / f"step-{updates:08d}"
    for part in PARTS:
        file = newest / f"{part}.safetensors"
        assert (out / file).read_bytes() == (whole / file).read_bytes(), part
    # What a kill left half-written is gone.
    assert all(p.name.startswith("step-") for p in (out / "checkpoints").iterdir())


def train_through_kills(
    tmp_path: Path, data: str, updates: int, save_every: int, kills: int
) -> None:
    argv = [
        "train", data, "--steps", str(updates), "--save-every", str(save_every), "--log-every",
        "1", "--eval-every", str(updates // 2), "--batch-size", "8",
    ]  # fmt: skip
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main([*argv, "--out", str(whole)]) == 0
    rng = random.Random(0)
    last = updates - 2 * save_every
    for number in range(kills):
        # Later and later, and always past what a checkpoint has brought to safety.
        lines = rng.randint(1 + last * number // kills, last * (number + 1) // kills)
        again = [*argv, "--out", str(out)]
        assert killed(again, out / "metrics.jsonl", lines, rng.uniform(0, 0.05))
        assert not (out / "done.json").exists()
    assert main([*argv, "--out", str(out)]) == 0
    assert_same_run(out, whole, updates)


# Each kill is another process that imports everything: once in the quick run, the hard way beside.
@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_run_ends_with_the_same_bits(kills: int, tmp_path: Path) -> None:
    data = small_images(tmp_path / "data.npz")
    train_through_kills(tmp_path, str(data), updates=60, save_every=7, kills=kills)


@pytest.mark.slow
def test_a_run_on_digits_that_is_killed_often(tmp_path: Path) -> None:
    train_through_kills(tmp_path, "digits", updates=120, save_every=9, kills=6)


@pytest.mark.slow
def test_a_killed_comparison_goes_on_with_the_same_command(tmp_path: Path) -> None:
    """Killed in its first run and in its second; the finished runs are not trained again."""
    data = str(small_images(tmp_path / "data.npz"))
    argv = ["compare", data, "--schedules", "edm,infonoise", "--steps", "12", "--batch-size", "8"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main([*argv, "--out", str(whole)]) == 0
    runs = [out / "runs" / f"{name}-seed0" for name in ("edm", "infonoise")]
    assert killed([*argv, "--out", str(out)], runs[0] / "metrics.jsonl", 4, 0.01)
    assert killed([*argv, "--out", str(out)], runs[1] / "metrics.jsonl", 5, 0.01)
    finished = {p: p.stat().st_mtime_ns for p in (runs[0] / "checkpoints").rglob("*.safetensors")}
    assert not (out / "results.json").exists()
    assert main([*argv, "--out", str(out)]) == 0
    for name in ("results.json", "report.html"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    assert {p: p.stat().st_mtime_ns for p in finished} == finished
    # Finished, it is not run again.
    assert main([*argv, "--out", str(out)]) == 2
