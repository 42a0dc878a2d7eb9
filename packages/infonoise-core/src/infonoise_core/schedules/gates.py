"""From an entropy-rate profile to a training density over log sigma: pure functions, float64, CPU.

Where phi = density * weight is what training effectively spends on a noise level, the target is
phi proportional to gate * rate (Raya et al. 2026), hence density proportional to gate * rate /
weight. A gate keeps the draws away from the low-noise end, where a learned error stops falling and
its rate grows as sigma^-2 although no information is left there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.weighting import Weight
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.law import Law

# profile -> (K,) factors between 0 and 1; ours are frozen dataclasses, as weights are.
Gate = Callable[[EntropyRateProfile], Tensor]

# Half-width in log sigma of the window that a slope is read from: the mmse of discrete data falls
# by a decade within one unit, a floor stays within a few per cent.
_SLOPE_WINDOW = 1.0
# Slopes of a power law agree to this within noise; the published rule names no number.
_STABLE = 0.5


@dataclass(frozen=True)
class open_gate:
    """1 everywhere."""

    def __call__(self, profile: EntropyRateProfile) -> Tensor:
        return torch.ones_like(profile.rate)


@dataclass(frozen=True)
class fixed_gate:
    """sigma^order / (sigma^order + pivot^order), pivot in the data's unit (Raya et al. 2026)."""

    pivot: float
    order: float = 3.0

    def __post_init__(self) -> None:
        if not self.pivot > 0:
            raise InputError(f"gate pivot {self.pivot:g}: give a noise level above 0")

    def __call__(self, profile: EntropyRateProfile) -> Tensor:
        return _sigmoid_gate(profile.sigma, self.pivot, self.order)


@dataclass(frozen=True)
class onset_gate:
    """Pivot at the largest sigma whose rate per unit sigma is at least threshold * its maximum.

    Raya et al. 2026, the rule for continuous data.

    The rate per unit sigma of such data peaks at sigma_min, so the pivot follows the grid and not
    the data; `slope_gate` does not.
    """

    threshold: float = 0.002
    order: float = 3.0

    def __call__(self, profile: EntropyRateProfile) -> Tensor:
        per_sigma = _raw(profile) / profile.sigma
        above = per_sigma >= self.threshold * per_sigma.max()
        return _sigmoid_gate(profile.sigma, float(profile.sigma[above].max()), self.order)


@dataclass(frozen=True)
class power_law_gate:
    """Pivot at the upper end of a stretch of constant slope (Raya et al. 2026, for discrete data).

    The slope is d log q / d log sigma, q the rate per unit sigma, and the stretch starts at
    sigma_min; where no stretch of three bins is stable, the pivot is at the largest curvature of
    log q.
    """

    order: float = 3.0

    def __call__(self, profile: EntropyRateProfile) -> Tensor:
        log_sigma = profile.sigma.log()
        log_q = _raw(profile).clamp_min(1e-300).log() - log_sigma
        slopes = log_q.diff() / log_sigma.diff()
        means = slopes.cumsum(0) / torch.arange(1, len(slopes) + 1)
        leaves = ((slopes - means).abs() > _STABLE).nonzero()
        end = int(leaves[0]) if len(leaves) else len(slopes)
        if end < 3:
            end = int(slopes.diff().abs().argmax()) + 1
        return _sigmoid_gate(profile.sigma, float(profile.sigma[end]), self.order)


@dataclass(frozen=True)
class slope_gate:
    """How steeply the error has been seen to fall on the way from sigma_min up.

    0 while d log mmse / d log sigma is at most 1, 1 from where it has reached 2.

    A constant error floor has slope 0, an error in proportion to sigma^2 (a manifold's, whose rate
    is a plateau) slope 2, and the vanishing error of discrete data a larger one; once information
    has been seen, flat stretches above it are the data's own. Reads the error before the ceiling of
    `dim` is applied, which would give a floor the slope of a manifold. No threshold in the data's
    unit: multiplying data and grid by k leaves it unchanged.
    """

    def __call__(self, profile: EntropyRateProfile) -> Tensor:
        x = profile.sigma.log()
        y = (_raw(profile) * profile.sigma.square()).clamp_min(1e-300).log()
        distance = (x[None, :] - x[:, None]) / _SLOPE_WINDOW
        window = (1 - distance.abs().clamp_max(1) ** 3) ** 3
        window = window / window.sum(1, keepdim=True)
        dx = x - (window @ x)[:, None]
        dy = y - (window @ y)[:, None]
        spread = (window * dx.square()).sum(1)
        slope = torch.where(spread > 0, (window * dx * dy).sum(1) / spread.clamp_min(1e-300), 0)
        return (slope - 1).clamp(0, 1).cummax(0).values


