"""A Gaussian channel by any two functions of a time: x_t = a(t) x0 + b(t) eps."""

from collections.abc import Callable, Hashable, Mapping

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel

# Times at which sigma is tabulated, close together at both ends, where it runs fastest; and steps
# of the secant method that refine what the table gives.
_TABLE, _REFINE = 4097, 3
# How far from either end of time the span begins by default.
_END = 1e-3


class FunctionChannel(Channel):
    """x_t = a(t) x0 + b(t) eps for a `signal` a and a `noise` b of one's own; t in [start, end].

    For flows and schedules that have no class of their own here: a flow with a least noise
    (b^2 = (1 - t)^2 + sigma^2, Tong et al. 2024), the schedulers of flow_matching, a shifted
    schedule. sigma = b / a has to rise or to fall all the way; which end has the noise is read off.
    eps has to be independent of x0: not so where noise is paired with data (optimal transport
    within a batch), or where it is a fixed point of a bridge.

    The error of a `velocity`, a'(t) x0 + b'(t) eps, is turned into that of x0 by these functions'
    own derivatives. At module level they can be pickled with the schedule, as a lambda cannot.

    Args:
        signal, noise: Of a tensor of times, any shape; the same shape, differentiable by torch.
        start, end: Between them times lie.
        sigma_min, sigma_max: By default the levels a thousandth of time from either end.
    """

    def __init__(
        self,
        signal: Callable[[Tensor], Tensor],
        noise: Callable[[Tensor], Tensor],
        start: float = 0.0,
        end: float = 1.0,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
    ) -> None:
        if not start < end:
            raise InputError(f"start {start:g} and end {end:g} of time: give start < end")
        self._signal, self._noise = signal, noise
        self.start, self.end = float(start), float(end)
        # Cosine spacing has its points within 1e-7 of either end.
        share = (1 - torch.cos(torch.linspace(0, torch.pi, _TABLE, dtype=torch.float64))) / 2
        time = start + (end - start) * share
        sigma = self.sigma(time)
        known = sigma.isfinite() & (sigma > 0)
        time, sigma = time[known], sigma[known]
        rises = sigma.diff() > 0
        if len(sigma) < 2 or not (bool(rises.all()) or not bool(rises.any())):
            raise InputError(
                "noise / signal neither rises nor falls all the way from t ="
                f" {start:g} to {end:g}: give functions of which it does, or less of time"
            )
        if not bool(rises[0]):
            time, sigma = time.flip(0), sigma.flip(0)
        self._table_time, self._table_log = time, sigma.log()
        near = torch.tensor([_END, 1 - _END], dtype=torch.float64) * (end - start) + start
        low, high = sorted(self.sigma(near).tolist())
        super().__init__(
            low if sigma_min is None else sigma_min, high if sigma_max is None else sigma_max
        )
        first, last = float(sigma[0]), float(sigma[-1])
        if self.sigma_min < first or self.sigma_max > last:
            raise InputError(
                f"sigma {self.sigma_min:g} to {self.sigma_max:g}: these functions run from"
                f" {first:g} to {last:g}; stay within"
            )

    @property
    def settings(self) -> Mapping[str, Hashable]:
        own = {"signal": self._signal, "noise": self._noise, "start": self.start, "end": self.end}
        return {**own, **super().settings}

    def sigma(self, u: Tensor) -> Tensor:
        return self._noise(u) / self._signal(u)

    def signal(self, u: Tensor) -> Tensor:
        return self._signal(u)

    def noise(self, u: Tensor) -> Tensor:
        return self._noise(u)

    def coordinate(self, sigma: Tensor) -> Tensor:
        """From the table, refined by secants on log sigma; any shape, float32 or wider."""
        wanted = sigma.to(torch.float32 if sigma.device.type == "mps" else torch.float64).log()
        logs, times = (t.to(wanted) for t in (self._table_log, self._table_time))
        right = torch.searchsorted(logs, wanted).clamp(1, len(logs) - 1)
        t0, t1, y0, y1 = times[right - 1], times[right], logs[right - 1], logs[right]
        lowest, highest = torch.minimum(t0, t1), torch.maximum(t0, t1)
        for _ in range(_REFINE):
            t = t0 + (t1 - t0) * (wanted - y0) / (y1 - y0)
            t = torch.where(t.isfinite(), t, (t0 + t1) / 2)
            t = torch.minimum(torch.maximum(t, lowest), highest)
            y = self.sigma(t).log()
            # The bracket keeps the root, and shrinks from both sides.
            below = y <= wanted
            t0, y0 = torch.where(below, t, t0), torch.where(below, y, y0)
            t1, y1 = torch.where(below, t1, t), torch.where(below, y1, y)
        t = t0 + (t1 - t0) * (wanted - y0) / (y1 - y0)
        t = torch.where(t.isfinite(), t, torch.where(y0 == wanted, t0, t1))
        return torch.minimum(torch.maximum(t, lowest), highest).to(sigma.dtype)

    def reported_sigma(self, u: Tensor) -> Tensor:
        inside = (u >= self.start) & (u <= self.end)
        return torch.where(inside, super().reported_sigma(u), torch.nan)

    def velocity_factor(self, u: Tensor) -> Tensor:
        """b over the size of a' b - a b': error of x0 over that of a' x0 + b' eps; any shape."""
        with torch.inference_mode(False), torch.enable_grad():
            t = u.detach().clone().requires_grad_()
            da, db = _slope(self._signal(t), t), _slope(self._noise(t), t)
        return self._noise(u) / (da * self._noise(u) - self._signal(u) * db).abs()


def _slope(value: Tensor, t: Tensor) -> Tensor:
    """d value / dt of each element; 0 where value does not depend on t."""
    if not value.requires_grad:
        return torch.zeros_like(t)
    (slope,) = torch.autograd.grad(value.sum(), t, retain_graph=True, allow_unused=True)
    return torch.zeros_like(t) if slope is None else slope
