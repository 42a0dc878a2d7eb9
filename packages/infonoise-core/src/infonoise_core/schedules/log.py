"""What a schedule has to say to a logger: plain numbers by name, and its status."""

from typing import Any

import torch
from torch import Tensor

from infonoise_core.profiles.profile import EntropyRateProfile


def log_of(schedule: Any, edges: Tensor, density: Tensor, levels: int) -> dict[str, float | str]:
    """Numbers by name, for any logger, and `status`, a text.

    Args:
        schedule: With its `status`, and its `profile` where it has `observed` anything.
        edges: (K+1,) sigma.
        density: (K,) per unit log sigma, of the draws.
        levels: Bands of the noise levels, of equal width in log sigma, to report by.

    Returns:
        `density/sigma S`, and where there is a profile `error/sigma S`, the squared error of x0
        per example of all that was seen in the band with its middle at S; `nats` and its standard
        error.
    """
    width = edges.log().diff()
    middle = (edges[:-1] * edges[1:]).log() / 2
    start, span = edges[0].log(), (edges[-1] / edges[0]).log()
    band = ((middle - start) / span * levels).long().clamp(0, levels - 1)
    centres = (start + span * (torch.arange(levels, dtype=torch.float64) + 0.5) / levels).exp()

    def mean(values: Tensor, weight: Tensor) -> list[float]:
        sums = torch.zeros(2, levels, dtype=torch.float64)
        sums.index_add_(1, band, torch.stack([values * weight, weight]))
        values_of: list[float] = (sums[0] / sums[1]).tolist()
        return values_of

    record: dict[str, float | str] = {"status": schedule.status()}
    columns = {"density": mean(density, width)}
    if getattr(schedule, "observed", False):
        profile: EntropyRateProfile = schedule.profile()
        record |= {"nats": profile.entropy(), "nats stderr": profile.entropy_stderr()}
        columns["error"] = mean(profile.mmse, profile.count)
    for name, values in columns.items():
        for sigma, value in zip(centres.tolist(), values, strict=True):
            if value == value:  # not a band of a table's steps that holds none
                record[f"{name}/sigma {sigma:.2g}"] = value
    return record
