"""Options that images decide where they are left out: the unit of noise, and the head."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.options import SHARE
from infonoise_vision.data.priors import deviation
from infonoise_vision.methods.options import SETTLED, SIGMA_DATA, Objective
from infonoise_vision.models.theirs import SCHEDULER, is_theirs, settings_of, span_of

# Images of at most so many grey levels get a head of symbols (docs/decisions.md).
SYMBOLS = 16
# Significant digits: enough for any schedule, few enough that rounding elsewhere hardly matters.
_DIGITS = 4


def settled(
    objective: Objective, images: ImageSet, begun: Mapping[str, Any] | None = None
) -> Objective:
    """The objective with a value for each option that was left out and the images decide.

    Args:
        images: Those that are trained on.
        begun: The objective of the run that is to go on, by its config.json: it keeps its own.
    """
    if begun is not None:
        left_out = [name for name in SETTLED if getattr(objective, name) is None]
        own: dict[str, Any] = {name: begun.get(name) for name in left_out}
        return replace(objective, **own)
    if is_theirs(objective.network):
        objective = _as_theirs(objective)
    if objective.head is None:
        few = images.levels is not None and images.levels <= SYMBOLS and not objective.staged
        objective = replace(objective, head="symbols" if few else "edm")
    if objective.noise_unit is None:
        objective = replace(objective, noise_unit=unit_of(images))
    return objective


def _as_theirs(objective: Objective) -> Objective:
    """EDM's head; the levels of a network that has a scheduler are the scheduler's."""
    objective = replace(objective, head=objective.head or "edm")
    known = settings_of(objective.network)
    if known[SCHEDULER] is None:
        return objective
    low, high = span_of(known)
    return replace(
        objective, noise_unit=objective.noise_unit or 1.0,
        sigma_min=objective.sigma_min or low, sigma_max=objective.sigma_max or high,
    )  # fmt: skip


def unit_of(images: ImageSet) -> float:
    """Standard deviation of the images over that of EDM's data; 1 where they are all alike."""
    found = float(f"{deviation(images) / SIGMA_DATA:.{_DIGITS}g}")
    return found or 1.0


def formerly(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that older runs do not say: a fifth held out, where data had no test images."""
    images = settings.get("images")
    counts = images if isinstance(images, dict) else {}
    train, held_out = (counts.get(key) for key in ("train", "held_out"))
    own = False
    if isinstance(train, int) and isinstance(held_out, int):
        own = abs(held_out - SHARE * (train + held_out)) > 1
    return {"held_out": None if own else SHARE, "network_format": 1}
