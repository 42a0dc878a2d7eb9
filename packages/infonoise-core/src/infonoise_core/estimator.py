"""Streaming estimate of an entropy-rate profile from the (sigma, squared error) pairs of training.

Observing adds to per-bin sums on the device and never waits for it; `merge` (at a refresh) reduces
the increments over ranks and folds them into a history with exponential forgetting, on the CPU in
float64.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profile import EntropyRateProfile
from infonoise_core.shape import fit_mmse, smooth_rate

VERSION = 1
# Rows of the sums: observations, sum of rate, sum of squared rate.
_COUNT, _SUM, _SQUARES = range(3)


class RateEstimator:
    """Per-bin mean of squared_error / sigma^2, the rate per unit log sigma.

    Averaging error/sigma^2 of each observation, not error over the bin divided by the centre's
    sigma^2, makes `sum rate * width` the integral without a binning error wherever draws are
    log-uniform inside a bin, as InfoNoise's are.

    edges: (K+1,) sigma.  horizon: observations after which a bin's past weighs 1/e.  dim:
    dimensions of an example; with it the ceiling rate <= dim holds.
    """

    def __init__(self, edges: Tensor, horizon: float = 1024.0, dim: int | None = None) -> None:
        if not horizon > 0:
            raise InputError(f"horizon {horizon:g}: give a positive number of observations")
        self.edges = edges.detach().to("cpu", torch.float64)
        self.horizon = float(horizon)
        self.dim = dim
        k = len(self.edges) - 1
        self._increment = torch.zeros(3, k, dtype=torch.float64)
        self._inner = self.edges[1:-1].log()
        # History: forgetting weights, their squares, weighted sums of rate and rate^2, and a plain
        # count.
        self._weight = torch.zeros(k, dtype=torch.float64)
        self._weight_squares = torch.zeros_like(self._weight)
        self._sum = torch.zeros_like(self._weight)
        self._squares = torch.zeros_like(self._weight)
        self._count = torch.zeros_like(self._weight)

    def observe(self, sigma: Tensor, squared_error: Tensor) -> None:
        """Add n observations, sigma and squared_error of shape (n,); non-finite ones are left
        out.
        """
        if sigma.shape != squared_error.shape or sigma.dim() != 1:
            raise InputError(
                "observe wants sigma and squared_error of one shape (n,), got"
                f" {tuple(sigma.shape)} and"
                f" {tuple(squared_error.shape)}: sum the error over an example's dimensions"
            )
        if squared_error.device != self._increment.device:
            self._move(squared_error.device)
        with torch.no_grad():
            dtype = self._increment.dtype
            sigma = sigma.detach().to(dtype)
            rate = squared_error.detach().to(dtype) / sigma.square()
            # At sigma = inf (zero terminal SNR) the rate is a zero that belongs to no bin.
            seen = rate.isfinite() & (rate >= 0) & sigma.isfinite()
            rate = torch.where(seen, rate, 0)
            bins = torch.bucketize(sigma.log(), self._inner, right=True)
            # A matrix product with the bins' indicator: deterministic on every device, unlike a
            # scatter.
            indicator = (
                bins[:, None] == torch.arange(self._increment.shape[1], device=bins.device)
            ).to(dtype)
            self._increment += torch.stack([seen.to(dtype), rate, rate.square()]) @ indicator

    def merge(self) -> None:
        """Fold what was observed since the last merge into the history: a collective under
        torch.distributed.
        """
        increment = self._increment.clone()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(increment)
        increment = increment.to("cpu", torch.float64)
        self._increment.zero_()
        new = increment[_COUNT]
        keep = torch.exp(-new / self.horizon)
        self._weight.mul_(keep).add_(new)
        self._weight_squares.mul_(keep.square()).add_(new)
        self._sum.mul_(keep).add_(increment[_SUM])
        self._squares.mul_(keep).add_(increment[_SQUARES])
        self._count.add_(new)

    @property
    def observed(self) -> bool:
        """Whether any observation has been merged."""
        return bool((self._weight > 0).any())

    @property
    def effective_count(self) -> Tensor:
        """(K,) Kish's effective sample size of each bin's weighted mean."""
        return self._weight.square() / self._weight_squares.clamp_min(1e-300)

    @property
    def rate(self) -> Tensor:
        """(K,) weighted means as they are; nan where nothing was seen."""
        return self._sum / self._weight

    @property
    def stderr(self) -> Tensor:
        """(K,) standard error of `rate`; inf below two effective observations."""
        n = self.effective_count
        variance = (self._squares / self._weight - self.rate.square()).clamp_min(0)
        return torch.where(n >= 2, (variance / (n - 1).clamp_min(1)).sqrt(), math.inf)

    def fitted_rate(self) -> Tensor:
        """(K,) rate, smoothed over neighbouring bins and under the laws that mmse obeys.

        Bins that saw nothing: between seen ones, the line between them; below the first seen one,
        its rate (its mmse would make a rate that grows as sigma^-2); above the last, its mmse.
        """
        log_sigma = (self.edges[:-1] * self.edges[1:]).log() / 2
        seen = self._weight > 0
        weight, x = self._weight[seen], log_sigma[seen]
        square = (2 * x).exp()
        smoothed = smooth_rate(self.rate[seen], weight, x)
        rate = fit_mmse(smoothed * square, weight, square.sqrt(), self.dim) / square
        filled = torch.from_numpy(np.interp(log_sigma.numpy(), x.numpy(), rate.numpy()))
        above = log_sigma > x[-1]
        filled[above] *= (2 * (x[-1] - log_sigma[above])).exp()
        return filled

    def profile(self) -> EntropyRateProfile:
        """A frozen copy of what is known, with the shape constraints applied; InputError before any
        data.
        """
        if not self.observed:
            raise InputError("no observation has been merged yet: observe losses and step first")
        return EntropyRateProfile(
            self.edges.clone(), self.fitted_rate(), self.stderr, self._count.clone(), self.dim
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything, the increments since the last merge included; copies."""
        return {
            "version": VERSION,
            "horizon": self.horizon,
            "dim": self.dim,
            "edges": self.edges.clone(),
            "increment": self._increment.detach().clone(),
            **{name: getattr(self, f"_{name}").clone() for name in _HISTORY},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over; InputError with the reason when it belongs to another grid or
        version.
        """
        if state["version"] != VERSION:
            raise InputError(
                f"the estimator's state has version {state['version']}, this program reads"
                f" {VERSION}:"
                " use the release that wrote it"
            )
        edges = state["edges"].to("cpu", torch.float64)
        if not torch.equal(edges, self.edges):
            raise InputError(
                f"the checkpoint's profile has {_span(edges)}, this schedule {_span(self.edges)}:"
                " resume with the same channel and bins"
            )
        self.horizon, self.dim = float(state["horizon"]), state["dim"]
        self._increment.copy_(state["increment"])
        for name in _HISTORY:
            getattr(self, f"_{name}").copy_(state[name])

    def _move(self, device: torch.device) -> None:
        # MPS knows no float64; sums between two refreshes are short enough for float32.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self._increment = self._increment.to(device, dtype)
        self._inner = self._inner.to(device, dtype)


_HISTORY = ("weight", "weight_squares", "sum", "squares", "count")


def _span(edges: Tensor) -> str:
    return f"{len(edges) - 1} bins from sigma {float(edges[0]):g} to {float(edges[-1]):g}"
