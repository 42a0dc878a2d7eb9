"""What reports cannot be right: counted as they come, and read off their profile at a refresh.

Nothing here holds a schedule back. Misused reports look like a profile of other data, so what they
break is said: laws that the errors of every denoiser obey, whatever the data.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infonoise_core.processes.channel import Channel
from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.knowledge import most

# Reports that are left out, in the order of their counts.
_LEFT_OUT = ("not finite", "negative", "outside the channel's span")
# Cells of about this width in log sigma pool bins, and speak from so many observations on.
_CELL, _ENOUGH = 0.7, 32.0
# Reports after which the past weighs 1/e: in all bins alike, so that what a network was bad at long
# ago, where hardly anything is drawn now, is not held against what it has learned elsewhere.
_MEMORY = 4096.0
# An error falls with noise where it does by this factor and this many standard errors, from at
# least this share of the largest error: rare flips of discrete data are no fall.
_FALL, _SURE, _MATTERS = 2.0, 3.0, 0.01
# Share of `dim` below which all rates hint at a mean; multiple of it that errors of whole examples
# do not exceed over half of the grid.
_MEAN, _ABOVE = 1 / 20, 2.0
# Share of the peak at which discrete data's rate counts as gone at low noise; and what their
# entropy may exceed that of two values by.
_GONE, _MORE = 0.02, 1.1


class Health:
    """Counts of what was left out, kept on the device, and what is doubtful in a profile."""

    def __init__(self, channel: Channel, bins: int, by_prediction: bool) -> None:
        self.channel = channel
        self._by_prediction = by_prediction
        self._increment = torch.zeros(1 + len(_LEFT_OUT), dtype=torch.float64)
        self._total = torch.zeros_like(self._increment)
        self._recent = torch.zeros(3, bins, dtype=torch.float64)
        self._falls = 0
        self._doubts: tuple[str, ...] = ()
        self._warned: set[str] = set()

    def count(self, sigma: Tensor, error: Tensor) -> None:
        """Count (n,) or (n, G) reports; sigma (n,) is nan where the level was outside the span."""
        if error.device != self._increment.device:
            wide = torch.float32 if error.device.type == "mps" else torch.float64
            self._increment = self._increment.to(error.device, wide)
        if error.dim() > 1:
            error = error.sum(1)
        wrong = torch.stack([~error.isfinite(), error < 0, sigma.isnan()])
        self._increment[1:] += wrong.sum(1)
        self._increment[0] += len(error)

    def _merge(self) -> None:
        counts = self._increment.clone()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
        self._total += counts.to("cpu", torch.float64)
        self._increment.zero_()

    def judge(
        self, estimator: RateEstimator, new: Tensor, *bounds: EntropyRateProfile | None
    ) -> None:
        """Look for what cannot be, and warn of it once; a collective under torch.distributed.

        Args:
            estimator: After a merge.
            new: (3, K) that the merge gave.
            bounds: A prior and a ceiling, which know better than `dim` what a rate may come to.
        """
        expected = most(estimator.dim, *bounds)
        self._merge()
        self._recent = self._recent * math.exp(-float(new[0].sum()) / _MEMORY) + new
        broken = self._falling(estimator.edges)
        # Twice in a row, because a network that changes fast makes errors of several ages.
        self._falls = self._falls + 1 if broken else 0
        broken = broken if self._falls > 1 else ""
        self._doubts = (broken,) if broken else tuple(self._unlikely(estimator, expected))
        for kind, sentence in (("left out", self._left_out()), ("falling", broken)):
            if sentence and kind not in self._warned:
                self._warned.add(kind)
                if _first_rank():
                    warnings.warn(f"InfoNoise: {sentence}", stacklevel=4)

    def words(self) -> str:
        """All that is wrong or doubtful, for the line of a status; empty where nothing is."""
        return "".join(f"; {part}" for part in (self._left_out(), *self._doubts) if part)

    def state_dict(self) -> dict[str, Any]:
        """The counts; copies."""
        return {
            "increment": self._increment.detach().clone(),
            "total": self._total.clone(),
            "recent": self._recent.clone(),
            "falls": self._falls,
            "doubts": list(self._doubts),
        }

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Take the counts over; the first releases counted nothing."""
        if state is not None:
            self._increment.copy_(state["increment"])
            self._total.copy_(state["total"])
            self._recent.copy_(state["recent"])
            self._falls, self._doubts = int(state["falls"]), tuple(state["doubts"])

    def _left_out(self) -> str:
        """How many reports were left out, why, and where to look."""
        reports, *counts = (self._total + self._increment.to("cpu", torch.float64)).tolist()
        found = {name: int(n) for name, n in zip(_LEFT_OUT, counts, strict=True) if n}
        if not found:
            return ""
        parts = ", ".join(f"{n} were {name}" for name, n in found.items())
        causes = {
            "not finite": "squares beyond 65504 overflow float16: report in float32",
            "negative": "report squares, or plain differences to a schedule with a prediction",
            _LEFT_OUT[2]: f"levels of {self.channel!r} are wanted{self._level_hint()}",
        }
        hints = "; ".join(causes[name] for name in found)
        return f"of {int(reports)} reports {parts} and left out ({hints})"

    def _level_hint(self) -> str:
        low, high = self.channel.coordinate_span
        if self.channel.coordinate_dtype == torch.int64:
            return f", whole steps from {low:g} to {high:g}"
        if high <= 1:
            return f", t from {low:g} to {high:g}: divide steps of 0..1000 by their number"
        return f", {low:g} to {high:g}"

    def _falling(self, edges: Tensor) -> str:
        """The error of x0 never falls with noise: more noise tells less (I-MMSE)."""
        sigma, error, spread = _cells(edges.numpy(), self._recent.numpy())
        if not len(sigma):
            return ""
        drop = error[:, None] - _FALL * error[None, :]
        doubt = np.hypot(spread[:, None], _FALL * spread[None, :])
        falls = np.triu(drop > _SURE * doubt, 1) & (error > _MATTERS * error.max())[:, None]
        if not falls.any():
            return ""
        low, high = np.unravel_index(np.argmax(np.where(falls, drop, -np.inf)), falls.shape)
        return (
            f"impossible: reported errors fall with noise, from {error[low]:.3g} at sigma"
            f" {sigma[low]:.2g} to {error[high]:.3g} at {sigma[high]:.2g}, as no errors of x0 do:"
            " they may be errors of another prediction (epsilon, velocity), weighted, masked, or"
            f" time runs the other way{self._direction()}"
        )

    def _direction(self) -> str:
        noise_at = getattr(self.channel, "noise_at", None)
        return "" if noise_at is None else f" (this channel has noise at t = {noise_at:g})"

    def _unlikely(self, estimator: RateEstimator, expected: float | None) -> list[str]:
        """What is rarely right, against what is known of the data's size."""
        seen = (estimator.effective_count >= _ENOUGH).numpy()
        dim = estimator.dim
        if dim is None or expected is None or seen.sum() < len(seen) / 2:
            return []
        rate, raw = estimator.rate.numpy()[seen], estimator.raw_rate.numpy()[seen]
        found = []
        if not self._by_prediction and raw.max() < _MEAN * expected:
            found.append(
                f"the whole profile lies below dim/20 (at most {raw.max():.2g} nats per unit log"
                f" sigma, dim {dim}), as if errors were averaged over dimensions: sum them, unless"
                " the data have so few degrees of freedom"
            )
        if (raw > _ABOVE * dim).mean() > 0.5:
            found.append(
                "doubtful: errors exceed twice dim * sigma^2 at most levels, where a denoiser that"
                f" returns its input makes dim * sigma^2: they may be weighted, or dim {dim} too"
                " small"
            )
        bits = dim * math.log(2)
        width = estimator.edges.log().diff()
        if rate[:3].max() < _GONE * rate.max() and rate @ width.numpy()[seen] > _MORE * bits:
            nats = float(estimator.fitted_rate() @ width)
            if nats > _MORE * bits:
                found.append(
                    f"doubtful: {nats:.4g} nats are more than {dim} numbers of two values hold"
                    f" ({bits:.4g}), as where errors are weighted; right for more values"
                )
        return found


def _cells(edges: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbouring bins pooled: sigma, mean error and its standard error, of cells seen enough.

    sums (3, K): count, sum of rates and of their squares; edges (K+1,).
    """
    square = edges[:-1] * edges[1:]
    log_sigma = np.log(square) / 2
    cell = ((log_sigma - log_sigma[0]) / _CELL).astype(int)
    rows = (sums[0], sums[1] * square, sums[2] * square**2, sums[0] * log_sigma)
    table = np.stack([np.bincount(cell, row) for row in rows])
    n, error, squares, place = table[:, table[0] >= _ENOUGH]
    error = error / n
    spread = np.sqrt(np.maximum(squares / n - error**2, 0) / n)
    return np.exp(place / n), error, spread


def _first_rank() -> bool:
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not there or torch.distributed.get_rank() == 0
