"""Schedules by the name they have on every command line."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.weighting import Weight
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.adaptive import AdaptiveLoss, LossSecondMoment, TimeWarp
from infonoise_core.schedules.fixed import (
    Cosine,
    Laplace,
    LogitNormal,
    LogNormal,
    LogUniform,
    Schedule,
    UniformTime,
)
from infonoise_core.schedules.frozen import FrozenProfile
from infonoise_core.schedules.infonoise import InfoNoise


@dataclass(frozen=True)
class ScheduleContext:
    """What a schedule is made for.

    Attributes:
        updates: Length of the run.
        dim: Dimensions of an example.
        symbols: Of discrete data, the profile its symbols would have if they knew nothing of
            each other.
        linear: What the best linear denoiser of the data's coefficients leaves unknown.
    """

    channel: Channel
    weight: Weight
    steps: int
    dim: int
    symbols: EntropyRateProfile | None = None
    linear: EntropyRateProfile | None = None


def _infonoise(setting: ScheduleContext, power: float | None = None) -> InfoNoise:
    # What is known before training is where to start and what no error may exceed. Discrete data
    # leave the weight in, and continuous ones take the root (docs/decisions.md has measurements).
    discrete = setting.symbols is not None
    known = _least(setting.symbols, setting.linear)
    if power is None:
        power = 1.0 if discrete or setting.linear is None else 0.5
    return InfoNoise(
        setting.channel,
        weight=setting.weight,
        power=power,
        refresh_every=refresh_every(setting.steps),
        warmup_steps=setting.steps // 10,
        dim=setting.dim,
        compensate=not discrete,
        prior=known,
        ceiling=known,
    )


def _least(
    first: EntropyRateProfile | None, second: EntropyRateProfile | None
) -> EntropyRateProfile | None:
    """The lower of two bounds at every level."""
    if first is None or second is None:
        return first or second
    return replace(first, rate=torch.minimum(first.rate, second.rate))


def _iid_oracle(setting: ScheduleContext) -> FrozenProfile:
    if setting.symbols is None:
        raise InputError(
            "the schedule iid-oracle needs discrete data: leave it out for real-valued examples"
        )
    return FrozenProfile(setting.channel, setting.symbols)


def _loss_second_moment(setting: ScheduleContext) -> LossSecondMoment:
    return LossSecondMoment(
        setting.channel, weight=setting.weight, refresh_every=refresh_every(setting.steps)
    )


def _cdcd(setting: ScheduleContext) -> TimeWarp:
    return TimeWarp(setting.channel, refresh_every=refresh_every(setting.steps))


def _adaptive_loss(setting: ScheduleContext) -> AdaptiveLoss:
    return AdaptiveLoss(
        setting.channel, weight=setting.weight, refresh_every=refresh_every(setting.steps)
    )


def refresh_every(steps: int) -> int:
    """Optimizer steps between two refreshes of what is learned in a run of so many steps."""
    return min(500, max(5, steps // 100))


SCHEDULES: Mapping[str, Callable[[ScheduleContext], Schedule]] = {
    "edm": lambda setting: LogNormal(setting.channel),
    "log-uniform": lambda setting: LogUniform(setting.channel),
    "logit-normal": lambda setting: LogitNormal(setting.channel),
    "cosine": lambda setting: Cosine(setting.channel),
    "laplace": lambda setting: Laplace(setting.channel),
    "uniform-t": lambda setting: UniformTime(setting.channel),
    "loss-second-moment": _loss_second_moment,
    "cdcd": _cdcd,
    "adaptive-loss": _adaptive_loss,
    "iid-oracle": _iid_oracle,
    "infonoise": _infonoise,
    "infonoise-rate": partial(_infonoise, power=1.0),
    "infonoise-sqrt": partial(_infonoise, power=0.5),
}
# A distribution with numbers of one's own: log-normal:MEAN:STD, both of log sigma.
_LOG_NORMAL = "log-normal"


def make_schedule(name: str, setting: ScheduleContext) -> Schedule:
    """The schedule of that name; InputError names those there are."""
    check_names([name], "--schedule")
    if name in SCHEDULES:
        return SCHEDULES[name](setting)
    mean, std = _numbers(name)
    return LogNormal(setting.channel, mean, std)


def split_names(text: str) -> list[str]:
    """Names from a comma-separated list, each known and none twice."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    check_names(names, "--schedules")
    if not names:
        raise InputError("--schedules is empty: give names such as edm,log-uniform,infonoise")
    if len(set(names)) < len(names):
        raise InputError(f"--schedules {text}: a schedule stands there twice; name each once")
    return names


def check_names(names: list[str], option: str) -> None:
    """InputError for the first unknown name."""
    for name in names:
        if name not in SCHEDULES and not name.startswith(f"{_LOG_NORMAL}:"):
            known = ", ".join([*SCHEDULES, f"{_LOG_NORMAL}:MEAN:STD"])
            raise InputError(f"{option} {name}: no such schedule; give one of {known}")
        if name not in SCHEDULES:
            _numbers(name)


def _numbers(name: str) -> tuple[float, float]:
    """Mean and standard deviation of log sigma in log-normal:MEAN:STD."""
    try:
        mean, std = (float(part) for part in name.split(":")[1:])
    except ValueError:
        mean = std = math.nan
    if not (math.isfinite(mean) and 0 < std < math.inf):
        raise InputError(
            f"{name}: give mean and standard deviation of log sigma, as in {_LOG_NORMAL}:-1.2:1.2"
        )
    return mean, std
