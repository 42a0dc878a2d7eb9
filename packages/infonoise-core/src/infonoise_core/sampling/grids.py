"""Inference grids: n noise levels in descending order, without the final 0."""

import dataclasses
import math

import torch
from torch import Tensor

from infonoise_core.binning import invert_cdf
from infonoise_core.errors import InputError
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.gates import Gate

# Relative distance below which two noise levels count as one.
TOUCH = 1e-9


def log_uniform_grid(n: int, sigma_min: float, sigma_max: float) -> Tensor:
    """(n,) float64 levels at equal ratios."""
    _check(n, sigma_min, sigma_max)
    ends = (math.log(sigma_max), math.log(sigma_min))
    return _pinned(torch.linspace(*ends, n, dtype=torch.float64).exp(), sigma_min, sigma_max)


def karras_grid(n: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """(n,) float64, linear in sigma^(1/rho) (Karras et al. 2022, eq. 5)."""
    _check(n, sigma_min, sigma_max)
    if not 0 < rho < math.inf:
        raise InputError(f"rho {rho:g}: give a positive exponent, 7 as a rule")
    ends = (sigma_max ** (1 / rho), sigma_min ** (1 / rho))
    grid: Tensor = torch.linspace(*ends, n, dtype=torch.float64) ** rho
    return _pinned(grid, sigma_min, sigma_max)


def entropic_grid(
    profile: EntropyRateProfile,
    n: int,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    karras: float = 0.0,
    gate: Gate | None = None,
) -> Tensor:
    """(n,) float64 levels between which equal conditional entropy is removed.

    Stancevic et al. 2025, entropic time.

    The integral of the rate over log sigma, cut to [sigma_min, sigma_max] (the profile's own ends
    by default), is inverted at equal steps; beyond the profile nothing is known and no level is
    spent but the end itself.

    Args:
        gate: Multiplies the rate; the entropy of continuous data has no end at low noise, so
            they need one.
        karras: 0 to 1 blends towards the Karras grid, linearly in log sigma.
    """
    low, high = _ends(profile, n, sigma_min, sigma_max)
    edges, rate = _cut(gated(profile, gate), low, high)
    grid = _equal_shares(rate * edges.log().diff(), edges.log(), n).exp()
    return _blend(grid, karras, low, high)


def rescaled_entropic_grid(
    profile: EntropyRateProfile,
    n: int,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    karras: float = 0.0,
    gate: Gate | None = None,
) -> Tensor:
    """(n,) float64 levels, uniform in the integral of sigma dH.

    Stancevic et al. 2025, rescaled entropic time.

    Per unit sigma its density is the rate per unit log sigma, so low noise draws fewer levels than
    in `entropic_grid`, and continuous data need no gate.  Arguments as there.
    """
    low, high = _ends(profile, n, sigma_min, sigma_max)
    edges, rate = _cut(gated(profile, gate), low, high)
    grid = _equal_shares(rate * edges.diff(), edges, n)
    return _blend(grid, karras, low, high)


def kl_grid(
    profile: EntropyRateProfile,
    n: int,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
) -> Tensor:
    """(n,) float64 levels between which KL(p_sigma || N(0, sigma_max^2 I)) changes equally.

    p_sigma is the distribution of x0 + sigma eps.

    De Bruijn's identity and I-MMSE give `|rate - dim (1 - sigma^2 / sigma_max^2)|` per unit log
    sigma: levels go where noise changes the distribution of x, while the entropic grid follows what
    x says of x0.  Needs a profile that knows its dim.
    """
    low, high = _ends(profile, n, sigma_min, sigma_max)
    if profile.dim is None:
        raise InputError("the profile does not say its dim: give it when the profile is estimated")
    edges, rate = _cut(profile, low, high)
    # The integral of 1 - sigma^2/sigma_max^2 over log sigma, in each piece.
    share = edges.log().diff() - edges.square().diff() / (2 * high**2)
    change = (rate * edges.log().diff() - profile.dim * share).abs()
    return _pinned(_equal_shares(change, edges.log(), n).exp(), low, high)


def gated(profile: EntropyRateProfile, gate: Gate | None) -> EntropyRateProfile:
    """The profile with its rate and stderr multiplied by the gate; itself when there is none."""
    if gate is None:
        return profile
    g = gate(profile)
    return dataclasses.replace(profile, rate=g * profile.rate, stderr=g * profile.stderr)


def _ends(
    profile: EntropyRateProfile, n: int, sigma_min: float | None, sigma_max: float | None
) -> tuple[float, float]:
    low = float(profile.edges[0]) if sigma_min is None else float(sigma_min)
    high = float(profile.edges[-1]) if sigma_max is None else float(sigma_max)
    _check(n, low, high)
    return low, high


def _check(n: int, sigma_min: float, sigma_max: float) -> None:
    if n < 1:
        raise InputError(f"a grid of {n} levels: give at least 1")
    if not 0 < sigma_min < sigma_max < math.inf:
        raise InputError(
            f"sigma_min {sigma_min:g} and sigma_max {sigma_max:g} do not span a range:"
            " give 0 < sigma_min < sigma_max"
        )


def _cut(profile: EntropyRateProfile, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Bin edges (M+1,) and rates (M,) of the part of the profile between low and high."""
    edges = profile.edges
    # An end that meets an edge but for rounding must not leave a sliver of the bin beyond it.
    if not (high > edges[0] * (1 + TOUCH) and low < edges[-1] * (1 - TOUCH)):
        raise InputError(
            f"the profile covers sigma {float(edges[0]):g} to {float(edges[-1]):g}, which is"
            " outside the range given: move sigma_min or sigma_max"
        )
    low, high = max(low, float(edges[0])), min(high, float(edges[-1]))
    inner = edges[(edges > low * (1 + TOUCH)) & (edges < high * (1 - TOUCH))]
    cut = torch.cat([edges.new_tensor([low]), inner, edges.new_tensor([high])])
    bins = torch.bucketize((cut[1:] + cut[:-1]) / 2, edges[1:-1])
    return cut, profile.rate[bins].clamp_min(0)


def _equal_shares(mass: Tensor, x: Tensor, n: int) -> Tensor:
    """n positions from x[-1] down to x[0] between which equal mass lies.

    The mass (M,) is spread evenly over the pieces between x (M+1,).
    """
    # Divided by the largest first, so that a range of tiny masses keeps its digits.
    cdf = torch.cat([mass.new_zeros(1), (mass / mass.max()).cumsum(0)])
    if not cdf[-1] > 0:
        raise InputError("the profile holds nothing in the range given: widen it or train longer")
    return invert_cdf(cdf / cdf[-1], x, torch.linspace(1, 0, n, dtype=torch.float64))


def _blend(grid: Tensor, karras: float, low: float, high: float) -> Tensor:
    if not 0 <= karras <= 1:
        raise InputError(f"karras {karras:g}: the blend lies between 0 and 1")
    if karras:
        grid = grid.clamp(low, high)
        grid = torch.lerp(grid.log(), karras_grid(len(grid), low, high).log(), karras).exp()
    return _pinned(grid, low, high)


def _pinned(grid: Tensor, sigma_min: float, sigma_max: float) -> Tensor:
    # The requested ends exactly, whatever rounding did; one level alone is the largest.
    grid[-1] = sigma_min
    grid[0] = sigma_max
    if not bool((grid.diff() < 0).all()):
        raise InputError(
            f"{len(grid)} levels do not fit between sigma {sigma_min:g} and {sigma_max:g}:"
            " give fewer, or a wider range"
        )
    return grid
