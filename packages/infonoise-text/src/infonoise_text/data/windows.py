"""Windows of a split: training examples by number, and held-out ones."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import Split

# Windows overlap until there are about this many, so that a small corpus is met in every phase.
_WINDOWS = 2**20


class Windows:
    """Whole windows of `length` tokens, one every `stride`: nothing is padded."""

    def __init__(self, split: Split, length: int, stride: int | None = None) -> None:
        split.windows(length)  # refuses a split without a whole one
        self.split, self.length = split, length
        self.stride = max(1, min(length, len(split) // _WINDOWS)) if stride is None else stride

    def __len__(self) -> int:
        return (len(self.split) - self.length) // self.stride + 1

    def ids(self, index: NDArray[np.integer]) -> Tensor:
        """(n, length) int32 at `index` (n,)."""
        positions = np.asarray(index, np.int64) * self.stride
        return torch.from_numpy(self.split.window(positions, self.length))


def held_out_windows(split: Split, length: int, windows: int) -> Tensor:
    """(n, length) ids of n <= `windows` windows that do not overlap, spread over the split.

    Raises:
        InputError: Where the split has room for less than two: an error bar needs them.
    """
    there = split.windows(length)
    if there < 2:
        raise InputError(
            f"the {split.name} split has {len(split)} tokens, one window of {length}: an error bar"
            " needs two; give a shorter length or prepare more text"
        )
    chosen = np.unique(np.linspace(0, there - 1, min(windows, there)).round().astype(np.int64))
    return torch.from_numpy(split.window(chosen * length, length)).to(torch.int64)
