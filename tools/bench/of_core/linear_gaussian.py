"""Two unit Gaussians of which one is seen: what samplers make of a condition that is noised, when
every denoiser is exact.

Batzolis et al. 2021 (arXiv 2111.13606); the posterior is N(rho y, 1 - rho^2).
"""

import math

import torch
from torch import Tensor, nn

from infonoise_core.sampling.churn import constant_churn
from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import log_uniform_grid
from infonoise_vision.models.conditions import Region
from infonoise_vision.sampling.completion import renoised

CORRELATION, SEEN = 0.9, 1.5
# Levels of Heun's solver.
LEVELS = 64


class GaussianPair(nn.Module):
    """E[x | x at sigma, y at c sigma] of images of two pixels: y above, x below."""

    def __init__(self, c: float) -> None:
        super().__init__()
        self.c = c

    def forward(
        self, x: Tensor, sigma: Tensor, given: Tensor, known: Tensor, given_noise: Tensor
    ) -> Tensor:
        s = sigma.double()
        y = given[:, 0, 0, 0].double() + self.c * s * given_noise[:, 0, 0, 0]
        a, b = 1 + s.square(), 1 + (self.c * s).square()
        lower = (b - CORRELATION**2) * x[:, 0, 1, 0].double() + CORRELATION * (a - 1) * y
        mean = lower / (a * b - CORRELATION**2)
        return torch.stack([given[:, 0, 0, 0].double(), mean], 1)[:, None, :, None].to(x)


def kl_to_posterior(c: float, churn: float = 0.2, n: int = 20_000) -> float:
    """Nats from n draws, as a Gaussian of their mean and variance, to the posterior.

    Heun with churn, the condition noised anew at every call.
    """
    half = Region((1, 2, 1), box=False)
    seen = half.observe(torch.full((n, 1, 2, 1), SEEN))
    x = generate(
        renoised(GaussianPair(c), half, 0), (1, 2, 1), n, log_uniform_grid(LEVELS, 0.002, 80.0),
        churn=constant_churn(churn), s_noise=1.0, chunk=n, condition=seen,
    ).x[:, 0, 1, 0].double()  # fmt: skip
    mean, ratio = float(x.mean()), float(x.var()) / (1 - CORRELATION**2)
    shift = (mean - CORRELATION * SEEN) ** 2 / (1 - CORRELATION**2)
    return 0.5 * (ratio + shift - 1 - math.log(ratio))
