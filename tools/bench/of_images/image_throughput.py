"""A training step of our loop against that of a bare one, at equal network."""

import time

from infonoise_vision.data.images import load_split
from of_images import vision_runs
from of_training.loop_overhead import BATCH, Work, overheads
from report import Goal, Section, Table
from suite import Tick

# Enough for one refresh of the density in a round.
STEPS, STEPS_QUICK = 100, 5
# Multiples of three, for three loops take turns at being the first.
ROUNDS, ROUNDS_QUICK = 6, 3


def section(quick: bool, seed: int, tick: Tick) -> Section:
    """Steps per second of processor time: of each loop over the hand-written one."""
    steps, rounds = (STEPS_QUICK, ROUNDS_QUICK) if quick else (STEPS, ROUNDS)
    size = vision_runs.SIZE
    images, _ = load_split(vision_runs.data(quick, tick), size=size)
    # Of the process, so that what else the machine does is not counted.
    over = overheads(Work(images, seed, steps, time.process_time), rounds, tick)
    ratio = {name: 1 / (1 + extra) for name, extra in over.items()}
    table = Table(
        f"Fashion-MNIST at {size}x{size}, the default network",
        f"Steps per second of processor time over the hand-written loop's, batches of {BATCH},"
        f" medians of {rounds} rounds of {steps} steps in which all take turns. The hand-written"
        " loop is EDM's in plain PyTorch: examples, log-normal noise levels, noise, EDM's loss,"
        " backward, clipping, fused AdamW with a learning rate that is warmed up, and an average of"
        " weights. infonoise also measures, and refreshes its density once a round.",
        ["loop", "ratio"],
        [[name, value] for name, value in ratio.items()],
        {"ratio": ".3f"},
    )
    goals = [
        Goal(f"Throughput over the hand-written loop's, {how}", ratio[f"ours, {how}"], "at least",
             1, ".3f")
        for how in ("a fixed schedule", "infonoise")
    ]  # fmt: skip
    return Section("Throughput of a training step", [table], goals)
