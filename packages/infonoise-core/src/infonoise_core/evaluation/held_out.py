"""The held-out measure that no schedule has a say in."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator
from infonoise_core.training.task import Batch, squared_x0_error

# The fractional part of multiples of the golden ratio: the most even sequence on the unit circle.
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class HeldOut:
    """What a denoiser pays for the information between two noise levels, by example.

    The mean estimates it; with the terms at both ends it is a bound on the negative log-likelihood
    (Kingma et al. 2021, eq. 15 and 17).

    Attributes:
        rate_integral: (n,) nats per example, the integral of squared error / sigma^2 over log
            sigma.
    """

    rate_integral: Tensor

    @property
    def nats(self) -> float:
        """Mean over the examples."""
        return float(self.rate_integral.mean())

    @property
    def stderr(self) -> float:
        """Standard error of `nats`."""
        return float(self.rate_integral.std() / math.sqrt(len(self.rate_integral)))


class HeldOutError:
    """x0-error of a denoiser on fixed examples, fixed noise levels and fixed noises.

    Every example gets `levels` noise levels, one in each of as many log-uniform strata between
    sigma_min and sigma_max, shifted from example to example by the golden ratio; so all denoisers
    meet the same low-discrepancy set.
    """

    def __init__(
        self,
        batch: Batch,
        sigma_min: float,
        sigma_max: float,
        levels: int = 16,
        seed: int = 0,
        chunk: int = 512,
    ) -> None:
        n = len(batch.x0)
        if n < 2:
            raise InputError("fewer than 2 held-out examples: give more data")
        self._span = math.log(sigma_max / sigma_min)
        shift = np.modf(np.arange(n) * _GOLDEN)[0]
        p = (np.arange(levels)[:, None] + shift[None, :]) / levels
        self._sigma = torch.from_numpy(sigma_min * np.exp(self._span * p)).to(torch.float32)
        self._batch, self._seed, self._chunk = batch, seed, chunk

    @torch.no_grad()
    def __call__(self, denoiser: nn.Module) -> HeldOut:
        """Run the denoiser, in evaluation mode, on the whole set; n * levels evaluations."""
        device = next(denoiser.parameters()).device
        denoiser.eval()
        n, x0 = len(self._batch.x0), self._batch.x0
        rates = torch.zeros(n, dtype=torch.float64)
        for level, sigma in enumerate(self._sigma):
            # One generator per level, on the CPU: the noises are the same on every device.
            eps = torch.randn(
                x0.shape, generator=generator(self._seed, Stream.EVALUATE, level), dtype=x0.dtype
            )
            for start in range(0, n, self._chunk):
                rows = slice(start, start + self._chunk)
                part = Batch(x0[rows], {k: v[rows] for k, v in self._batch.condition.items()})
                error = squared_x0_error(
                    denoiser, part.to(device), sigma[rows].to(device), eps[rows].to(device)
                )
                rates[rows] += (
                    error.cpu().to(torch.float64) / sigma[rows].to(torch.float64).square()
                )
        return HeldOut(rates * self._span / len(self._sigma))
