"""What the schedule costs: against a training step, and against the method on the host in numpy.

Ratios only. All parties take turns in one process, so that whatever else the machine does hits
them alike, and the median over the rounds is taken.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.weighting import edm_weight
from infonoise_core.schedules.fixed import LogNormal
from infonoise_core.schedules.infonoise import InfoNoise
from infonoise_vision.methods.diffusion import make_denoiser
from of_core.host_buffers import HostBuffers
from report import Goal, Section, Table

BATCH, SMALL, REFRESH = 512, 64, 100
SHAPE = (1, 8, 8)
SPAN, SIGMA_DATA = (0.002, 80.0), 0.5
# Enough for the warm-up to be over, and for every bin of the host's buffers to be filled.
BEFORE = 800

Schedule = InfoNoise | HostBuffers


@dataclass(frozen=True)
class Seconds:
    """Per optimizer step, the refresh spread over the steps between two."""

    sample: float
    observe: float
    refresh: float

    @property
    def total(self) -> float:
        return self.sample + self.observe + self.refresh


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Shares, ratios and counts of tensor operations."""
    ours, host = _schedules(seed)
    training = TrainingStep(seed)
    for schedule in (ours, host):
        for _ in range(BEFORE // REFRESH):
            window(schedule)
    training()
    rounds = []
    for i in range(3 if quick else 15):
        tick(f"round {i + 1}")
        rounds.append((clock(training), window(ours), window(host)))
    share = median(mine.total / step for step, mine, _ in rounds)
    gain = median(theirs.total / mine.total for _, mine, theirs in rounds)
    parts = [
        [
            field.name,
            median(getattr(mine, field.name) / step for step, mine, _ in rounds),
            median(getattr(mine, field.name) / mine.total for _, mine, _ in rounds),
            median(
                getattr(theirs, field.name) / getattr(mine, field.name)
                for _, mine, theirs in rounds
            ),
        ]
        for field in fields(Seconds)
    ]  # fmt: skip
    u, error = ours.sample(SMALL), torch.rand(SMALL)
    counts = [operations(lambda: ours.sample(SMALL)), operations(lambda: ours.observe(u, error))]
    return Section(
        "Cost",
        [
            Table(
                "Time",
                f"Batches of {BATCH}, a refresh every {REFRESH} steps, medians of {len(rounds)}"
                " rounds in which all take turns. The training step is forward, backward and AdamW"
                f" of infonoise-vision's network for {SHAPE[1]}x{SHAPE[2]} images, the smallest"
                " that is shipped. The implementation in numpy keeps the published buffers, first"
                " in, first out, and runs on the same CPU, where its copies cost nothing and wait"
                " for nothing.",
                ["part", "share of a training step", "share of our cost", "numpy over ours"],
                [*parts, ["total", share, 1.0, gain]],
                {
                    "share of a training step": ".3%",
                    "share of our cost": ".0%",
                    "numpy over ours": ".2f",
                },
            ),
            Table(
                "Counts",
                f"Independent of the machine: tensor operations of ours per step, at batch {SMALL}"
                " (those of reading what was reported come once in many steps, with the refresh),"
                " and who reads a tensor's values there, which makes the host wait for a device.",
                ["part", "operations", "ours waits", "numpy waits"],
                [
                    [
                        "sample",
                        counts[0],
                        waits(lambda u, error: ours.sample(BATCH)),
                        waits(lambda u, error: host.sample(BATCH)),
                    ],
                    [
                        "observe",
                        counts[1],
                        waits(ours.observe),
                        waits(host.observe),
                    ],
                ],
            ),
        ],
        [
            Goal(
                "Sample, observe and refresh as a share of a training step", share, "at most",
                0.002, ".2%",
            ),
            Goal(
                f"Tensor operations of sample and observe at batch {SMALL}", sum(counts),
                "at most", 18, ".0f", "Half of what they were when every report was read at once.",
            ),
            Goal(
                "Cost of the implementation in numpy over ours, on a CPU", gain, "at least", 10,
                ".2f", "On a CPU there is no device to wait for, which is what ours avoids.",
            ),
        ],
    )  # fmt: skip


class TrainingStep:
    """Forward, backward and optimizer of the smallest shipped network."""

    def __init__(self, seed: int) -> None:
        self.denoiser = make_denoiser(SHAPE, SIGMA_DATA, seed)
        self.optimizer = torch.optim.AdamW(self.denoiser.parameters(), lr=1e-3)
        self.weight = edm_weight(SIGMA_DATA)
        self.rng = torch.Generator().manual_seed(seed)
        self.x0 = 2 * torch.rand(BATCH, *SHAPE, generator=self.rng) - 1
        self.sigma = LogNormal(VarianceExploding(*SPAN)).sample(BATCH, generator=self.rng)

    def __call__(self) -> None:
        noise = torch.randn(self.x0.shape, generator=self.rng)
        x = self.x0 + self.sigma[:, None, None, None] * noise
        error = (self.denoiser(x, self.sigma) - self.x0).square().flatten(1).sum(1)
        (self.weight(self.sigma) * error).mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def _schedules(seed: int) -> tuple[InfoNoise, HostBuffers]:
    channel = VarianceExploding(*SPAN)
    ours = InfoNoise(
        channel, LogNormal(channel), edm_weight(SIGMA_DATA), dim=SHAPE[1] * SHAPE[2],
        refresh_every=REFRESH, warmup_steps=BEFORE // 2,
    )  # fmt: skip
    return ours, HostBuffers(*SPAN, refresh_every=REFRESH, seed=seed)


def window(schedule: Schedule) -> Seconds:
    """The steps from one refresh to the next, its own included."""
    levels: list[Tensor] = []
    sample = clock(lambda: levels.extend(schedule.sample(BATCH) for _ in range(REFRESH)))
    pairs = [(u, u.square() / (1 + u.square() / SIGMA_DATA**2)) for u in levels]

    def observe() -> None:
        for u, error in pairs:
            schedule.observe(u, error)

    def step() -> None:
        for _ in range(REFRESH):
            schedule.step()

    return Seconds(sample / REFRESH, clock(observe) / REFRESH, clock(step) / REFRESH)


def clock(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def operations(function: Callable[[], object]) -> int:
    """Tensor operations of a call, views and allocations among them."""
    counter = _Counter()
    with counter:
        function()
    return counter.count


def waits(function: Callable[[Tensor, Tensor], object]) -> bool:
    """Whether a call with levels and errors (n,) reads their values: it cannot if they are fake."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        try:
            function(torch.ones(BATCH), torch.ones(BATCH))
        except RuntimeError:
            return True
    return False


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))
