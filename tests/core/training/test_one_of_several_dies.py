"""One of several processes is killed in the middle of a checkpoint that is written beside training:
the others end, and the run goes on from the newest whole one as if nothing had been.
"""

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.training import checkpoint
from infonoise_core.training.saving.names import TEMPORARY

from .engines.test_torch import weights
from .training_run import Job, finish, launch, told

pytestmark = pytest.mark.slow

SETTINGS = {"steps": 400, "batch_size": 32, "log_every": 10, "save_every": 2, "lr_warmup": 5}
KILLS = 3


def kill_one_while_saving(job: Job, after: int) -> int:
    """The newest whole checkpoint that is left, once all have ended."""
    folder = Path(job.out) / CHECKPOINTS
    started = launch([job], world=2)
    deadline = time.monotonic() + 240
    while max(checkpoint.steps(folder), default=0) <= after or not any(
        folder.glob(f"{TEMPORARY}*")
    ):
        assert started[1].process.poll() is None, "ended before it was killed: make it longer"
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    os.kill(started[1].process.pid, signal.SIGKILL)
    codes = [one.process.wait(timeout=120) for one in started]
    for one in started:
        one.errors.close()
    assert codes[1] == -signal.SIGKILL
    assert codes[0] != 0  # it knows that it is alone
    newest = checkpoint.newest(folder)
    assert newest is not None
    return newest


def test_nothing_whole_is_lost(tmp_path: Path) -> None:
    job, whole = (
        Job(str(tmp_path / name), SETTINGS, {"save_async": True}) for name in ("killed", "whole")
    )
    left = 0
    for _ in range(KILLS):
        # What was whole before the kill is there after it.
        newest = kill_one_while_saving(job, left)
        assert newest > left
        left = newest
    finish(launch([job], world=2))
    finish(launch([whole], world=2))
    for part in ("model", "ema", "state"):
        one, other = (weights(Path(j.out), part, SETTINGS["steps"]) for j in (job, whole))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert told(Path(job.out)) == told(Path(whole.out))
    profiles = [(Path(j.out) / "profile.json").read_bytes() for j in (job, whole)]
    assert profiles[0] == profiles[1]
