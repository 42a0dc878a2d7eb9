"""Weights of a population of particles, and which of them go on."""

import torch
from torch import Tensor

# A population of which fewer carry the weight is drawn again.
_LEAST = 0.5


class Weights:
    """Logarithms of weights, up to a constant.

    Args:
        n: Particles.
        generator: Of what is drawn, on the CPU.

    Attributes:
        sizes: Effective number of particles each time they were thinned, 1 to n.
        family: (n,) particle of the start that each descends from.
    """

    def __init__(self, n: int, generator: torch.Generator | None) -> None:
        self._log = torch.zeros(n, dtype=torch.float64)
        self._generator = generator
        self.family = torch.arange(n)
        self.sizes: list[float] = []

    def add(self, log_ratio: Tensor) -> None:
        """Multiply the weights by ratios, given as logarithms (n,)."""
        self._log = self._log + log_ratio.double().cpu()

    def thinned(self, *, all_of_them: bool = False) -> Tensor:
        """Which particles go on; their weights are equal where some were drawn again."""
        probs = torch.softmax(self._log, 0)
        size = float(1 / probs.square().sum())
        self.sizes.append(size)
        if size >= _LEAST * len(probs) and not all_of_them:
            return torch.arange(len(probs))
        order = systematic(probs, self._generator)
        self._log = torch.zeros_like(self._log)
        self.family = self.family[order]
        return order

    @property
    def families(self) -> int:
        """Particles of the start that have descendants."""
        return len(torch.unique(self.family))


def systematic(probs: Tensor, generator: torch.Generator | None) -> Tensor:
    """(n,) indices, each i as often as n probs[i] rounded up or down (Carpenter et al. 1999)."""
    n = len(probs)
    points = (torch.arange(n) + torch.rand(1, generator=generator, dtype=torch.float64)) / n
    return torch.searchsorted(probs.cumsum(0), points).clamp_max(n - 1)
