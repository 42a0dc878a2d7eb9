"""Files -> sounds, training ones and held-out ones."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from infonoise_core.errors import InputError

LENGTH = 16
SINES = "sines"


@dataclass(frozen=True)
class Sounds:
    """Sounds of 16 numbers each, the last quarter held out.

    Attributes:
        x0: (n, 16).
    """

    name: str
    x0: Tensor

    def split(self, name: str) -> Tensor:
        """(k, 16) training or held-out examples."""
        cut = len(self.x0) * 3 // 4
        return self.x0[:cut] if name == "train" else self.x0[cut:]

    def fingerprint(self) -> str:
        """A digest of their content."""
        return hashlib.sha256(self.x0.numpy().tobytes()).hexdigest()


def open_sounds(source: str) -> Sounds:
    """Sums of two sines, or a .npy file of numbers (n, 16) with n of at least 4."""
    if source == SINES:
        time = torch.linspace(0, 50, 256)[:, None] + torch.arange(LENGTH) / 2
        return Sounds(source, (torch.sin(time) + torch.sin(2 * time)) / 2)
    try:
        found = np.load(source)
    except (OSError, ValueError, EOFError):
        raise InputError(f"{source}: not a .npy file of numbers; give one, or {SINES}") from None
    if found.ndim != 2 or found.shape[1] != LENGTH or len(found) < 4 or found.dtype.kind != "f":
        raise InputError(f"{source}: give real numbers of shape (n, {LENGTH}), n at least 4")
    return Sounds(Path(source).name, torch.from_numpy(found).float())
