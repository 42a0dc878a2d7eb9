"""From an entropy-rate profile to a training density over log sigma: pure functions, float64 on the
CPU.

Where phi = density * weight is what training effectively spends on a noise level, the target is
phi proportional to gate * rate (Raya et al. 2026), hence density proportional to gate * rate /
weight.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.profile import EntropyRateProfile
from infonoise_core.weighting import Weight

# profile -> (K,) factors between 0 and 1
Gate = Callable[[EntropyRateProfile], Tensor]


def open_gate() -> Gate:
    """1 everywhere."""
    return lambda profile: torch.ones_like(profile.rate)


def fixed_gate(pivot: float, order: float = 3.0) -> Gate:
    """sigma^order / (sigma^order + pivot^order), pivot in the data's unit (Raya et al. 2026)."""
    if not pivot > 0:
        raise InputError(f"gate pivot {pivot:g}: give a noise level above 0")
    return lambda profile: _sigmoid_gate(profile.sigma, pivot, order)


def onset_gate(threshold: float = 0.002, order: float = 3.0) -> Gate:
    """Pivot at the largest sigma whose rate per unit sigma is at least threshold * its maximum
    (Raya et al. 2026).

    Published rule for continuous data. Because the rate per unit sigma of such data peaks at
    sigma_min, the pivot follows the grid and not the data; `floor_gate` does not.
    """

    def gate(profile: EntropyRateProfile) -> Tensor:
        per_sigma = profile.rate / profile.sigma
        above = per_sigma >= threshold * per_sigma.max()
        pivot = float(profile.sigma[above].max()) if bool(above.any()) else float(profile.sigma[0])
        return _sigmoid_gate(profile.sigma, pivot, order)

    return gate


def floor_gate() -> Gate:
    """1 - mmse(lowest sigma) / mmse(sigma): the share of an error that a constant floor cannot
    explain.

    True mmse vanishes at low noise, a network's error stops at a floor, and a floor read as mmse
    grows as sigma^-2 in the rate. No threshold and no unit: scaling data and grid together leaves
    it unchanged.
    """

    def gate(profile: EntropyRateProfile) -> Tensor:
        mmse = profile.mmse
        return torch.where(mmse > 0, 1 - mmse[0] / mmse, 0).clamp(0, 1)

    return gate


def training_density(
    profile: EntropyRateProfile, weight: Weight, gate: Gate, power: float = 1.0
) -> Tensor | None:
    """(K,) density per unit log sigma, proportional to (gate * rate)^power / weight, integrating to
    1.

    power: 1 is the published rate law, 1/2 the flatter one of CoBit (Batzolis et al. 2026).
    None when the profile gives no usable density (zero, or not finite).
    """
    target = (gate(profile) * profile.rate).clamp_min(0) ** power / weight(profile.sigma)
    target = torch.where(target.isfinite(), target, 0)
    total = (target * profile.width).sum()
    if not (total > 0 and total.isfinite()):
        return None
    return target / total


def total_variation(density: Tensor, other: Tensor, width: Tensor) -> float:
    """Half the integral of |density - other|, all (K,): 0 the same, 1 disjoint."""
    return float(0.5 * ((density - other).abs() * width).sum())


def _sigmoid_gate(sigma: Tensor, pivot: float, order: float) -> Tensor:
    return torch.sigmoid(order * (sigma.log() - torch.tensor(pivot, dtype=sigma.dtype).log()))
