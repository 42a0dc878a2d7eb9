"""Variance-preserving channels of a continuous time, a^2 + b^2 = 1."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel


class Curve(Protocol):
    """sigma as an increasing function of a time t in [0, 1], and its inverse; any shape."""

    def sigma(self, t: Tensor) -> Tensor:
        """Noise-to-signal ratio at time t; any shape."""

    def time(self, sigma: Tensor) -> Tensor:
        """The inverse of `sigma`; any shape."""


@dataclass(frozen=True)
class CosineCurve:
    """The cosine curve (Nichol & Dhariwal 2021, eq. 17).

    a^2 = cos^2(theta(t)) / cos^2(theta(0)), theta(t) = (t + offset) / (1 + offset) * pi / 2.
    """

    offset: float = 0.008

    def __post_init__(self) -> None:
        if not self.offset >= 0:
            raise InputError(f"the cosine curve's offset {self.offset:g}: give 0 or more")

    @property
    def _speed(self) -> float:
        return math.pi / 2 / (1 + self.offset)

    # Both ways are arranged so that t near 0 and 1 - t near 0 keep their digits.
    def sigma(self, t: Tensor) -> Tensor:
        """(sin^2 theta - sin^2 theta_0)^(1/2) / cos theta, as a product of sines; any shape."""
        start = self._speed * self.offset
        square = torch.sin(self._speed * t) * torch.sin(self._speed * t + 2 * start)
        return square.clamp_min(0).sqrt() / torch.sin(self._speed * (1 - t)).clamp_min(0)

    def time(self, sigma: Tensor) -> Tensor:
        """(theta - theta_0) / speed; the tangent of that difference needs no subtraction.

        Any shape.
        """
        start = self._speed * self.offset
        sine, cosine = math.sin(start), math.cos(start)
        # tan theta = root / cosine
        sigma = sigma.clamp(1e-15, 1e15)
        root = torch.hypot(sigma, torch.full_like(sigma, sine))
        opposite = sigma * (sigma / (root + sine)) * cosine
        return torch.atan2(opposite, cosine**2 + sine * root) / self._speed


@dataclass(frozen=True)
class LinearBetaCurve:
    """DDPM's linear table in continuous time (Song et al. 2021, eq. 33).

    a^2 = exp(-integral of beta), beta(t) = beta_min + t (beta_max - beta_min).
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.beta_min <= self.beta_max:
            raise InputError(
                f"beta_min {self.beta_min:g} and beta_max {self.beta_max:g}:"
                " give 0 < beta_min <= beta_max"
            )

    def sigma(self, t: Tensor) -> Tensor:
        """(e^B - 1)^(1/2), B the integral of beta up to t; any shape."""
        slope = self.beta_max - self.beta_min
        return torch.expm1(t * (self.beta_min + slope / 2 * t)).sqrt()

    def time(self, sigma: Tensor) -> Tensor:
        """The positive root of the quadratic B(t) = log(1 + sigma^2), without its cancellation.

        Any shape.
        """
        total = torch.log1p(sigma.square())
        slope = self.beta_max - self.beta_min
        return 2 * total / (self.beta_min + (self.beta_min**2 + 2 * slope * total).sqrt())


class VariancePreserving(Channel):
    """x_t = a x0 + b eps with a^2 + b^2 = 1; the coordinate is a time t in [0, 1], noise at t = 1.

    Args:
        curve: CosineCurve(offset) or LinearBetaCurve(beta_min, beta_max).
        sigma_min, sigma_max: By default the curve's values at t = 0.001 and at t = 1, or 0.999
            where the curve has no signal left at 1: one step in a thousand from either end.
    """

    def __init__(
        self,
        curve: Curve | None = None,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
    ) -> None:
        self.curve: Curve = CosineCurve() if curve is None else curve
        ends = torch.tensor([1e-3, 1 - 1e-3, 1.0], dtype=torch.float64)
        first, late, last = self.curve.sigma(ends).tolist()
        # The cosine of a right angle is not always a zero in floating point.
        endless = not last < 1e6
        if sigma_max is not None and not endless and sigma_max > last:
            raise InputError(
                f"sigma_max {sigma_max:g}: this curve ends at sigma {last:g}; stay below"
            )
        super().__init__(
            first if sigma_min is None else sigma_min,
            (late if endless else last) if sigma_max is None else sigma_max,
        )

    @property
    def settings(self) -> Mapping[str, Hashable]:
        return {"curve": self.curve, **super().settings}

    def sigma(self, u: Tensor) -> Tensor:
        return self.curve.sigma(u)

    def reported_sigma(self, u: Tensor) -> Tensor:
        # Beyond its ends a curve may come back to levels of the span.
        inside = (u >= 0) & (u <= 1)
        return torch.where(inside, super().reported_sigma(u), torch.nan)

    def coordinate(self, sigma: Tensor) -> Tensor:
        return self.curve.time(sigma)

    def signal(self, u: Tensor) -> Tensor:
        return torch.rsqrt(1 + self.sigma(u).square())

    def noise(self, u: Tensor) -> Tensor:
        # Not a * sigma, which is 0 * inf where no signal is left.
        return torch.rsqrt(1 + self.sigma(u).square().reciprocal())
