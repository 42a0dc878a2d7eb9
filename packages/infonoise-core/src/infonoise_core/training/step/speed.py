"""How fast a run goes, and what that takes of the device."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode

from infonoise_core.training.task import Batch, Counted, Task

T = TypeVar("T")

# Dense multiply-adds in bf16 (counted as two) per second, by what a GPU calls itself; the vendor's
# data sheets. Longer names first: one may be part of another.
_PEAKS = {
    "B200": 2250e12, "GB200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12,
    "A100": 312e12, "L40S": 362e12, "L4": 121e12, "A10": 125e12, "RTX 4090": 165e12,
}  # fmt: skip
# The backward pass takes twice what the forward pass does: gradients of inputs and of weights.
_PASSES = 3


class Speed:
    """Examples per second and the like, between two laps; what is put aside does not count.

    It reads clocks only: a step waits for nothing on its account.

    Args:
        batch_size: Examples of an optimizer step, all processes together.
        done: Optimizer steps that are done already.
        flops: Of an example, forward and backward; 0 where it does not matter.
    """

    def __init__(
        self, task: Task, batch_size: int, done: int, device: torch.device,
        flops: float = 0.0, world: int = 1, clock: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self._unit, self._units = (task.unit, task.units) if isinstance(task, Counted) else ("", 0)
        self._batch_size, self._device, self._clock = batch_size, device, clock
        self._flops, self._peak = flops, world * peak_of(device)
        self._done, self._began, self._aside, self._waited = done, clock(), 0.0, 0.0

    def next(self, batches: Iterator[T]) -> T:
        """The next micro-batch; the time until it is there is noted."""
        began = self._clock()
        batch = next(batches)
        self._waited += self._clock() - began
        return batch

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Around what is no training: evaluations, checkpoints."""
        began = self._clock()
        yield
        self._aside += self._clock() - began

    def lap(self, done: int) -> dict[str, float]:
        """What is known of the steps since the last lap; of this process where it is not of all."""
        now = self._clock()
        seconds = max(1e-9, now - self._began - self._aside)
        examples = self._batch_size * (done - self._done) / seconds
        found = {"examples_per_s": examples}
        if self._units:
            found[f"{self._unit}_per_s"] = examples * self._units
        found["data_wait"] = min(1.0, self._waited / seconds)
        found["memory_gib"] = high_water(self._device) / 2**30
        if self._flops and self._peak:
            found["mfu"] = self._flops * examples / self._peak
        self._done, self._began, self._aside, self._waited = done, now, 0.0, 0.0
        return {name: float(f"{value:.4g}") for name, value in found.items()}


def in_words(speed: dict[str, float]) -> str:
    """For the progress of a run."""
    words = [
        f"{value:.0f} {name.removesuffix('_per_s')}/s"
        for name, value in speed.items()
        if name.endswith("_per_s")
    ]
    if speed["data_wait"] >= 0.05:
        words.append(f"{speed['data_wait']:.0%} waiting for data")
    if "mfu" in speed:
        words.append(f"{speed['mfu']:.0%} of the device's peak")
    return ", ".join(words)


def peak_of(device: torch.device) -> float:
    """Floating-point operations per second of a device at its best in bf16; 0 where unknown."""
    if device.type != "cuda":
        return 0.0
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in _PEAKS.items() if known in name), 0.0)


def flops_of_example(task: Task, batch: Batch) -> float:
    """Floating-point operations of a training step for each of a few examples.

    Of matrix products, convolutions and attention in the forward pass, three times (Kaplan et al.
    2020, 2.1); what activation checkpointing computes again is not counted.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        sigma = torch.ones(len(batch.x0), device=batch.x0.device)
        task.losses(task.denoiser, batch, sigma, torch.zeros_like(batch.x0))
    return _PASSES * float(counter.get_total_flops()) / len(batch.x0)


def high_water(device: torch.device) -> int:
    """Most bytes that this process has held: on a GPU in tensors, else resident in memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
