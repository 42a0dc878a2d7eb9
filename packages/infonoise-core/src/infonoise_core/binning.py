"""Bins of log sigma, and the inverse of a cumulative distribution over them."""

import math

import torch
from torch import Tensor


def log_edges(sigma_min: float, sigma_max: float, bins: int) -> Tensor:
    """(bins+1,) sigma edges, uniform in log sigma, float64; the ends are exact."""
    edges = torch.linspace(math.log(sigma_min), math.log(sigma_max), bins + 1, dtype=torch.float64)
    edges = edges.exp()
    edges[0], edges[-1] = sigma_min, sigma_max
    return edges


def same_edges(one: Tensor, other: Tensor) -> bool:
    """Whether edges (K+1,) are those of one grid, which other processors round otherwise."""
    one, other = (edges.detach().to("cpu", torch.float64) for edges in (one, other))
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-12, atol=0.0)


def invert_cdf(cdf: Tensor, x: Tensor, q: Tensor) -> Tensor:
    """Invert a piecewise-linear cdf: cdf, x (K+1,) at the bin edges, q any shape -> positions in x.

    Tensor operations only, so it runs on a device without waiting for it.
    """
    # Not beyond the edge at which the mass ends: empty bins above it hold no quantile.
    top = torch.searchsorted(cdf, cdf[-1])
    right = torch.minimum(torch.searchsorted(cdf, q, right=True), top).clamp(1, len(cdf) - 1)
    left = right - 1
    mass = (cdf[right] - cdf[left]).clamp_min(torch.finfo(cdf.dtype).tiny)
    inside = ((q - cdf[left]) / mass).clamp(0, 1)
    return torch.lerp(x[left], x[right], inside)
