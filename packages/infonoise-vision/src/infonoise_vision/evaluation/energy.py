"""The energy distance of two sets of images, in pixels."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from infonoise_vision.data.formats.source import CHUNK
from infonoise_vision.data.images import ImageSet


def energy_distance(first: Tensor, second: Tensor) -> float:
    """Unbiased energy distance of two image sets (n, ...) and (m, ...), per root of the dimension.

    2 E|X-Y| - E|X-X'| - E|Y-Y'| in pixel space (Szekely & Rizzo 2013): 0 on average for the same
    distribution, sensitive to noise, blur and missing kinds alike; needs neither labels nor a
    trained network.
    """
    return _energy(Part(len(first), first.__getitem__), Part(len(second), second.__getitem__))


def energy_of_sets(first: ImageSet, second: ImageSet, device: torch.device | None = None) -> float:
    """The same of images of scale 1, taken from their sets in parts.

    Args:
        device: Where distances are computed; the CPU by default.
    """
    return _energy(Part(len(first), first.x0), Part(len(second), second.x0), device)


class Part(NamedTuple):
    """n images, and those of a slice of them (b, ...)."""

    n: int
    at: Callable[[slice], Tensor]

    def blocks(self, device: torch.device | None) -> Iterator[Tensor]:
        """(b, dim) float64, on the device."""
        for start in range(0, self.n, CHUNK):
            block = self.at(slice(start, start + CHUNK))
            yield block.to(device or block.device, torch.float64).flatten(1)


def _energy(x: Part, y: Part, device: torch.device | None = None) -> float:
    cross = _distances(x, y, device) / (x.n * y.n)
    within = sum(_distances(z, z, device) / (z.n * (z.n - 1)) for z in (x, y))
    return (2 * cross - within) / math.sqrt(next(x.blocks(device)).shape[1])


def _distances(x: Part, y: Part, device: torch.device | None) -> float:
    """Sum over all pairs."""
    return float(sum(torch.cdist(a, b).sum() for a in x.blocks(device) for b in y.blocks(device)))
