"""What a schedule says of itself: in one line, and to a logger as numbers by name."""

from typing import Any

import torch
from torch import Tensor

from infonoise_core.profiles.profile import EntropyRateProfile

# Total variation below which adapting cannot change much, and the status says so.
_CLOSE = 0.1


def stage_of_life(
    steps: int, warmup_steps: int, since: int | None, prior: str, bins: str, distance: float
) -> str:
    """Warming up, or adapting, and how far the density is from the warm-up's.

    Args:
        since: The step at which it began to adapt, or None.
        prior: What it draws by until then.
        bins: How many of them are filled, in words.
        distance: Total variation from the warm-up's density.
    """
    if since is not None:
        close = " (so close that adapting cannot matter much)" if distance < _CLOSE else ""
        return (
            f"adapting since step {since}: {bins}, total variation {distance:.2f} from the warm-up"
            f" distribution{close}"
        )
    if steps > warmup_steps:
        return f"still warming up under {prior} after {steps} steps: {bins}"
    return f"warming up under {prior}: step {steps} of {warmup_steps}, {bins}"


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
