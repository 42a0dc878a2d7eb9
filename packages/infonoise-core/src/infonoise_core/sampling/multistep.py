"""Solvers that remember: one call a step, and earlier calls for the order.

All work in lambda = -log sigma or in log sigma, and start anew after fresh noise, which breaks the
path that the remembered values lie on.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from infonoise_core.errors import InputError

# x (n, ...) and its level -> x0 (n, ...).
Denoise = Callable[[Tensor, float], Tensor]


class Seen(NamedTuple):
    """One call of the denoiser.

    Attributes:
        value: (n, ...) what is remembered of it: x0, or the unit noise.
        sigma: Its level.
    """

    value: Tensor
    sigma: float


class History:
    """The last calls along an unbroken path, the newest first."""

    def __init__(self, length: int) -> None:
        self._length, self._reached = length, math.nan
        self.seen: list[Seen] = []

    def at(self, sigma: float) -> bool:
        """Whether the path goes on at sigma; what was seen is forgotten where it does not."""
        if self._reached != sigma:
            self.seen.clear()
        return bool(self.seen)

    def add(self, value: Tensor, sigma: float, lower: float) -> None:
        """A call at sigma that gave a value (n, ...), of a step that ends at `lower`."""
        self.seen = [Seen(value, sigma), *self.seen][: self._length]
        self._reached = lower


class DEIS:
    """tAB-DEIS in log sigma: order 1 to 3, one call a step (Zhang & Chen 2023, eq. 14).

    The unit noise eps is taken as the polynomial in log sigma through its last values, and its
    integral over sigma is exact. First order for the last step, where log sigma has no end.
    """

    def __init__(self, order: int = 2) -> None:
        if order not in (1, 2, 3):
            raise InputError(f"DEIS of order {order}: give 1, 2 or 3")
        self._history = History(order)

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        denoised = denoise(x, sigma)
        self._history.at(sigma)
        self._history.add((x - denoised) / sigma, sigma, lower)
        if lower == 0:
            return denoised
        seen = self._history.seen
        weights = _adams_weights([math.log(s.sigma / sigma) for s in seen], math.log(lower / sigma))
        return x + sigma * sum(
            (w * s.value for w, s in zip(weights, seen, strict=True)), torch.zeros_like(x)
        )


def _adams_weights(nodes: list[float], end: float) -> list[float]:
    """Integrals from 0 to `end` of e^u times each Lagrange polynomial of the nodes, in u."""
    grown = math.exp(end)
    moments = [math.expm1(end)]
    for k in range(1, len(nodes)):
        moments.append(end**k * grown - k * moments[-1])
    weights = []
    for j, node in enumerate(nodes):
        polynomial, scale = [1.0], 1.0
        for other in nodes[:j] + nodes[j + 1 :]:
            up = [0.0, *polynomial]
            polynomial = [a - other * b for a, b in zip(up, [*polynomial, 0.0], strict=True)]
            scale *= node - other
        weights.append(sum(c * m for c, m in zip(polynomial, moments, strict=True)) / scale)
    return weights


class UniPC:
    """UniPC-2 of data prediction, B(h) = e^h - 1, one call a step (Zhao et al. 2023, alg. 1, 2).

    The call at a level first corrects the step that led there (UniC) and then serves the next one
    (UniP), so the pair is of order 3. First order for the first step and the last.
    """

    def __init__(self) -> None:
        self._history = History(2)
        self._before: Tensor | None = None

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        denoised = denoise(x, sigma)
        if self._history.at(sigma) and self._before is not None:
            x = self._corrected(self._before, denoised, sigma)
        self._history.add(denoised, sigma, lower)
        self._before = x
        if lower == 0:
            return denoised
        ratio, seen, target = lower / sigma, self._history.seen, denoised
        if len(seen) > 1:
            back = math.log(seen[1].sigma / sigma) / math.log(sigma / lower)
            target = target + (denoised - seen[1].value) / (2 * back)
        return ratio * x + (1 - ratio) * target

    def _corrected(self, x: Tensor, denoised: Tensor, sigma: float) -> Tensor:
        """The step from x at the last level to sigma again, with x0 there known: UniC."""
        now, *before = self._history.seen
        ratio = sigma / now.sigma
        ahead = denoised - now.value
        if not before:
            return ratio * x + (1 - ratio) * (now.value + ahead / 2)
        h = math.log(now.sigma / sigma)
        r = -math.log(before[0].sigma / now.sigma) / h
        # The conditions of order: sum of weights, and of weights times places.
        phi_2 = (ratio - 1) / -h - 1
        phi_3 = phi_2 / -h - 0.5
        first, second = phi_2 / (ratio - 1), 2 * phi_3 / (ratio - 1)
        on_past = (first - second) / (1 - r)
        slopes = on_past * (before[0].value - now.value) / r + (first - on_past) * ahead
        return ratio * x + (1 - ratio) * (now.value + slopes)


class EVODiff:
    """Second order, one call a step, with the slope of least variance (Li et al. 2025, EVODiff).

    The step is probed with the slope of x0 over lambda behind it, as DPM-Solver++(2M) does, and
    taken again with a mixture of the slopes behind and ahead. Any mixture is of order 2; the one of
    least norm is taken for each example, within [behind, ahead], which is the paper's criterion of
    least conditional variance in its mixing parameter (its scale parameter is left at 1, where the
    order is certain). First order for the first step and the last.
    """

    def __init__(self) -> None:
        self._history = History(2)
        self._before: Tensor | None = None

    def step(self, denoise: Denoise, x: Tensor, sigma: float, lower: float) -> Tensor:
        denoised = denoise(x, sigma)
        if self._history.at(sigma) and self._before is not None:
            x = self._again(self._before, denoised, sigma)
        self._history.add(denoised, sigma, lower)
        self._before = x
        if lower == 0:
            return denoised
        seen, ratio, target = self._history.seen, lower / sigma, denoised
        if len(seen) > 1:
            slope = (denoised - seen[1].value) / math.log(seen[1].sigma / sigma)
            target = target + math.log(sigma / lower) / 2 * slope
        return ratio * x + (1 - ratio) * target

    def _again(self, x: Tensor, denoised: Tensor, sigma: float) -> Tensor:
        now, *before = self._history.seen
        ratio, h = sigma / now.sigma, math.log(now.sigma / sigma)
        slope = (denoised - now.value) / h
        if before:
            behind = (now.value - before[0].value) / math.log(before[0].sigma / now.sigma)
            slope = least_norm_mixture(behind, slope)
        return ratio * x + (1 - ratio) * (now.value + h / 2 * slope)


def least_norm_mixture(behind: Tensor, ahead: Tensor) -> Tensor:
    """The point nearest to 0 on the line from `behind` to `ahead`, (n, ...) each, by example."""
    step = (ahead - behind).flatten(1)
    share = -(behind.flatten(1) * step).sum(1) / step.square().sum(1)
    # Equal ends leave 0 / 0, where any share gives the same point.
    share = share.nan_to_num(1.0).clamp(0, 1).reshape(-1, *(1,) * (behind.dim() - 1))
    return behind + share * (ahead - behind)
