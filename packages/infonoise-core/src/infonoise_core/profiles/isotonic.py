"""From noisy bin means to a curve with the shape that every mmse has.

Along the signal-to-noise ratio gamma = sigma^-2, d mmse/d gamma = -E|Cov(x0|x)|^2 <= -mmse^2 / d
for an example of d dimensions (Guo, Shamai & Verdu 2005, and Cauchy-Schwarz). So c = 1/mmse -
gamma/d is never negative and never falls with gamma. That contains the others: mmse never falls
with sigma, and mmse <= d sigma^2. With d unknown it is taken with 1/d = 0, and only the first of
these is left.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Half-width in log sigma of the smoothing window at _COUNT observations a bin. The bias of a local
# quadratic grows as its fourth power, its variance falls in proportion: the balance is the ninth
# root of the observations. The seventh was measured to be better at the edge of discrete data.
_WINDOW, _COUNT = 0.6, 256.0
# Observations at which a bin counts half in its neighbours' regression.
_DOUBT = 32.0
_NEWTON_STEPS = 50
# Mean error below which c is infinite: the squares of anything smaller leave the range of floats.
_NOTHING = 1e-140


def smooth_rate(rate: Tensor, weight: Tensor, log_sigma: Tensor) -> Tensor:
    """(K,) local quadratic regression of rate on log sigma, with a tricube window.

    Each bin has a weight (K,) > 0.

    Quadratic, so that a peak is not flattened; the window narrows where there is much to go by;
    never below 0.
    """
    half_width = _WINDOW * (_COUNT / weight[:, None]).pow(1 / 7).clamp_max(1.5)
    distance = (log_sigma[None, :] - log_sigma[:, None]) / half_width
    # Counts follow the density, steeply at the edge of discrete data: unbounded, they would make
    # the regression there lean on one side.
    trust = weight / (weight + _DOUBT)
    window = (1 - distance.abs().clamp_max(1) ** 3) ** 3 * trust
    powers = torch.stack([torch.ones_like(distance), distance, distance.square()], dim=-1)
    normal = torch.einsum("ij,ija,ijb->iab", window, powers, powers)
    moment = torch.einsum("ij,ija,j->ia", window, powers, rate)
    # A window with fewer than three bins leaves the system singular: the ridge picks the mean.
    ridge = 1e-9 * normal[:, 0, 0, None, None] * torch.eye(3, dtype=rate.dtype)
    smoothed: Tensor = torch.linalg.solve(normal + ridge, moment)[:, 0]
    return smoothed.clamp_min(0)


def fit_mmse(mmse: Tensor, weight: Tensor, sigma: Tensor, dim: int | None = None) -> Tensor:
    """(K,) the curve of a possible mmse that is closest to noisy means at ascending sigma.

    All of shape (K,).

    Closest in the quasi-likelihood of errors whose spread is proportional to their mean: neighbours
    that violate the order are pooled under one c with sum weight * fit = sum weight * mmse, which
    is exact isotonic regression (pool adjacent violators). The weights are numbers of observations,
    all > 0. On the
    host: K is some tens, and each pool's c is the root of a scalar equation.
    """
    slopes = [0.0] * len(sigma) if dim is None else (1 / (sigma.square() * dim)).tolist()
    pools: list[_Pool] = []
    # From large sigma to small ones, c must not fall.
    for slope, n, m in zip(slopes[::-1], weight.tolist()[::-1], mmse.tolist()[::-1], strict=True):
        pools.append(_Pool([slope], [n], n * m))
        while len(pools) > 1 and pools[-2].c > pools[-1].c:
            last = pools.pop()
            before = pools.pop()
            pools.append(
                _Pool(
                    before.slopes + last.slopes,
                    before.weights + last.weights,
                    before.error + last.error,
                )
            )
    fit = [1 / (pool.c + slope) for pool in pools for slope in pool.slopes]
    return torch.tensor(fit[::-1], dtype=torch.float64)


@dataclass
class _Pool:
    """Neighbouring bins under one c: sum of weight / (c + slope) is their weighted error."""

    slopes: list[float]
    weights: list[float]
    error: float

    def __post_init__(self) -> None:
        self.c = self._root()

    def _root(self) -> float:
        """The root, by Newton on the reciprocal of both sides.

        That is concave in c and linear for a single bin, so the steps rise from 0 to the root
        without passing it.
        """
        if self.error <= _NOTHING * sum(self.weights):
            return math.inf
        if len(self.slopes) == 1:
            return max(self.weights[0] / self.error - self.slopes[0], 0.0)
        if min(self.slopes) <= 0:
            return sum(self.weights) / self.error
        c = 0.0
        for _ in range(_NEWTON_STEPS):
            parts = [(n / (c + s), c + s) for n, s in zip(self.weights, self.slopes, strict=True)]
            total = sum(part for part, _ in parts)
            slope = sum(part / level for part, level in parts)
            step = (1 / self.error - 1 / total) * total**2 / slope
            if step <= 1e-12 * c:
                break
            c += step
        return c
