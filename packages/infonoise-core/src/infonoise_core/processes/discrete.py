"""The variance-preserving channel of a DDPM table, a^2 + b^2 = 1 at each of its steps."""

import warnings
import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from infonoise_core.binning import invert_cdf
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel

# Of the signal's power, what no table of cumulative products keeps half way or at its end.
_TOO_MUCH_SIGNAL = 0.9


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

    @property
    def settings(self) -> Mapping[str, Hashable]:
        signal = self._tables[torch.device("cpu")].signal
        table = f"{len(signal)} steps, crc {zlib.crc32(signal.numpy().tobytes()):08x}"
        return {"alphas_cumprod": table, **super().settings}

    def __getstate__(self) -> dict[str, Any]:
        # Where it is read again there may be no such device.
        cpu = torch.device("cpu")
        return {**self.__dict__, "_tables": {cpu: self._tables[cpu]}}

    def sigma(self, u: Tensor) -> Tensor:
        return self._table(u).sigma[u.to(torch.int64)]

    def reported_sigma(self, u: Tensor) -> Tensor:
        # A time in [0, 1] or a step of another table would read some step's level, or stop a GPU.
        steps = self._table(u).sigma
        whole = u.to(torch.int64)
        inside = (whole == u) & (whole >= 0) & (whole < len(steps))
        whole = whole.clamp(0, len(steps) - 1)
        # A last step of pure noise is a level of the table, which tells nothing.
        sigma = torch.where(steps[whole].isinf(), torch.inf, super().reported_sigma(whole))
        return torch.where(inside, sigma, torch.nan)

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
    _check_cumulative(table)
    return table


def _check_cumulative(table: Tensor) -> None:
    """InputError, or a warning in doubt, where (T,) look like the factors and not their products.

    Even fifty steps of DDPM's betas leave 0.6 of the signal's power at the last one; the factors
    of its thousand steps are all above 0.98. A cosine table's factors fall to 0.001, but at its
    very end.
    """
    last, middle = float(table[-1]), float(table[len(table) // 2])
    fix = "give the cumulative products of 1 - beta, scheduler.alphas_cumprod in diffusers"
    if last > _TOO_MUCH_SIGNAL:
        raise InputError(
            f"alphas_cumprod keeps {last:.0%} of the signal at its last step, where hardly any"
            f" should be left: {fix}"
        )
    if middle > _TOO_MUCH_SIGNAL:
        warnings.warn(
            f"alphas_cumprod keeps {middle:.0%} of the signal half way through its steps, as"
            f" factors do and not their products: {fix}",
            stacklevel=4,
        )
