"""Variance-preserving channels, a^2 + b^2 = 1: a continuous time, or the steps of a DDPM table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from infonoise_core.binning import invert_cdf
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

    def sigma(self, u: Tensor) -> Tensor:
        return self.curve.sigma(u)

    def coordinate(self, sigma: Tensor) -> Tensor:
        return self.curve.time(sigma)

    def signal(self, u: Tensor) -> Tensor:
        return torch.rsqrt(1 + self.sigma(u).square())

    def noise(self, u: Tensor) -> Tensor:
        # Not a * sigma, which is 0 * inf where no signal is left.
        return torch.rsqrt(1 + self.sigma(u).square().reciprocal())


class DiscreteDDPM(Channel):
    """Steps u = 0..T-1 of a table alphas_cumprod = a^2 (Ho et al. 2020); levels drawn are int64.

    A sigma belongs to the step nearest in log sigma. A table may end without signal (zero terminal
    SNR, Lin et al. 2024): that last step has sigma = inf and is never drawn.

    Args:
        sigma_min, sigma_max: By default the table's lowest and highest finite levels.
    """

    coordinate_dtype: ClassVar[torch.dtype] = torch.int64

    def __init__(
        self,
        alphas_cumprod: Tensor | Sequence[float],
        sigma_min: float | None = None,
        sigma_max: float | None = None,
    ) -> None:
        kept = _checked_table(alphas_cumprod)
        sigma = ((1 - kept) / kept).sqrt()
        finite = sigma[sigma.isfinite()]
        super().__init__(
            float(finite[0]) if sigma_min is None else sigma_min,
            float(finite[-1]) if sigma_max is None else sigma_max,
        )
        # A step owns the log sigmas up to half way to its neighbours; half way to inf is inf.
        log_sigma = sigma.log()
        middles = (log_sigma[:-1] + log_sigma[1:]) / 2
        span = torch.tensor([self.sigma_min, self.sigma_max], dtype=torch.float64).log()
        inside = (middles > span[0]) & (middles < span[1])
        bounds = torch.cat([span[:1], middles[inside], span[1:]])
        steps = (middles <= span[0]).sum() + torch.arange(len(bounds), dtype=torch.float64)
        cpu = torch.device("cpu")
        self._tables = {
            cpu: _Table(
                kept.sqrt().float(),
                (1 - kept).sqrt().float(),
                sigma.float(),
                middles,
                bounds,
                steps,
            )
        }

    def sigma(self, u: Tensor) -> Tensor:
        return self._table(u).sigma[u.to(torch.int64)]

    def coordinate(self, sigma: Tensor) -> Tensor:
        middles = self._table(sigma).middles
        return torch.searchsorted(middles, sigma.to(middles.dtype).log(), right=True)

    def signal(self, u: Tensor) -> Tensor:
        return self._table(u).signal[u.to(torch.int64)]

    def noise(self, u: Tensor) -> Tensor:
        return self._table(u).noise[u.to(torch.int64)]

    def time(self, sigma: Tensor) -> Tensor:
        """Steps without gaps: a step's number at the lower end of its log sigmas within the span.

        One more at the upper end, and linear in log sigma between; any shape.
        """
        table = self._table(sigma)
        return invert_cdf(table.bounds, table.steps, sigma.to(table.bounds.dtype).log())

    def sigma_at(self, time: Tensor) -> Tensor:
        table = self._table(time)
        return invert_cdf(table.steps, table.bounds, time.to(table.steps.dtype)).exp()

    def edges(self, bins: int) -> Tensor:
        """(K+1,) edges of bins made of whole steps.

        Where steps lie further apart than the bins would be wide, one bin per step, because a bin
        without a level would never see a loss.
        """
        wanted, bounds = super().edges(bins).log(), self._tables[torch.device("cpu")].bounds
        above = torch.searchsorted(bounds, wanted).clamp(1, len(bounds) - 1)
        nearer = wanted - bounds[above - 1] < bounds[above] - wanted
        chosen = torch.zeros(len(bounds), dtype=torch.bool)
        chosen[torch.where(nearer, above - 1, above)] = True
        chosen[0] = chosen[-1] = True
        edges = bounds[chosen].exp()
        edges[0], edges[-1] = self.sigma_min, self.sigma_max
        return edges

    def _table(self, near: Tensor) -> "_Table":
        # Copies stay on the devices that wanted them, so that a draw does not wait for the host.
        if near.device not in self._tables:
            self._tables[near.device] = self._tables[torch.device("cpu")].to(near.device)
        return self._tables[near.device]


class _Table(NamedTuple):
    """A table of T steps.

    Attributes:
        signal: (T,) of each step.
        noise: (T,) of each step.
        sigma: (T,) of each step.
        middles: (T-1,) log sigma half way between steps.
        bounds: (M+1,) log sigmas where the steps inside the span begin and the last one ends.
        steps: (M+1,) their numbers.
    """

    signal: Tensor
    noise: Tensor
    sigma: Tensor
    middles: Tensor
    bounds: Tensor
    steps: Tensor

    def to(self, device: torch.device) -> "_Table":
        # MPS knows no float64.
        wide = torch.float32 if device.type == "mps" else torch.float64
        exact = (column.to(device, wide) for column in self[3:])
        return _Table(*(column.to(device) for column in self[:3]), *exact)


def _checked_table(alphas_cumprod: Tensor | Sequence[float]) -> Tensor:
    table = torch.as_tensor(alphas_cumprod).detach().to("cpu", torch.float64)
    if table.dim() != 1 or len(table) < 2:
        raise InputError(
            f"alphas_cumprod of shape {tuple(table.shape)}: give one value per step, at least 2"
        )
    if not (table[0] < 1 and table[-1] >= 0):
        raise InputError(
            f"alphas_cumprod runs from {float(table[0]):g} to {float(table[-1]):g}:"
            " give the share of signal power, below 1 and at least 0"
        )
    rising = (~(table.diff() < 0)).nonzero()
    if len(rising):
        step = int(rising[0])
        raise InputError(
            f"alphas_cumprod does not fall from step {step} ({float(table[step]):g}) to step"
            f" {step + 1} ({float(table[step + 1]):g}): give the cumulative products of 1 - beta"
        )
    if table[1] == 0:
        raise InputError("alphas_cumprod has one step with signal: give at least 2")
    return table
