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
from infonoise_core.schedules.law import Law, context_law


@dataclass(frozen=True)
class ScheduleContext:
    """What a schedule is made for.

    Attributes:
        steps: Length of the run.
        dim: Dimensions of an example.
        symbols: Of discrete data, the profile its symbols would have if they knew nothing of
            each other.
        linear: What the best linear denoiser of the data's coefficients leaves unknown.
        logits: Whether the network predicts these symbols themselves, with the cross entropy as its
            loss: then `infonoise` draws where they are half known.
        compensate: The value exponent of real-valued data, from bits (1/4) to pictures (1).
        scale: Of the data, over that which published laws that name numbers were made for: their
            noise levels are multiplied with it.
    """

    channel: Channel
    weight: Weight
    steps: int
    dim: int
    symbols: EntropyRateProfile | None = None
    linear: EntropyRateProfile | None = None
    logits: bool = False
    compensate: float = 0.5
    scale: float = 1.0


def _infonoise(setting: ScheduleContext, law: Law | None = None) -> InfoNoise:
    # What is known before training is where to start and what no error may exceed.
    known = _least(setting.symbols, setting.linear)
    return InfoNoise(
        setting.channel,
        weight=setting.weight,
        refresh_every=refresh_every(setting.steps),
        warmup_steps=setting.steps // 10,
        dim=setting.dim,
        prior=known,
        ceiling=known,
        law=law or _law(setting),
    )


def _law(setting: ScheduleContext) -> Law:
    """By the kind of data (docs/decisions.md has the measurements).

    Discrete data leave the weight in, and continuous ones take the root.
    """
    if setting.symbols is not None:
        return context_law() if setting.logits else Law()
    if setting.linear is None:
        return Law(power=1.0, compensate=1.0)
    return Law(power=0.5, compensate=setting.compensate)


def _power(setting: ScheduleContext, power: float) -> InfoNoise:
    discrete = setting.symbols is not None
    return _infonoise(setting, Law(power=power, compensate=0.0 if discrete else power))


def _context(setting: ScheduleContext) -> InfoNoise:
    return _infonoise(setting, context_law())


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
    "edm": lambda setting: LogNormal(setting.channel, -1.2 + math.log(setting.scale)),
    "log-uniform": lambda setting: LogUniform(setting.channel),
    "logit-normal": lambda setting: LogitNormal(setting.channel, math.log(setting.scale)),
    "cosine": lambda setting: Cosine(setting.channel, setting.scale),
    "laplace": lambda setting: Laplace(setting.channel, -2 * math.log(setting.scale)),
    "uniform-t": lambda setting: UniformTime(setting.channel),
    "loss-second-moment": _loss_second_moment,
    "cdcd": _cdcd,
    "adaptive-loss": _adaptive_loss,
    "iid-oracle": _iid_oracle,
    "infonoise": _infonoise,
    "infonoise-rate": partial(_power, power=1.0),
    "infonoise-sqrt": partial(_power, power=0.5),
    "infonoise-context": _context,
}
# With numbers of one's own: log-normal:MEAN:STD, both of log sigma; infonoise:VALUE, the value
# exponent of the root of the rate.
_LOG_NORMAL, _VALUE = "log-normal", "infonoise"
_FORMS = (f"{_LOG_NORMAL}:MEAN:STD", f"{_VALUE}:VALUE")


def make_schedule(name: str, setting: ScheduleContext) -> Schedule:
    """The schedule of that name; InputError names those there are."""
    check_names([name], "--schedule")
    if name in SCHEDULES:
        return SCHEDULES[name](setting)
    numbers = _numbers(name)
    if len(numbers) == 1:
        return _infonoise(setting, Law(power=0.5, compensate=numbers[0]))
    mean, std = numbers
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
        if name in SCHEDULES:
            continue
        if name.partition(":")[0] not in (_LOG_NORMAL, _VALUE):
            known = ", ".join([*SCHEDULES, *_FORMS])
            raise InputError(f"{option} {name}: no such schedule; give one of {known}")
        _numbers(name)


def _numbers(name: str) -> tuple[float, ...]:
    """Mean and standard deviation of log sigma in log-normal:MEAN:STD; VALUE of infonoise:VALUE."""
    kind, _, text = name.partition(":")
    try:
        numbers = tuple(float(part) for part in text.split(":"))
    except ValueError:
        numbers = ()
    finite = all(math.isfinite(number) for number in numbers)
    if kind == _VALUE:
        if not (finite and len(numbers) == 1 and 0 <= numbers[0] <= 2):
            raise InputError(
                f"{name}: give the value exponent, from 0 to 2, as in {_VALUE}:0.25 (bits) or"
                f" {_VALUE}:1 (pictures)"
            )
    elif not (finite and len(numbers) == 2 and numbers[1] > 0):
        raise InputError(
            f"{name}: give mean and standard deviation of log sigma, as in {_LOG_NORMAL}:-1.2:1.2"
        )
    return numbers
