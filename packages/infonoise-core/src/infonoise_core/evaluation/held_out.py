"""The held-out measure that no schedule has a say in."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.rng import Stream, generator
from infonoise_core.together import own_part, summed
from infonoise_core.training.step.listening import Heard
from infonoise_core.training.task import Batch, squared_x0_error

# The fractional part of multiples of the golden ratio: the most even sequence on the unit circle.
_GOLDEN = (math.sqrt(5) - 1) / 2
# Places (...) from 0 to 1 -> levels sigma, and how much of log sigma a unit of place spans there.
Places = Callable[[Tensor], tuple[Tensor, Tensor]]


def even_places(sigma_min: float, sigma_max: float) -> Places:
    """Levels that are even in log sigma."""
    span = math.log(sigma_max / sigma_min)

    def places(p: Tensor) -> tuple[Tensor, Tensor]:
        return sigma_min * (span * p).exp(), torch.full_like(p, span)

    return places


def profile_places(profile: EntropyRateProfile, even: float = 0.2) -> Places:
    """Levels as dense as a profile's rate, and a share of them even in log sigma.

    A sum over levels is least noisy where they are as dense as what is summed is noisy: give the
    standard deviation of squared error / sigma^2 as the rate. The even share bounds the weight of
    levels where a denoiser errs and the profile has little.

    Args:
        profile: Between its first and last edge.
    """
    edges = profile.edges.to(torch.float64).log()
    width = edges.diff()
    rate = profile.rate.to(torch.float64).clamp_min(0) * width
    mass = (1 - even) * rate / rate.sum() + even * width / width.sum()
    below = torch.cat([mass.new_zeros(1), mass.cumsum(0)])

    def places(p: Tensor) -> tuple[Tensor, Tensor]:
        k = (torch.searchsorted(below, p, right=True) - 1).clamp(0, len(mass) - 1)
        inside = (p - below[k]) / mass[k]
        return (edges[k] + inside * width[k]).exp(), width[k] / mass[k]

    return places


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

    Args:
        chunk: Examples in a call of the denoiser.
        cpu_chunk: The same where it is on a CPU; as many if not given.
        places: Where the strata lie, in place of evenly in log sigma (`profile_places`).
        offset: Shift of all examples inside their strata; drawn uniformly between 0 and 1, it makes
            the sum over levels an unbiased estimate of the integral.
    """

    def __init__(
        self,
        batch: Batch,
        sigma_min: float,
        sigma_max: float,
        levels: int = 16,
        seed: int = 0,
        chunk: int = 512,
        *,
        cpu_chunk: int | None = None,
        places: Places | None = None,
        offset: float = 0.0,
    ) -> None:
        n = len(batch.x0)
        if n < 2:
            raise InputError("fewer than 2 held-out examples: give more data")
        shift = np.modf(np.arange(n) * _GOLDEN + offset)[0]
        p = torch.from_numpy((np.arange(levels)[:, None] + shift[None, :]) / levels)
        sigma, self._span = (places or even_places(sigma_min, sigma_max))(p)
        self._sigma = sigma.to(torch.float32)
        self._batch, self._seed = batch, seed
        self._chunk, self._cpu_chunk = chunk, cpu_chunk or chunk
        self._heard: Heard | None = None

    def listen(self, heard: Heard | None) -> None:
        """Who is told after each call of the denoiser, of how many; None for nobody."""
        self._heard = heard

    @torch.no_grad()
    def __call__(self, denoiser: nn.Module) -> HeldOut:
        """Run the denoiser, in evaluation mode, on the whole set; n * levels evaluations.

        Processes that are `together` share them, and have the same result.
        """
        device = next(denoiser.parameters()).device
        denoiser.eval()
        n, x0 = len(self._batch.x0), self._batch.x0
        rates = torch.zeros(n, dtype=torch.float64)
        step = self._cpu_chunk if device.type == "cpu" else self._chunk
        chunks = range(0, n, step)
        total, done = len(self._sigma) * len(chunks), 0
        mine = own_part(total)
        for level, places in groupby(mine, lambda place: place // len(chunks)):
            sigma, span = self._sigma[level], self._span[level]
            # One generator per level, on the CPU: the noises are the same on every device.
            eps = torch.randn(
                x0.shape, generator=generator(self._seed, Stream.EVALUATE, level), dtype=x0.dtype
            )
            for place in places:
                start = chunks[place % len(chunks)]
                rows = slice(start, start + step)
                part = Batch(x0[rows], {k: v[rows] for k, v in self._batch.condition.items()})
                error = squared_x0_error(
                    denoiser, part.to(device), sigma[rows].to(device), eps[rows].to(device)
                )
                rate = error.cpu().to(torch.float64) / sigma[rows].to(torch.float64).square()
                rates[rows] += rate * span[rows]
                done += 1
                if self._heard is not None:
                    self._heard(done, len(mine))
        return HeldOut(summed(rates) / len(self._sigma))
