"""Inference grids: n noise levels in descending order, without the final 0."""

import math

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profile import EntropyRateProfile


def karras_grid(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """(n,) float64, linear in sigma^(1/rho) (Karras et al. 2022, eq. 5)."""
    _check(n, sigma_min, sigma_max)
    ends = (sigma_max ** (1 / rho), sigma_min ** (1 / rho))
    grid: Tensor = torch.linspace(*ends, n, dtype=torch.float64) ** rho
    return _pin(grid, sigma_min, sigma_max)


def entropic_grid(
    profile: EntropyRateProfile,
    n: int,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    karras: float = 0.0,
) -> Tensor:
    """(n,) float64 levels between which equal conditional entropy is removed (Stancevic et al.
    2025).

    The profile's cdf is cut to [sigma_min, sigma_max] (its own ends by default) and inverted at
    equal steps. karras: 0 to 1 blends towards the Karras grid, linearly in log sigma.
    """
    low = float(profile.edges[0]) if sigma_min is None else sigma_min
    high = float(profile.edges[-1]) if sigma_max is None else sigma_max
    _check(n, low, high)
    if not 0 <= karras <= 1:
        raise InputError(f"karras {karras:g}: the blend lies between 0 and 1")
    cdf, log_edges = profile.cdf(), profile.edges.log()
    ends = torch.tensor([low, high], dtype=torch.float64).log()
    q_low, q_high = _interpolate(log_edges, cdf, ends).tolist()
    if not q_high > q_low:
        raise InputError(
            f"the profile holds no entropy between sigma {low:g} and {high:g}: widen the range"
        )
    steps = torch.linspace(q_high, q_low, n, dtype=torch.float64)
    grid = _pin(profile.quantile(steps), low, high)
    if karras:
        grid = torch.lerp(grid.log(), karras_grid(n, low, high).log(), karras).exp()
    return grid


def _check(n: int, sigma_min: float, sigma_max: float) -> None:
    if n < 1:
        raise InputError(f"a grid of {n} levels: give at least 1")
    if not 0 < sigma_min < sigma_max < math.inf:
        raise InputError(
            f"sigma_min {sigma_min:g} and sigma_max {sigma_max:g} do not span a range:"
            " give 0 < sigma_min < sigma_max"
        )


def _pin(grid: Tensor, sigma_min: float, sigma_max: float) -> Tensor:
    # The requested ends exactly, whatever rounding did; one level alone is the largest.
    grid = grid.clamp(sigma_min, sigma_max)
    grid[-1] = sigma_min
    grid[0] = sigma_max
    return grid


def _interpolate(x: Tensor, y: Tensor, at: Tensor) -> Tensor:
    right = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    left = right - 1
    inside = ((at - x[left]) / (x[right] - x[left])).clamp(0, 1)
    return torch.lerp(y[left], y[right], inside)
