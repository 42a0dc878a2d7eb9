"""Where the details of images may be born, from the images alone."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet
from infonoise_vision.models.haar import coarse, split, stages_of
from infonoise_vision.models.staged import FILTER, Birth

# Images that bands are measured on.
_IMAGES = 2048
# A level of so many times the details' rms takes little of most pictures; see docs/decisions.md.
_TIMES = 6.0
_RIDGE = 1e-4


@lru_cache(maxsize=2)
def births_of(images: ImageSet, stages: str, nats: float, span: tuple[float, float]) -> list[Birth]:
    """The births of these images, finest band first.

    Each level is the smallest that loses at most `nats` by what the images' covariances say, and at
    least 6 times the rms of the band; levels rise from band to band.

    Args:
        span: Lowest and highest noise level. Details of images that have none, as enlarged ones
            do, are born just above the lowest.

    Raises:
        InputError: Where one would lie above the highest.
    """
    sigma_min, sigma_max = span
    rows = np.arange(min(len(images), _IMAGES)) * len(images) // min(len(images), _IMAGES)
    x0 = images.x0(rows)
    births: list[Birth] = []
    for k in range(stages_of(stages, images.shape)):
        rough, details = split(coarse(x0, k))
        band = Band(rough, details)
        floor = max(_TIMES * float(details.square().mean().sqrt()), 1.05 * sigma_min)
        level = band.level_for(nats, floor)
        level = max(level, 1.05 * births[-1].level if births else 0.0)
        if level >= sigma_max:
            raise InputError(
                f"--stages {stages}: halving {k + 1} would be born at noise {level:.3g}, and"
                f" --sigma-max is {sigma_max:g}; give {k}" + (" or none" if k else ": none")
            )
        births.append(band.birth(level))
    return births


class Band:
    """The second moments of a band and its coarse neighbours, of one data set.

    Args:
        rough: (n, c, h, w) coarse parts.
        details: (n, 3, c, h, w) of the band.

    Attributes:
        places: Of one image.
    """

    def __init__(self, rough: Tensor, details: Tensor) -> None:
        n, self.channels, h, w = rough.shape
        self.places = h * w
        self.coarse_rms = rough.square().mean().sqrt()
        self.detail_rms = details.square().mean((0, 2, 3, 4)).sqrt().clamp_min(1e-6)
        flat = details.flatten(1, 2)
        size = self.channels * FILTER**2
        both = size + flat.shape[1] * FILTER**2
        inner, cross, own = (
            torch.zeros(both, both, dtype=torch.float64),
            torch.zeros(both, flat.shape[1], dtype=torch.float64),
            torch.zeros(flat.shape[1], flat.shape[1], dtype=torch.float64),
        )
        for start in range(0, n, 128):
            rows = slice(start, start + 128)
            seen = torch.cat([_neighbours(rough[rows]), _neighbours(flat[rows])], 1)
            seen = seen.transpose(0, 1).flatten(1)
            target = flat[rows].flatten(2).transpose(0, 1).flatten(1)
            inner += (seen @ seen.T).to(torch.float64)
            cross += (seen @ target.T).to(torch.float64)
            own += (target @ target.T).to(torch.float64)
        count = n * self.places
        self._inner, self._cross, self._own = inner / count, cross / count, own / count
        self._size = size

    def newborn(self, level: float) -> tuple[Tensor, Tensor]:
        """The best filter (3 c, c 25) of coarse neighbours at noise `level`, and what it leaves."""
        inner = self._inner[: self._size, : self._size]
        return _regressed(inner, self._cross[: self._size], self._own, level)

    def shortfall(self, level: float) -> float:
        """Nats that a birth at `level` loses to the best linear denoiser of the band.

        Half the difference of rates, that of the newborn and that of a filter of 5x5 neighbours of
        the noisy coarse part and of the noisy band itself.
        """
        _, left = self.newborn(level)
        eye = torch.eye(len(left), dtype=torch.float64) * level**2
        newborn = float(torch.trace(torch.linalg.solve(left + eye, left)))
        _, error = _regressed(self._inner, self._cross, self._own, level)
        return self.places * (newborn - float(torch.trace(error)) / level**2) / 2

    def level_for(self, nats: float, floor: float) -> float:
        """The smallest level from `floor` on, by steps of 5 %, that loses at most `nats`."""
        level = floor
        while self.shortfall(level) > nats and level < 100 * floor:
            level *= 1.05
        return level

    def birth(self, level: float) -> Birth:
        """How the band is born at a level."""
        weights, left = self.newborn(level)
        filters = weights.reshape(-1, self.channels, FILTER, FILTER).to(torch.float32)
        covariance = (left + left.T) / 2
        return Birth(level, self.coarse_rms, self.detail_rms, filters, covariance.to(torch.float32))


def _neighbours(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, c 25, h w), each place's neighbours, reflected at the edges."""
    edge = FILTER // 2
    padded = functional.pad(x, (edge,) * 4, mode="reflect")
    return functional.unfold(padded, FILTER)


def _regressed(inner: Tensor, cross: Tensor, own: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Weights (targets, features) on features that noise `level` is added to, and what is left."""
    ridge = level**2 + _RIDGE * float(inner.diagonal().mean())
    noisy = inner + torch.eye(len(inner), dtype=torch.float64) * ridge
    weights = torch.linalg.solve(noisy, cross).T
    left = own - weights @ cross
    return weights, left
