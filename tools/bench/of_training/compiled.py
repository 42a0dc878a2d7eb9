"""What --compile gives on the CPU: steps of the smallest image network, compiled and not."""

import time
from collections.abc import Callable
from statistics import median

import torch

from infonoise_core.training.engines.torch import TorchEngine
from infonoise_vision.data.images import ImageSet, load_split
from infonoise_vision.methods.diffusion import make_task
from infonoise_vision.methods.options import Objective
from of_training.loop_overhead import BATCH
from report import Goal, Section, Table

STEPS, ROUNDS, ROUNDS_QUICK = 40, 6, 2
# Beyond it the compiled step would be one that nobody wants.
_SLOWER = 1.2


class Steps:
    """Forward and backward passes and updates of a network, compiled or not."""

    def __init__(self, images: ImageSet, seed: int, compile: bool) -> None:
        self._images, self._rng = images, torch.Generator().manual_seed(seed)
        self._task = make_task(Objective(), images, seed)
        self._engine = TorchEngine("cpu", compile=compile)
        model = self._task.denoiser
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        self._forward = self._engine.wrap(model, optimizer, 1.0)
        self.losses: list[float] = []

    def take(self, steps: int) -> float:
        """Seconds of processor time of a step, on average."""
        began = time.process_time()
        for _ in range(steps):
            rows = torch.randint(len(self._images), (BATCH,), generator=self._rng).numpy()
            batch = self._task.batch(rows)
            sigma = torch.randn(BATCH, generator=self._rng).exp()
            eps = torch.randn(batch.x0.shape, generator=self._rng)
            with self._engine.micro_batch(last=True):
                loss = self._task.losses(self._forward, batch, sigma, eps).loss.mean()
                self._engine.backward(loss)
            self._engine.step(1e-3)
            self.losses.append(float(loss.detach()))
        return (time.process_time() - began) / steps


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Processor time of a step over that of one that is not compiled."""
    images, _ = load_split("digits")
    plain, compiled = (Steps(images, seed, compile) for compile in (False, True))
    tick("compiling")
    plain.take(2)
    first = compiled.take(2)
    rounds = ROUNDS_QUICK if quick else ROUNDS
    ratios = []
    for i in range(rounds):
        tick(f"round {i + 1} of {rounds}")
        took = {}
        for one in (plain, compiled) if i % 2 else (compiled, plain):
            took[one] = one.take(STEPS)
        ratios.append(took[compiled] / took[plain])
    pairs = zip(plain.losses, compiled.losses, strict=True)
    apart = max(abs(a - b) / abs(a) for a, b in pairs)
    return Section(
        "--compile on the CPU",
        [
            Table(
                "A step of the default network of the 8x8 digits",
                f"Processor time of a step, batches of {BATCH}, over that of one that is not"
                f" compiled, median of {rounds} rounds of {STEPS} steps in turns; seconds that the"
                " first two steps took, compiling among them, by a process that finds nothing"
                " compiled before or all of it.",
                ["time of a step", "first steps"],
                [[median(ratios), 2 * first]],
                {"time of a step": ".2f", "first steps": ".1f"},
            )
        ],
        [
            Goal("Time of a compiled step over that of a plain one", median(ratios), "at most",
                 _SLOWER, ".2f"),
            Goal("Relative difference of losses", apart, "at most", 1e-3, ".1e"),
        ],
    )  # fmt: skip
