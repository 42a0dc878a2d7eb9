"""Runs a job to its end through many kills: python killing_run.py JOB KILLS.

Every attempt is a fork that dies by SIGKILL: half of them after a random time, half at a random one
among the calls that bring a checkpoint to disk or refresh the schedule.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from typing import Any

import torch
from training_run import Job

from infonoise_core.profiles.estimator import RateEstimator

# Owner and name of the calls at which a kill is tried, before and after.
CALLS = ((os, "fsync"), (os, "replace"), (shutil, "rmtree"), (RateEstimator, "merge"))


def die_at_call(number: int) -> None:
    """From now on the number-th moment before or after one of CALLS is the last."""
    left = number

    def tick() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in CALLS:
        inner = getattr(owner, name)

        def call(*arguments: Any, inner: Any = inner, **options: Any) -> Any:
            tick()
            result = inner(*arguments, **options)
            tick()
            return result

        setattr(owner, name, call)


def attempt(job: Job, at_call: int | None, seconds: float) -> bool:
    """One fork; whether it was killed."""
    child = os.fork()
    if child == 0:
        if at_call is not None:
            die_at_call(at_call)
        job.run()
        os._exit(0)
    if at_call is None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"an attempt failed with code {os.WEXITSTATUS(status)}")
    return os.WIFSIGNALED(status)


def main(job: Job, kills: int) -> None:
    torch.set_num_threads(1)
    rng = random.Random(0)
    for number in range(kills):
        at_call = rng.randint(1, 60) if number % 2 else None
        if not attempt(job, at_call, rng.uniform(0.05, 0.5)):
            sys.exit(f"the run ended after {number} kills: make it longer")
    job.run()


if __name__ == "__main__":
    main(Job(**json.loads(sys.argv[1])), int(sys.argv[2]))
