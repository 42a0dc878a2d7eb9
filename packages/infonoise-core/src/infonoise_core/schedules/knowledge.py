"""What is known of a profile: what losses show, a prior where they are few, below a ceiling."""

from dataclasses import replace

import torch
from torch import Tensor

from infonoise_core.profiles.profile import EntropyRateProfile

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
    return known


def is_input(known: EntropyRateProfile, dim: int | None) -> bool:
    """Whether the errors are those of a denoiser that returns its input, at every level."""
    return dim is not None and known.entropy() >= _ALL_LOST * dim * float(known.width.sum())


def most(dim: int | None, *bounds: EntropyRateProfile | None) -> float | None:
    """The largest rate that data may have anywhere: of a prior or ceiling, else `dim`."""
    peaks = [float(profile.rate.max()) for profile in bounds if profile is not None]
    return min(peaks) if peaks else dim
