"""Where the details of images may be born, from the images alone."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet
from infonoise_vision.models.haar import coarse, split, stages_of
from infonoise_vision.models.pairs import coefficients_at, reflected
from infonoise_vision.models.staged import FILTER, Birth

# Images that bands are measured on.
_IMAGES = 2048
# A level of so many times the details' rms takes little of most pictures; see docs/decisions.md.
_TIMES = 6.0
_RIDGE = 1e-4


@lru_cache(maxsize=2)
def births_of(
    images: ImageSet, stages: str, nats: float, span: tuple[float, float], lead: float = 1.0
) -> list[Birth]:
    """The births of these images, finest band first.

    The noise of details is the smallest that loses at most `nats` by what the images' covariances
    say, and at least 6 times the rms of the band; levels rise from band to band.

    Args:
        span: Lowest and highest noise level. Details of images that have none, as enlarged ones
            do, are born just above the lowest.
        lead: Of their noise over that of the image they are born into.

    Raises:
        InputError: Where one would lie above the highest.
    """
    sigma_min, sigma_max = span
    rows = np.arange(min(len(images), _IMAGES)) * len(images) // min(len(images), _IMAGES)
    x0 = images.x0(rows)
    births: list[Birth] = []
    for k in range(stages_of(stages, images.shape)):
        rough, details = split(coarse(x0, k))
        given = images.given(rows)
        band = Band(rough, details, None if given is None else coefficients_at(given, k))
        floor = max(_TIMES * float(details.square().mean().sqrt()) / lead, 1.05 * sigma_min)
        level = band.level_for(nats, floor, lead)
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
        beside: (n, 4 g, h, w) coefficients of what images are drawn from, which is never noised.

    Attributes:
        places: Of one image.
    """

    def __init__(self, rough: Tensor, details: Tensor, beside: Tensor | None = None) -> None:
        n, self.channels, h, w = rough.shape
        self.places = h * w
        self.coarse_rms = rough.square().mean().sqrt()
        self.detail_rms = details.square().mean((0, 2, 3, 4)).sqrt().clamp_min(1e-6)
        flat = details.flatten(1, 2)
        known = rough[:, :0] if beside is None else beside
        # What is not noised, the noisy coarse part, and the noisy details themselves.
        sizes = [part.shape[1] * FILTER**2 for part in (known, rough, flat)]
        every = sum(sizes)
        inner, cross, own = (
            torch.zeros(every, every, dtype=torch.float64),
            torch.zeros(every, flat.shape[1], dtype=torch.float64),
            torch.zeros(flat.shape[1], flat.shape[1], dtype=torch.float64),
        )
        for start in range(0, n, 128):
            rows = slice(start, start + 128)
            seen = torch.cat([_neighbours(part[rows]) for part in (known, rough, flat)], 1)
            seen = seen.transpose(0, 1).flatten(1)
            target = flat[rows].flatten(2).transpose(0, 1).flatten(1)
            inner += (seen @ seen.T).to(torch.float64)
            cross += (seen @ target.T).to(torch.float64)
            own += (target @ target.T).to(torch.float64)
        count = n * self.places
        self._inner, self._cross, self._own = inner / count, cross / count, own / count
        self._known, self._size = sizes[0], sizes[0] + sizes[1]

    def newborn(self, level: float) -> tuple[Tensor, Tensor]:
        """The best filter of coarse neighbours at noise `level`, and what it leaves.

        Weights (3 c, 4 g 25 + c 25), those of what images are drawn from first.
        """
        inner = self._inner[: self._size, : self._size]
        noise = self._noise(level, level)[: self._size]
        return _regressed(inner, self._cross[: self._size], self._own, noise)

    def shortfall(self, level: float, lead: float = 1.0) -> float:
        """Nats that a birth at `level` loses to the best linear denoiser of the band.

        Half the difference of rates, that of the newborn and that of a filter of 5x5 neighbours of
        the noisy coarse part and of the noisy band itself, which has `lead` times as much noise.
        """
        _, left = self.newborn(level)
        own = lead * level
        eye = torch.eye(len(left), dtype=torch.float64) * own**2
        newborn = float(torch.trace(torch.linalg.solve(left + eye, left)))
        _, error = _regressed(self._inner, self._cross, self._own, self._noise(level, own))
        return self.places * (newborn - float(torch.trace(error)) / own**2) / 2

    def level_for(self, nats: float, floor: float, lead: float = 1.0) -> float:
        """The smallest level from `floor` on, by steps of 5 %, that loses at most `nats`."""
        level = floor
        while self.shortfall(level, lead) > nats and level < 100 * floor:
            level *= 1.05
        return level

    def _noise(self, level: float, own: float) -> Tensor:
        """(features,) standard deviation of what the features are noised with."""
        noise = torch.full((len(self._inner),), level, dtype=torch.float64)
        noise[: self._known], noise[self._size :] = 0, own
        return noise

    def birth(self, level: float) -> Birth:
        """How the band is born at a level."""
        weights, left = self.newborn(level)
        shaped = weights.to(torch.float32).reshape(len(weights), -1, FILTER, FILTER)
        beside, filters = shaped.tensor_split([self._known // FILTER**2], 1)
        covariance = ((left + left.T) / 2).to(torch.float32)
        return Birth(
            level, self.coarse_rms, self.detail_rms, filters, covariance,
            beside if self._known else None,
        )  # fmt: skip


def _neighbours(x: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, c 25, h w), each place's neighbours, reflected at the edges."""
    if not x.shape[1]:
        return x.flatten(2)
    return functional.unfold(reflected(x, FILTER), FILTER)


def _regressed(inner: Tensor, cross: Tensor, own: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (targets, features) on features that noise is added to, and what is left.

    Args:
        noise: (features,) its standard deviation.
    """
    ridge = noise.square() + _RIDGE * float(inner.diagonal().mean())
    noisy = inner + torch.diag(ridge)
    weights = torch.linalg.solve(noisy, cross).T
    left = own - weights @ cross
    return weights, left
