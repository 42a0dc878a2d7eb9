"""What the training loop costs beyond a hand-written one, on the smallest network that is shipped.

All take turns in one process, so that whatever else the machine does hits them alike; the median
over the rounds is taken.
"""

import importlib.util
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.fixed import LogNormal
from infonoise_core.schedules.infonoise import InfoNoise, Schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_vision.data.images import ImageSet, load_split
from infonoise_vision.methods.diffusion import make_task, weight_of
from infonoise_vision.methods.options import Objective
from report import Goal, Section, Table

# So many steps that a checkpoint falls among them, as often as --save-every has one.
BATCH, STEPS, WARM = 128, 500, 5
# Multiples of four, for four loops take turns at being the first.
ROUNDS, ROUNDS_QUICK = 8, 4
EVERYTHING = "ours, infonoise with everything on"

Clock = Callable[[], float]


@dataclass(frozen=True)
class Work:
    """What every loop does: so many steps on these images.

    Attributes:
        clock: Seconds of what is counted.
        everything: Whether ours also takes part with all that may be switched on.
    """

    images: ImageSet
    seed: int
    steps: int = STEPS
    clock: Clock = time.perf_counter
    everything: bool = False


class Watch:
    """A reporter that notes when each step was done."""

    def __init__(self, clock: Clock) -> None:
        self.times: list[float] = []
        self._clock = clock

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Note the time of a step."""
        if amount:
            self.times.append(self._clock())


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Seconds of a step of each loop over those of the hand-written one."""
    images, _ = load_split("digits")
    rounds = ROUNDS_QUICK if quick else ROUNDS
    # Of the process and all its threads, so that what else the machine does is not counted.
    work = Work(images, seed, clock=time.process_time, everything=True)
    over = overheads(work, rounds, tick)
    return Section(
        "Overhead of the loop",
        [
            Table(
                "A step",
                "Processor time of all threads beyond the hand-written loop's, batches of"
                f" {BATCH} of the 8x8 digits, medians of {rounds} rounds of {STEPS} steps, in which"
                " all take turns. The hand-written one does what any loop does: examples, noise"
                " levels, noise, EDM's loss, backward, clipping, fused AdamW with a learning rate"
                " that is warmed up, and an average of weights. Ours also measures, writes a line"
                " every 50 steps and refreshes the density; everything on: examples prepared by a"
                " thread, lines to TensorBoard, and a checkpoint every 500 steps, written beside"
                " training.",
                ["loop", "overhead"],
                [[name, value] for name, value in over.items()],
                {"overhead": "+.1%"},
            )
        ],
        [
            Goal("Overhead of the loop, a fixed schedule", over["ours, a fixed schedule"],
                 "at most", 0.03, "+.1%"),
            Goal("Overhead of the loop, infonoise", over["ours, infonoise"], "at most", 0.03,
                 "+.1%"),
            Goal("Overhead of the loop, infonoise with everything on", over[EVERYTHING],
                 "at most", 0.03, "+.1%"),
        ],
    )  # fmt: skip


def overheads(work: Work, rounds: int, tick: Callable[[str], None]) -> dict[str, float]:
    """Of each loop: what a step takes beyond one of the hand-written loop, as a share of that.

    Medians over the rounds, in which all loops take turns.
    """
    channel = VarianceExploding()
    loops: dict[str, Callable[[], float]] = {
        "hand-written": lambda: bare(work),
        "ours, a fixed schedule": lambda: ours(work, LogNormal(channel)),
        "ours, infonoise": lambda: ours(work, _adaptive(channel, work.images)),
    }
    if work.everything:
        loops[EVERYTHING] = lambda: ours(work, _adaptive(channel, work.images), everything=True)
    names = list(loops)
    seconds: list[dict[str, float]] = []
    for i in range(rounds):
        tick(f"round {i + 1} of {rounds}")
        # Each goes first in turn: what runs after another finds other caches.
        turn = names[i % len(names) :] + names[: i % len(names)]
        seconds.append({name: loops[name]() for name in turn})
    return {name: median(s[name] / s["hand-written"] for s in seconds) - 1 for name in names}


def _adaptive(channel: VarianceExploding, images: ImageSet) -> InfoNoise:
    return InfoNoise(channel, warmup_steps=10, dim=images.dim)


def ours(work: Work, schedule: Schedule, everything: bool = False) -> float:
    """Mean seconds of a step of `train`, its first few left out."""
    watch = Watch(work.clock)
    steps = work.steps + WARM
    config = TrainConfig(steps=steps, batch_size=BATCH, eval_every=0, seed=work.seed)
    told = ("tensorboard",) if importlib.util.find_spec("tensorboard") else ()
    more: dict[str, Any] = {"workers": 1, "log_to": told, "save_async": True} if everything else {}
    with tempfile.TemporaryDirectory() as out:
        train(make_task(Objective(), work.images, work.seed), schedule, config, Path(out),
              engine=TorchEngine("cpu"), reporter=watch, **more)  # fmt: skip
    # The last one ends with a checkpoint.
    return (watch.times[-2] - watch.times[WARM - 1]) / (work.steps - 1)


def bare(work: Work) -> float:
    """The same for a loop as one writes it."""
    objective, images, seed = Objective(), work.images, work.seed
    denoiser = make_task(objective, images, seed).denoiser
    average = make_task(objective, images, seed).denoiser.requires_grad_(False)
    weight = weight_of(objective)
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=2e-3, betas=(0.9, 0.99), fused=True)
    averages: list[Tensor] = list(average.parameters())
    weights: list[Tensor] = list(denoiser.parameters())
    rng = torch.Generator().manual_seed(seed)
    began = 0.0
    for step in range(work.steps + WARM - 1):
        if step == WARM:
            began = work.clock()
        x0 = images.x0(torch.randint(len(images), (BATCH,), generator=rng).numpy())
        sigma = (-1.2 + 1.2 * torch.randn(BATCH, generator=rng)).exp()
        x = x0 + sigma[:, None, None, None] * torch.randn(x0.shape, generator=rng)
        error = (denoiser(x, sigma) - x0).square().flatten(1).mean(1)
        loss = (weight(sigma) * error).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 100)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 0.01)
    return (work.clock() - began) / (work.steps - 1)
