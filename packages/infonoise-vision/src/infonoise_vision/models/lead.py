"""Noise levels of the bands of staged images, whose details may be noised before the rest.

With a lead above 1 the details of a halving have noise v(sigma) of their own: from the birth of the
next coarser band on, or from a start, up to their own birth, log v is linear in log sigma, from
sigma to lead times sigma. Below it there is one level for all; above it they are unborn, and
whole images have them at lead times sigma.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from infonoise_vision.models.haar import join, split


class Ahead(NamedTuple):
    """How far a band's noise v is ahead of sigma.

    Attributes:
        factor: (n,) v / sigma.
        slope: (n,) d log v / d log sigma.
    """

    factor: Tensor
    slope: Tensor


@dataclass(frozen=True)
class BandLevels:
    """The levels of all bands, as functions of sigma (n,).

    Attributes:
        births: (k,) ascending, of the finest band first.
        lead: Noise of details where they are born, over that of the image they are born into.
        start: Up to this sigma there is one level for all.
        side: Of a whole image.
    """

    births: Tensor
    lead: float
    start: float
    side: int

    @property
    def uniform(self) -> bool:
        """Whether all bands have one level anyway."""
        return self.lead == 1 or not len(self.births)

    def ahead(self, sigma: Tensor, level: int) -> Ahead:
        """Of the details of halving `level`."""
        if self.uniform:
            return Ahead(torch.ones_like(sigma), torch.ones_like(sigma))
        low = sigma.new_tensor(self.start) if level == 0 else self.births[level - 1].to(sigma)
        high, lead = self.births[level].to(sigma), math.log(self.lead)
        place = (sigma / low).log() / (high / low).log()
        slope = torch.where((place > 0) & (sigma <= high), 1 + lead / (high / low).log(), 1.0)
        return Ahead((place.clamp(0, 1) * lead).exp(), slope)

    def noise(self, sigma: Tensor, level: int) -> Tensor:
        """(n,) v of the details of halving `level`."""
        return sigma * self.ahead(sigma, level).factor

    def shaped(self, noise: Tensor, sigma: Tensor) -> Tensor:
        """Unit noise (n, c, h, w) of any side, its details as large as v / sigma."""
        return self._by_band(noise, lambda level: self.ahead(sigma, level).factor)

    def counted(self, error: Tensor, sigma: Tensor) -> Tensor:
        """The error of x0 (n, c, h, w) as one whose square over sigma^2 is the rate."""

        def factor(level: int) -> Tensor:
            ahead = self.ahead(sigma, level)
            return ahead.slope.sqrt() / ahead.factor

        return self._by_band(error, factor)

    def along(self, x: Tensor, denoised: Tensor, sigma: Tensor) -> Tensor:
        """D for solvers of dx/dsigma = (x - D) / sigma: details move `slope` times as fast."""
        if self.uniform:
            return denoised
        return x - self._by_band(x - denoised, lambda level: self.ahead(sigma, level).slope)

    def raising(self, noise: Tensor, sigma: Tensor, raised: Tensor) -> Tensor:
        """Of unit noise (n, c, h, w), what brings a state from sigma to a higher level."""

        def between(low: Tensor, high: Tensor) -> Tensor:
            return (high.square() - low.square()).sqrt()

        if self.uniform:
            return between(sigma, raised).to(noise).reshape(-1, 1, 1, 1) * noise
        rest = between(sigma, raised)
        scaled = self._by_band(
            noise, lambda level: between(self.noise(sigma, level), self.noise(raised, level)) / rest
        )
        return rest.to(noise).reshape(-1, 1, 1, 1) * scaled

    def _by_band(
        self, x: Tensor, factor: Callable[[int], Tensor], level: int | None = None
    ) -> Tensor:
        """x (n, c, h, w) with the details of each halving times its factor (n,)."""
        if self.uniform:
            return x
        if level is None:
            level = round(math.log2(self.side / x.shape[2]))
        if level == len(self.births):
            return x
        rough, details = split(x)
        by = factor(level).to(x).reshape(-1, 1, 1, 1, 1)
        return join(self._by_band(rough, factor, level + 1), by * details)
