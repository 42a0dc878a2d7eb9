"""How much fresh noise each step of a solver adds: callables from levels (n,) to gammas (n,).

Before a step at level sigma the noise is raised to sigma (1 + gamma) (Karras et al. 2022, algorithm
2).  Every gamma lies in [0, sqrt(2) - 1], the cap of that paper: above it a step would add more
noise than x already carries.  The paper's S_churn over n steps is gamma = min(S_churn / n,
MAX_GAMMA).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.grids import gated
from infonoise_core.sampling.options import MAX_GAMMA
from infonoise_core.schedules.gates import Gate

# Noise levels (n,), descending -> relative increase gamma (n,) of each level before its step.
Churn = Callable[[Tensor], Tensor]


def constant_churn(gamma: float, sigma_low: float = 0.0, sigma_high: float = math.inf) -> Churn:
    """gamma at every level from sigma_low to sigma_high, 0 elsewhere.

    S_tmin and S_tmax of Karras et al. 2022.
    """
    _check(gamma)
    if not 0 <= sigma_low < sigma_high:
        raise InputError(
            f"churn from sigma {sigma_low:g} to {sigma_high:g}: give 0 <= sigma_low < sigma_high"
        )

    def churn(sigmas: Tensor) -> Tensor:
        inside = (sigmas >= sigma_low) & (sigmas <= sigma_high)
        return gamma * inside.to(torch.float64)

    return churn


def band_churn(
    profile: EntropyRateProfile,
    gamma: float,
    q_low: float,
    q_high: float,
    gate: Gate | None = None,
) -> Churn:
    """gamma inside a band of the profile's entropy, 0 elsewhere.

    The band is where between q_low and q_high of the entropy lies below the level (the
    entropy-gated churn of CoBit, Batzolis et al. 2026).

    Args:
        gate: Multiplies the rate before the quantiles are taken.
    """
    if not 0 <= q_low < q_high <= 1:
        raise InputError(f"quantiles {q_low:g} and {q_high:g}: give 0 <= q_low < q_high <= 1")
    band = gated(profile, gate).quantile(torch.tensor([q_low, q_high], dtype=torch.float64))
    sigma_low, sigma_high = band.tolist()
    return constant_churn(gamma, sigma_low, sigma_high)


def rate_churn(profile: EntropyRateProfile, gamma: float, gate: Gate | None = None) -> Churn:
    """gamma * rate(sigma) / (largest rate): most noise where most information is decided.

    Args:
        gate: Multiplies the rate; without one, continuous data are churned most at the lowest
            levels, where their rate has its plateau.
    """
    _check(gamma)
    believed = gated(profile, gate)
    largest = float(believed.rate.max())
    if not 0 < largest < math.inf:
        raise InputError(
            "the profile's rate has no positive maximum: train longer, or open its gate"
        )

    def churn(sigmas: Tensor) -> Tensor:
        return gamma * (believed.at(sigmas) / largest).clamp(0, 1)

    return churn


def _check(gamma: float) -> None:
    if not 0 <= gamma <= MAX_GAMMA:
        raise InputError(f"churn gamma {gamma:g}: give 0 to sqrt(2) - 1 = {MAX_GAMMA:.4f}")
