"""Streaming estimate of an entropy-rate profile from the (sigma, squared error) pairs of training.

Observing adds to per-bin sums on the device and never waits for it; `merge` (at a refresh) reduces
the increments over ranks and folds them into a history with exponential forgetting, on the CPU in
float64.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infonoise_core.binning import same_edges
from infonoise_core.errors import InputError
from infonoise_core.profiles.isotonic import fit_mmse, smooth_rate
from infonoise_core.profiles.profile import EntropyRateProfile

VERSION = 1
# Rows of the sums over observations; one row per group follows.
_COUNT, _RATE, _SQUARES, _RAW, _IMPLIED_COUNT, _IMPLIED, _ROWS = range(7)
# A rate above this multiple of `dim`, its ceiling on average, is cut: a wild loss then moves a bin
# of a thousand observations by 3 % of the ceiling. Rare honest errors (a bit flipped at low noise)
# pass wherever the rate is more than a thousandth of its peak.
_CUT = 32.0


class RateEstimator:
    """Per-bin mean of squared_error / sigma^2, the rate per unit log sigma.

    Averaging error/sigma^2 of each observation, not error over the bin divided by the centre's
    sigma^2, makes `sum rate * width` the integral without a binning error wherever draws are
    log-uniform inside a bin, as InfoNoise's are.

    Args:
        edges: (K+1,) sigma.
        horizon: Observations after which a bin's past weighs 1/e.
        dim: Dimensions of an example; with it the ceiling rate <= dim holds.
        groups: Names of the parts that an error may be split into.
    """

    def __init__(
        self,
        edges: Tensor,
        horizon: float = 1024.0,
        dim: int | None = None,
        groups: Sequence[str] = (),
    ) -> None:
        if not horizon > 0:
            raise InputError(f"horizon {horizon:g}: give a positive number of observations")
        self.edges = edges.detach().to("cpu", torch.float64)
        self.horizon = float(horizon)
        self.dim = dim
        self.groups = tuple(groups)
        k = len(self.edges) - 1
        self._increment = torch.zeros(_ROWS + len(self.groups), k, dtype=torch.float64)
        self._inner = self.edges[1:-1].clone()
        self._history = torch.zeros_like(self._increment)
        self._weight_squares = torch.zeros(k, dtype=torch.float64)
        self._count = torch.zeros(k, dtype=torch.float64)

    def observe(
        self,
        sigma: Tensor,
        squared_error: Tensor,
        implied_error: Tensor | None = None,
        column: Tensor | None = None,
    ) -> None:
        """Add n observations; non-finite and negative ones are left out.

        Args:
            sigma: (n,).
            squared_error: (n,), or (n, G) split over the groups.
            implied_error: (n,) the posterior variance that the denoiser itself implies, for the
                calibration gate.
            column: (n,) int64, where the bins of each begin, if the sums of several estimators lie
                side by side.
        """
        self._check(sigma, squared_error)
        if squared_error.device != self._increment.device:
            self._move(squared_error.device)
        with torch.no_grad():
            dtype = self._increment.dtype
            sigma = sigma.detach().to(dtype)
            parts = squared_error.detach().to(dtype)
            error = parts.sum(1) if self.groups else parts
            raw = rate = error / sigma.square()
            # nan fails the comparisons; at sigma = inf (zero terminal SNR) the rate is a zero that
            # belongs to no bin.
            seen = (rate >= 0) & (rate < math.inf) & (sigma < math.inf)
            if self.dim is not None:
                rate = rate.clamp_max(_CUT * self.dim)
            rows = [seen.to(dtype), rate, rate.square(), raw]
            if implied_error is not None:
                rows += self._implied(sigma, implied_error)
            bins = torch.bucketize(sigma, self._inner, right=True)
            if column is not None:
                bins = bins + column
            self._add(0, bins, torch.stack(rows).masked_fill_(~seen, 0))
            if self.groups:
                shares = parts / error.clamp_min(torch.finfo(dtype).tiny)[:, None]
                self._add(_ROWS, bins, (rate[:, None] * shares).T.masked_fill(~seen, 0))

    def _add(self, first: int, bins: Tensor, table: Tensor) -> None:
        """Add the columns of table (rows, n) to the sums from row `first` on, each to its bin."""
        sums = self._increment[first : first + len(table)]
        if table.device.type == "cpu":
            sums.index_add_(1, bins, table)
        else:
            # A product with the bins' indicator: deterministic, unlike sums by atomics.
            indicator = table.new_zeros(len(bins), sums.shape[1]).scatter_(1, bins[:, None], 1.0)
            sums += table @ indicator

    def merge(self) -> Tensor:
        """Fold what was observed since the last merge into the history.

        A collective under torch.distributed.

        Returns:
            (3, K) what was new in each bin: count, sum of rates, sum of their squares.
        """
        increment = self._increment.clone()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(increment)
        increment = increment.to("cpu", torch.float64)
        self._increment.zero_()
        new = increment[_COUNT]
        keep = torch.exp(-new / self.horizon)
        self._history.mul_(keep).add_(increment)
        self._weight_squares.mul_(keep.square()).add_(new)
        self._count.add_(new)
        return increment[[_COUNT, _RATE, _SQUARES]]

    @property
    def observed(self) -> bool:
        """Whether any observation has been merged."""
        return bool((self._history[_COUNT] > 0).any())

    @property
    def examples(self) -> int:
        """Observations merged so far."""
        return int(self._count.sum())

    @property
    def effective_count(self) -> Tensor:
        """(K,) Kish's effective sample size of each bin's weighted mean."""
        return self._history[_COUNT].square() / self._weight_squares.clamp_min(1e-300)

    @property
    def rate(self) -> Tensor:
        """(K,) weighted means as they are; nan where nothing was seen."""
        return self._history[_RATE] / self._history[_COUNT]

    @property
    def raw_rate(self) -> Tensor:
        """(K,) the same with nothing that `dim` bounds cut off."""
        return self._history[_RAW] / self._history[_COUNT]

    @property
    def stderr(self) -> Tensor:
        """(K,) standard error of `rate`; inf below two effective observations."""
        n = self.effective_count
        mean_square = self._history[_SQUARES] / self._history[_COUNT]
        variance = (mean_square - self.rate.square()).clamp_min(0)
        return torch.where(n >= 2, (variance / (n - 1).clamp_min(1)).sqrt(), math.inf)

    def profile(self) -> EntropyRateProfile:
        """A frozen copy of what is known, under the shape constraints; InputError before any data.

        Groups are scaled together in each bin so that they add up to the constrained total.
        """
        if not self.observed:
            raise InputError("no observation has been merged yet: observe losses and step first")
        rate = self.fitted_rate()
        shares = self._history[_ROWS:] / self._history[_RATE]
        shares = torch.where(self._history[_RATE] > 0, shares, 1 / max(1, len(self.groups)))
        implied = self._history[_IMPLIED] / self._history[_IMPLIED_COUNT]
        return EntropyRateProfile(
            self.edges.clone(),
            rate,
            self.stderr,
            self._count.clone(),
            self.dim,
            raw=self._fitted(self.raw_rate, None),
            implied=implied if bool((self._history[_IMPLIED_COUNT] > 0).any()) else None,
            groups=dict(zip(self.groups, shares * rate, strict=True)),
        )

    def fitted_rate(self) -> Tensor:
        """(K,) rate, smoothed over neighbouring bins and under the inequalities that mmse obeys."""
        return self._fitted(self.rate, self.dim)

    def state_dict(self) -> dict[str, Any]:
        """Everything, the increments since the last merge included; copies."""
        return {
            "version": VERSION,
            "horizon": self.horizon,
            "dim": self.dim,
            "groups": list(self.groups),
            "edges": self.edges.clone(),
            "increment": self._increment.detach().clone(),
            "history": self._history.clone(),
            "weight_squares": self._weight_squares.clone(),
            "count": self._count.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over.

        Raises:
            InputError: With the reason, when it belongs to another grid, other groups or another
                version.
        """
        if state["version"] != VERSION:
            raise InputError(
                f"the estimator's state has version {state['version']}, this program reads"
                f" {VERSION}: use the release that wrote it"
            )
        edges = state["edges"].to("cpu", torch.float64)
        if not same_edges(edges, self.edges):
            raise InputError(
                f"the checkpoint's profile has {_span(edges)}, this schedule {_span(self.edges)}:"
                " resume with the same channel and bins"
            )
        if tuple(state["groups"]) != self.groups:
            raise InputError(
                f"the checkpoint's groups are {list(state['groups'])}, this schedule's"
                f" {list(self.groups)}: resume with the same groups"
            )
        self._take_settings(float(state["horizon"]), state["dim"])
        self._increment.copy_(state["increment"])
        self._history.copy_(state["history"])
        self._weight_squares.copy_(state["weight_squares"])
        self._count.copy_(state["count"])

    def _take_settings(self, horizon: float, dim: int | None) -> None:
        """Keep what this estimator was made with where a state says otherwise, and say so."""
        changed = []
        if horizon != self.horizon:
            changed.append(f"horizon {self.horizon:g} in place of {horizon:g}")
        if self.dim is None:
            self.dim = dim
        elif dim != self.dim:
            changed.append(f"dim {self.dim} in place of {dim or 'none'}")
        if changed:
            warnings.warn(
                f"the schedule goes on with {' and '.join(changed)}, as it was made; give the"
                " checkpoint's to go on as before",
                stacklevel=4,
            )

    def _fitted(self, mean: Tensor, dim: int | None) -> Tensor:
        """(K,) means of rate, smoothed and monotone, with the ceiling of `dim` or without.

        Bins that saw nothing: between seen ones, the line between them; below the first seen one,
        its rate (its mmse would make a rate that grows as sigma^-2); above the last, its mmse.
        """
        log_sigma = (self.edges[:-1] * self.edges[1:]).log() / 2
        seen = self._history[_COUNT] > 0
        weight, x = self._history[_COUNT][seen], log_sigma[seen]
        square = (2 * x).exp()
        smoothed = smooth_rate(mean[seen], weight, x)
        rate = fit_mmse(smoothed * square, weight, square.sqrt(), dim) / square
        filled = torch.from_numpy(np.interp(log_sigma.numpy(), x.numpy(), rate.numpy()))
        above = log_sigma > x[-1]
        filled[above] *= (2 * (x[-1] - log_sigma[above])).exp()
        return filled

    def _implied(self, sigma: Tensor, implied_error: Tensor) -> tuple[Tensor, Tensor]:
        implied = implied_error.detach().to(sigma.dtype) / sigma.square()
        seen = implied.isfinite() & (implied >= 0)
        return seen.to(sigma.dtype), torch.where(seen, implied, 0)

    def _check(self, sigma: Tensor, squared_error: Tensor) -> None:
        n = len(sigma) if sigma.dim() == 1 else -1
        wanted = {(n, len(self.groups))} if self.groups else {(n,)}
        if tuple(squared_error.shape) not in wanted:
            form = f"(n, {len(self.groups)}), one column per group" if self.groups else "(n,)"
            raise InputError(
                f"observe wants sigma (n,) and squared_error {form}; got {tuple(sigma.shape)} and"
                f" {tuple(squared_error.shape)}: sum the error over an example's dimensions, or"
                " give the schedule a prediction and report the output minus its target"
            )

    def _move(self, device: torch.device) -> None:
        # MPS knows no float64; sums between two refreshes are short enough for float32.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self._increment = self._increment.to(device, dtype)
        self._inner = self._inner.to(device, dtype)


def _span(edges: Tensor) -> str:
    return f"{len(edges) - 1} bins from sigma {float(edges[0]):g} to {float(edges[-1]):g}"
