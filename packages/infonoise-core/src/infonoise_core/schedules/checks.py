"""What a schedule is made of, checked when it is made and when a state comes back to it."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infonoise_core.binning import log_edges
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.prediction import Prediction
from infonoise_core.processes.weighting import (
    Weight,
    check_weight,
    prediction_weight,
    unit_weight,
)

# Levels at which a state's channel is compared with the schedule's.
_POINTS = 9
# Of two channels that are the same but for rounding, in float32 and of another release.
_SAME = 1e-5


def check_channel(channel: Any) -> None:
    """InputError for what is no channel, a class of them included."""
    if not isinstance(channel, Channel):
        raise InputError(
            f"channel is {_words(channel)}: give one, such as VarianceExploding(0.002, 80.0) or"
            " RectifiedFlow()"
        )


def check_numbers(floor: float, refresh_every: int, bins: int) -> None:
    """InputError for numbers that make no schedule."""
    if not 0 <= floor <= 1:
        raise InputError(f"floor {floor:g}: the share of warm-up draws lies between 0 and 1")
    if refresh_every < 1 or bins < 2:
        raise InputError(f"refresh_every {refresh_every} and bins {bins}: give at least 1 and 2")


def check_warmup(warmup: Any, channel: Channel, kind: type) -> None:
    """InputError for what is no fixed distribution, or is one of another channel."""
    if not isinstance(warmup, kind):
        raise InputError(
            f"warmup is {_words(warmup)}: give a fixed noise distribution, such as"
            " LogNormal(channel)"
        )
    theirs = getattr(warmup, "channel", None)
    if theirs != channel:
        raise InputError(
            f"the warm-up {type(warmup).__name__} belongs to {theirs!r}, the schedule to"
            f" {channel!r}: make it of the schedule's channel"
        )


def checked_dim(dim: Any) -> int | None:
    """How many numbers an example has, or None; InputError for a shape or less than 1."""
    if dim is None:
        return None
    if isinstance(dim, (tuple, list, torch.Size)):
        raise InputError(
            f"dim is the shape {tuple(dim)}: give how many numbers an example has, {math.prod(dim)}"
        )
    if isinstance(dim, bool) or not isinstance(dim, (int, float, np.number)) or not dim >= 1:
        raise InputError(f"dim is {_words(dim)}: give how many numbers an example has, 1 or more")
    if not float(dim).is_integer():
        raise InputError(f"dim is {dim:g}: give a whole number, how many numbers an example has")
    return int(dim)


def checked_weight(
    weight: Any,
    channel: Channel,
    prediction: Prediction | None,
    sigma_data: float | None,
    edges: Tensor,
) -> Weight:
    """The weight, by default that of a plain squared error.

    InputError where `check_weight` finds it wrong at the edges (K+1,).
    """
    made: Weight = unit_weight() if weight is None else weight
    if weight is None and prediction is not None:
        made = prediction_weight(channel, prediction, sigma_data)
    check_weight(made, edges)
    return made


def channel_state(channel: Channel) -> dict[str, Any]:
    """A channel's name, and what it does at a few levels of its span: plain numbers."""
    sigma = log_edges(channel.sigma_min, channel.sigma_max, _POINTS - 1)
    u = channel.coordinate(sigma)
    return {
        "name": repr(channel),
        "coordinate": u.to(torch.float64).tolist(),
        "signal": channel.signal(u).to(torch.float64).tolist(),
    }


def check_version(state: Mapping[str, Any], version: int) -> None:
    """InputError for a state of another version."""
    if state.get("version") != version:
        raise InputError(
            f"the schedule's state has version {state.get('version')}, this program reads"
            f" {version}: resume with the same kind of schedule and release"
        )


def check_channel_state(state: Mapping[str, Any] | None, channel: Channel) -> None:
    """InputError where a saved channel is another one; states of the first releases name none."""
    if state is None:
        return
    own = channel_state(channel)
    for name in ("coordinate", "signal"):
        theirs, ours = (torch.tensor(s[name], dtype=torch.float64) for s in (state, own))
        if theirs.shape != ours.shape or not torch.allclose(theirs, ours, rtol=_SAME, atol=_SAME):
            raise InputError(
                f"the checkpoint's schedule is of the channel {state['name']}, this one of"
                f" {own['name']}: resume with the same channel"
            )


def _words(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"{value!r} ({type(value).__name__})"
