"""Sources whose ODE has a known solution, for solvers to be held against."""

import math

import torch

from infonoise_core.analytic.exact import BinarySource, GaussianSource

LOW, HIGH = 0.1, 20.0


def gaussian_path(x, std, sigma, lower):
    """The exact ODE from sigma to lower for N(0, std^2) data."""
    return x * math.sqrt((std**2 + lower**2) / (std**2 + sigma**2))


def binary_path(x, sigma, lower):
    """The exact ODE for +-1 in one dimension: it keeps the quantile of x, found by bisection."""

    def cdf(x, sigma):
        return torch.special.ndtr((x - 1) / sigma) + torch.special.ndtr((x + 1) / sigma)

    target = cdf(x, sigma)
    low, high = torch.full_like(x, -100.0), torch.full_like(x, 100.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = cdf(middle, lower) < target
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


# Some from the middle, which a binary source leaves undecided until late.
X = torch.tensor([-25.0, -5.0, -1.0, -0.3, 0.1, 0.4, 2.0, 20.0], dtype=torch.float64)[:, None]


def gaussian_case():
    source = GaussianSource(1, std=0.8)
    return source.denoise, gaussian_path(X, 0.8, HIGH, LOW)


def binary_case():
    source = BinarySource(1)
    return source.denoise, binary_path(X, HIGH, 0.3)


CASES = {"gaussian": (gaussian_case, LOW), "binary": (binary_case, 0.3)}
