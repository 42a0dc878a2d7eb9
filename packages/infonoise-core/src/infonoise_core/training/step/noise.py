"""The noise that examples are trained on, by their place in the whole batch.

A process draws only the rows that it trains on, and still the numbers that one process would draw
for them: rows come in blocks with a generator each, whose bounds depend on nothing but the shape of
an example.
"""

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator

# How random numbers are drawn, written into every checkpoint. The first releases drew the noise of
# the whole batch on every process (1); now it is drawn by blocks of rows (2).
STREAMS = 2
# Numbers in a block, about. To begin a generator takes as long as some thousand numbers, and a
# process draws less than two blocks that it does not need.
_BLOCK = {"cpu": 2**14, "cuda": 2**20}


class Noise(Protocol):
    """Unit noise of the rows of a batch."""

    def rows(self, step: int, start: int, like: Tensor) -> Tensor:
        """Noise of `like`'s shape, type and device, for as many rows of step `step`'s batch.

        Args:
            start: The first row's place in the whole batch.
        """


def noise_of(streams: int, seed: int, batch_size: int) -> Noise:
    """The noise of a run.

    Args:
        streams: Version of the random streams that the run was begun under.

    Raises:
        InputError: For a version that a later release brought.
    """
    if streams == 1:
        return WholeNoise(seed, batch_size)
    if streams == STREAMS:
        return BlockNoise(seed)
    raise InputError(
        f"the run was begun with version {streams} of random streams, this program knows"
        f" {STREAMS}: use the release that began it"
    )


class BlockNoise:
    """Rows come in blocks, each with a generator of its own, and only blocks in need are drawn."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generator: torch.Generator | None = None

    def rows(self, step: int, start: int, like: Tensor) -> Tensor:
        out = torch.empty_like(like, requires_grad=False)
        stop = start + len(like)
        block = rows_of_block(math.prod(like.shape[1:]), like.device.type)
        first, last = start // block, -(-stop // block)
        for number, seed in enumerate(self._seeds(step, first, last), start=first):
            low, high = number * block, (number + 1) * block
            if start <= low and high <= stop:
                self._drawn(out[low - start : high - start], seed)
                continue
            whole = self._drawn(like.new_empty(block, *like.shape[1:]), seed)
            low, high = max(low, start), min(high, stop)
            out[low - start : high - start] = whole[low - number * block : high - number * block]
        return out

    def _drawn(self, out: Tensor, seed: int) -> Tensor:
        if self._generator is None or self._generator.device != out.device:
            self._generator = torch.Generator(out.device)
        return out.normal_(generator=self._generator.manual_seed(seed))

    def _seeds(self, step: int, first: int, last: int) -> list[int]:
        """Of blocks `first` to `last` - 1; word n of the sequence depends on n, not on its end."""
        words = np.random.SeedSequence([self._seed, int(Stream.NOISE), step, STREAMS])
        seeds = words.generate_state(last, np.uint64)[first:] >> np.uint64(1)
        return [int(seed) for seed in seeds]


class WholeNoise:
    """As the first releases drew it: all of the batch, of which a process takes its part."""

    def __init__(self, seed: int, batch_size: int) -> None:
        self._seed, self._batch_size = seed, batch_size
        self._step, self._eps = -1, torch.empty(0)

    def rows(self, step: int, start: int, like: Tensor) -> Tensor:
        if step != self._step:
            noise = generator(self._seed, Stream.NOISE, step, device=like.device)
            shape = (self._batch_size, *like.shape[1:])
            self._eps = torch.randn(shape, generator=noise, device=like.device, dtype=like.dtype)
            self._step = step
        return self._eps[start : start + len(like)]


def rows_of_block(numbers: int, device: str) -> int:
    """Rows in a block of examples of so many numbers.

    A power of two, so that the parts of most batches are whole blocks.
    """
    most = _BLOCK.get(device, _BLOCK["cuda"]) // max(1, numbers)
    return 1 << max(0, most.bit_length() - 1)
