"""What is known of a profile: what losses show, a prior where they are few, below a ceiling."""

import math
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from infonoise_core.binning import same_edges
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.gates import scale_bump, slope_gate

# Share of the warm-up's draws that filled bins must carry before the profile is used: a bin at
# the end of a tail that is hardly ever drawn must not hold everything up.
FILLED = 0.95
RETURNS_INPUT = (
    "the losses are those of a denoiser that returns its input; if it does not, the data are wider"
    " than sigma_max"
)
# Share of `dim` that the rate of a full-dimensional Gaussian keeps up to a third of its standard
# deviation: a grid where the mean is higher ends below the data's scale.
_ALL_LOST = 0.9


def completed(
    shown: EntropyRateProfile,
    count: Tensor,
    prior: EntropyRateProfile | None,
    ceiling: EntropyRateProfile | None,
    min_count: float,
) -> EntropyRateProfile:
    """The profile, completed by the prior where observations are few, cut at the ceiling.

    Args:
        shown: By the losses.
        count: (K,) effective observations of each bin.
        min_count: Observations at which a bin's own weigh as much as the prior.
    """
    known = shown
    if prior is not None:
        trust = count / (count + min_count)
        raw = known.rate if known.raw is None else known.raw
        known = replace(
            known,
            rate=torch.lerp(prior.rate, known.rate, trust),
            raw=torch.lerp(prior.rate, raw, trust),
        )
    if ceiling is not None:
        known = replace(known, rate=torch.minimum(known.rate, ceiling.rate))
    if known is not shown and known.groups:
        # The parts go on adding up.
        kept = torch.where(shown.rate > 0, known.rate / shown.rate.clamp_min(1e-300), 0)
        known = replace(known, groups={name: kept * part for name, part in known.groups.items()})
    return known


@runtime_checkable
class Believing(Protocol):
    """A schedule that draws by a part of the rate that losses show."""

    @property
    def edges(self) -> Tensor:
        """(K+1,) sigma, of the profiles that it reads."""

    def believed(self, shown: EntropyRateProfile) -> Tensor:
        """(K,) the part of the rate of a profile on its grid that it draws by."""


def believed_by(schedule: object, shown: EntropyRateProfile) -> Tensor:
    """(K,) the part of a profile's rate that a schedule draws by, or would.

    Of a schedule that does not say, and of a profile on another grid, what `slope_gate` leaves.
    """
    if isinstance(schedule, Believing) and same_edges(schedule.edges, shown.edges):
        return schedule.believed(shown)
    return slope_gate()(shown) * shown.rate


def of_rate(edges: Tensor, rate: Tensor, dim: int | None) -> EntropyRateProfile:
    """A profile of which nothing but its rate (K,) is known."""
    zero = torch.zeros_like(rate)
    return EntropyRateProfile(edges.clone(), rate, zero, zero, dim)


def is_input(known: EntropyRateProfile, dim: int | None) -> bool:
    """Whether the errors are those of a denoiser that returns its input, at every level."""
    return dim is not None and known.entropy() >= _ALL_LOST * dim * float(known.width.sum())


def most(dim: int | None, *bounds: EntropyRateProfile | None) -> float | None:
    """The largest rate that data may have anywhere: of a prior or ceiling, else `dim`."""
    peaks = [float(profile.rate.max()) for profile in bounds if profile is not None]
    return min(peaks) if peaks else dim


def filled_enough(count: Tensor, drawn: Tensor, min_count: float) -> bool:
    """Whether bins of at least `min_count` observations carry nearly all of the draws, (K,) each.

    Args:
        drawn: Share of the draws that falls into each bin.
    """
    return float(drawn[count >= min_count].sum()) >= FILLED


def around_scale(known: EntropyRateProfile, dim: int) -> tuple[EntropyRateProfile, float]:
    """A first guess from an error without structure, which tells the data's standard deviation."""
    raw = known.rate if known.raw is None else known.raw
    scale = math.sqrt(float(raw[-1]) * float(known.sigma[-1]) ** 2 / dim)
    return replace(known, rate=scale_bump(known.sigma, scale)), scale
