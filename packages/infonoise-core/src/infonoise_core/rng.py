"""Randomness as a function of (seed, stream, step, place in the batch).

Nothing is carried from step to step, so a resumed run draws what the uninterrupted one drew, and
two runs that differ in one thing only (a schedule, say) share all the rest.
"""

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What the numbers are for; each stream is independent of the others."""

    ORDER = 0
    NOISE = 1
    LEVELS = 2
    MODEL = 3
    EVALUATE = 4
    SAMPLE = 5


def derive_seed(seed: int, stream: Stream, step: int = 0, place: int = 0) -> int:
    """A 63-bit seed, well mixed even for neighbouring arguments."""
    words = np.random.SeedSequence([seed, int(stream), step, place]).generate_state(2, np.uint64)
    return int(words[0] >> np.uint64(1))


def generator(
    seed: int, stream: Stream, step: int = 0, place: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A fresh generator on `device`."""
    return torch.Generator(device).manual_seed(derive_seed(seed, stream, step, place))


def seed_global(seed: int, device: torch.device) -> None:
    """Seed the generator that dropout and the like draw from on `device`."""
    if device.type == "cpu":
        # torch.manual_seed also takes note for GPUs that are not used, which costs a millisecond.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