@dataclass(frozen=True)
class floor_gate:
    """1 - mmse(sigma_min) / mmse(sigma).

    The share of an error that a constant floor cannot explain.

    Simpler than `slope_gate`, and fooled by a floor that is not constant.
    """

    def __call__(self, profile: EntropyRateProfile) -> Tensor:
        mmse = _raw(profile) * profile.sigma.square()
        return torch.where(mmse > mmse[0], 1 - mmse[0] / mmse.clamp_min(1e-300), 0)


@dataclass(frozen=True)
class calibration_gate:
    """Trusts an error where it agrees with what the denoiser itself implies.

    min(actual, implied) / max(actual, implied) of the error and of the posterior variance that the
    denoiser implies, which are equal in expectation for an exact posterior mean.

    Needs `observe(u, squared_error, implied_error)`: for bits and categories the implied error is
    the sum of p(1-p); for continuous data sigma^2 tr dD/dx (second-order Tweedie). 0 in bins
    without an implied error.
    """

    def __call__(self, profile: EntropyRateProfile) -> Tensor:
        if profile.implied is None:
            raise InputError(
                "the calibration gate needs implied errors: pass implied_error to observe"
            )
        actual, implied = _raw(profile), profile.implied
        smaller, larger = torch.minimum(actual, implied), torch.maximum(actual, implied)
        return torch.where(larger > 0, smaller / larger.clamp_min(1e-300), 0)


def check_gate(gate: Any, edges: Tensor, groups: Sequence[str] = ()) -> None:
    """InputError for what is no function of a profile on the grid of edges (K+1,).

    A schedule calls it long after it was made, at the end of its warm-up.
    """
    wanted = "it must be a function of a profile, such as slope_gate()"
    if not callable(gate):
        raise InputError(f"gate is {gate!r} ({type(gate).__name__}): {wanted}")
    name = getattr(gate, "__name__", repr(gate))
    if isinstance(gate, type):
        raise InputError(f"gate {name} is not made yet: give {name}()")
    flat = torch.ones(len(edges) - 1, dtype=edges.dtype)
    parts = dict.fromkeys(groups, flat / max(1, len(groups)))
    value = gate(EntropyRateProfile(edges, flat, flat, flat, 1, flat, flat, parts))
    if not isinstance(value, Tensor) or value.shape != flat.shape:
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise InputError(
            f"gate {name} answers a profile of {len(flat)} bins with {found}: {wanted}"
        )


def training_density(
    profile: EntropyRateProfile, weight: Weight | None, gate: Gate, law: Law | float = 1.0
) -> Tensor | None:
    """(K,) density per unit log sigma of a law, for what the gate believes of the profile.

    It integrates to 1. None when the profile gives no usable one (zero, or not finite).

    Args:
        weight: The loss weight, or None to leave it in.
        law: A `Law`, or a power of gate * rate / weight: 1 is the published choice, the rate
            itself, 1/2 the flatter one of CoBit (Batzolis et al. 2026).
            Where what is left to learn at a level falls with the draws it gets, as k / n, the
            sum of k / n is least for n in proportion to the root of k.
    """
    if not isinstance(law, Law):
        law = Law(power=law, compensate=law)
    believed = (gate(profile) * law.information(profile)).clamp_min(0)
    target = law.weighed(believed, None if weight is None else weight(profile.sigma))
    target = torch.where(target.isfinite(), target, 0)
    total = (target * profile.width).sum()
    if not (total > 0 and total.isfinite()):
        return None
    return target / total


def allocation(
    profile: EntropyRateProfile, weight: Weight, gate: Gate, law: Law
) -> tuple[Tensor | None, Tensor, str]:
    """What a law makes of a profile, or the plain rate where the law's premises fail.

    Returns:
        (K,) `training_density`; (K,) what a draw is worth at each level; and why it is by the plain
        rate, empty where it is by the law.
    """
    believed = gate(profile)
    plain = law.premise_missing(profile, believed)
    law = law.plain() if plain else law
    density = training_density(profile, weight, lambda _: believed, law)
    return density, believed * law.information(profile), plain


def scale_bump(sigma: Tensor, scale: float) -> Tensor:
    """(K,) scale^2 sigma^2 / (scale^2 + sigma^2)^2.

    This is where a Gaussian of that standard deviation turns from known to unknown (half the fall
    of its rate per unit log sigma).
    """
    ratio = (sigma / scale).square()
    return ratio / (1 + ratio).square()


def total_variation(density: Tensor, other: Tensor, width: Tensor) -> float:
    """Half the integral of `|density - other|`, all (K,): 0 the same, 1 disjoint."""
    return float(0.5 * ((density - other).abs() * width).sum())


def _raw(profile: EntropyRateProfile) -> Tensor:
    return profile.rate if profile.raw is None else profile.raw


def _sigmoid_gate(sigma: Tensor, pivot: float, order: float) -> Tensor:
    return torch.sigmoid(order * (sigma.log() - torch.tensor(pivot, dtype=sigma.dtype).log()))
