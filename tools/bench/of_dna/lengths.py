"""What a step and a call of the networks take by the length of the sequences."""

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch

from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.methods.options import CROSS_ENTROPY, Objective
from infonoise_bio.methods.registry import DIFFUSION
from infonoise_bio.models.options import Kind
from report import Cell, Goal, Section, Table
from suite import Tick

KINDS: tuple[Kind, ...] = ("cnn", "transformer", "coarse")
LENGTHS, QUICK_LENGTHS = (200, 1000, 5000), (100, 500)
BATCH = 4
# Of which the shortest counts: the machine may be busy.
REPEATS = 3
_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """For one sequence.

    Attributes:
        step: CPU seconds of a step of training without its optimizer: forward and backward.
        call: CPU seconds of the network without gradients.
        memory: Bytes that a step adds to the process's peak.
    """

    step: float
    call: float
    memory: float


def lengths(quick: bool, seed: int, tick: Tick) -> Section:
    """Each network at each length, in a process of its own."""
    shown = QUICK_LENGTHS if quick else LENGTHS
    costs: dict[tuple[Kind, int], Cost] = {}
    for kind in KINDS:
        for length in shown:
            tick(f"{kind}, {length}")
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                costs[kind, length] = pool.submit(cost_of, kind, length, seed).result()
    rows: list[list[Cell]] = [
        [kind, length, at.step * 1e3, at.call * 1e3, at.memory / 2**20]
        for (kind, length), at in costs.items()
    ]
    columns = ["network", "bases", "step, ms", "call, ms", "memory of a step, MiB"]
    table = Table(
        f"For one sequence of a batch of {BATCH}",
        "CPU time of one core, the least of three; memory is what a step adds to the peak of a"
        " process that has the network. Networks of size laptop.",
        columns,
        rows,
        dict.fromkeys(columns[2:], ".3g"),
    )
    short, long = shown[-2:]
    goals = [
        Goal(f"coarse: time of a step at {long:,} bases over that at {short:,}",
             costs["coarse", long].step / costs["coarse", short].step, "at most",
             1.5 * long / short, ".2f", "A transformer's grows with its square."),
        Goal(f"coarse: time of a step at {long:,} bases over a transformer's",
             costs["coarse", long].step / costs["transformer", long].step, "at most", 0.2, ".2f"),
    ]  # fmt: skip
    return Section("Time and memory by length", [table], goals)


def cost_of(kind: Kind, length: int, seed: int) -> Cost:
    """Of a network on sequences of independent bases."""
    torch.set_num_threads(1)
    codes = np.random.default_rng(seed).integers(0, 4, (BATCH, length), dtype=np.uint8)
    objective = Objective("both", network=kind, loss=CROSS_ENTROPY)
    task = DIFFUSION.task(objective, _of(codes), seed)
    batch = task.batch(np.arange(BATCH))
    sigma, eps = torch.full((BATCH,), 1.0), torch.randn_like(batch.x0)

    def step() -> None:
        loss = task.losses(task.denoiser, batch, sigma, eps).loss.mean()
        torch.autograd.backward(loss)

    def call() -> None:
        with torch.no_grad():
            task.losses(task.denoiser, batch, sigma, eps)

    call()
    before = _peak()
    step()
    added = _peak() - before
    return Cost(_least(step) / BATCH, _least(call) / BATCH, added / BATCH)


def _of(codes: np.ndarray) -> SequenceSet:
    n = len(codes)
    return SequenceSet(
        "random", codes, np.array([f"r{i}" for i in range(n)]), np.zeros(n, np.uint8)
    )


def _peak() -> float:
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT)


def _least(work: Callable[[], None]) -> float:
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)
