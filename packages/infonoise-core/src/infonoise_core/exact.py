"""Sources whose denoisers and profiles are known exactly: oracles for tests, and warm starts.

A source draws x0, gives the posterior mean E[x0 | x_sigma], and its mmse(sigma) summed over
dimensions.
"""

import math

import numpy as np
import torch
from torch import Tensor

from infonoise_core.profile import EntropyRateProfile, log_edges


class GaussianSource:
    """Independent N(0, std^2) in `rank` of `dim` dimensions, zero in the others.

    mmse = rank * std^2 sigma^2 / (std^2 + sigma^2): a line of slope 2 in log-log at low noise,
    whose rate's plateau is the rank.
    """

    def __init__(self, dim: int, std: float = 1.0, rank: int | None = None) -> None:
        self.dim, self.std = dim, std
        self.rank = dim if rank is None else rank

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, dim) float32."""
        x0 = torch.zeros(n, self.dim)
        x0[:, : self.rank] = self.std * torch.randn(n, self.rank, generator=generator)
        return x0

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x], x (n, dim) = x0 + sigma eps, sigma (n,)."""
        gain = self.std**2 / (self.std**2 + sigma.square())
        mean = gain[:, None] * x
        mean[:, self.rank :] = 0
        return mean

    def mmse(self, sigma: Tensor) -> Tensor:
        """Summed over dimensions; same shape as sigma."""
        return self.rank * self.std**2 * sigma.square() / (self.std**2 + sigma.square())


class BinarySource:
    """`dim` independent fair symbols, each low or high.

    The posterior is a tanh (a matched filter); the total entropy is dim * ln 2.
    """

    def __init__(self, dim: int, low: float = -1.0, high: float = 1.0) -> None:
        self.dim = dim
        self.middle, self.half = (low + high) / 2, (high - low) / 2
        self._nodes, self._weights = gaussian_quadrature(256)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, dim) float32."""
        sign = 2.0 * torch.randint(0, 2, (n, self.dim), generator=generator) - 1
        return self.middle + self.half * sign

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x0 | x], x (n, dim) = x0 + sigma eps, sigma (n,)."""
        tilt = self.half * (x - self.middle) / sigma[:, None].square()
        return self.middle + self.half * torch.tanh(tilt)

    def mmse(self, sigma: Tensor) -> Tensor:
        """dim * half^2 * E[1 - tanh(g + sqrt(g) z)] with g = (half/sigma)^2 (Guo, Shamai & Verdu
        2005).
        """
        root = self.half / sigma.to(torch.float64)
        tilt = root.square()[..., None] + root[..., None] * self._nodes
        # 1 - tanh(t) = 2 / (1 + e^2t), written so that tiny values keep their digits.
        error = (2 * torch.sigmoid(-2 * tilt) * self._weights).sum(-1)
        return self.dim * self.half**2 * error


def exact_profile(
    source: GaussianSource | BinarySource, sigma_min: float, sigma_max: float, bins: int = 64
) -> EntropyRateProfile:
    """The source's profile on a grid, each bin averaged over log sigma by an 8-point Gauss rule."""
    edges = log_edges(sigma_min, sigma_max, bins)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    low, width = edges.log()[:-1, None], edges.log().diff()[:, None]
    sigma = (low + width * torch.from_numpy((nodes + 1) / 2)).exp()
    rate = (source.mmse(sigma) / sigma.square() * torch.from_numpy(weights / 2)).sum(-1)
    zero = torch.zeros_like(rate)
    return EntropyRateProfile(edges, rate, zero, zero, source.dim)


def gaussian_quadrature(points: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights, float64 (points,), of the expectation under N(0, 1) (Gauss-Hermite)."""
    nodes, weights = np.polynomial.hermite.hermgauss(points)
    return torch.from_numpy(nodes * math.sqrt(2)), torch.from_numpy(weights / math.sqrt(math.pi))
