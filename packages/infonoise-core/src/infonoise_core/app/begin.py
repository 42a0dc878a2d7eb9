"""A run that begins with what another has learned, and the pace of one that is lengthened."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import nn

from infonoise_core.app.domain import Data, Domain, Options
from infonoise_core.app.options import TrainOptions
from infonoise_core.app.trained import TrainedRun, open_trained
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS, PROFILE_FILE
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.training import checkpoint
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.meter import Part, Several
from infonoise_core.training.run_profile import profile_if_any
from infonoise_core.training.task import Task

# Differing options that are named where networks differ.
_NAMED = 3


@runtime_checkable
class TakesPrior(Protocol):
    """A schedule that may start from a profile that was measured before."""

    def start_from(self, prior: EntropyRateProfile) -> None:
        """Before the first step."""


def as_begun(config: TrainConfig, begun: Mapping[str, Any], rate: float) -> TrainConfig:
    """The loop's settings, with what is not given as the run that is to go on has it.

    That is the learning rate, and the pace of one that was shorter.

    Args:
        begun: Its config.json; nothing where there is none.
        rate: The learning rate where neither tells one.
    """
    train = begun.get("train")
    known = train if isinstance(train, dict) else {}
    if config.lr is None:
        own = known.get("lr")
        config = replace(config, lr=own if isinstance(own, float) else rate)
    pace, steps = known.get("schedule_steps", 0), known.get("steps", config.steps)
    if config.schedule_steps or not isinstance(pace, int) or not isinstance(steps, int):
        return config
    if not pace and steps < config.steps:
        pace = steps
    return replace(config, schedule_steps=pace)


def words_of_length(config: TrainConfig, begun: Mapping[str, Any]) -> str:
    """What follows for a run that is asked for more steps than before; empty for any other."""
    train = begun.get("train")
    before = train.get("steps", config.steps) if isinstance(train, dict) else config.steps
    if not isinstance(before, int) or config.steps <= before:
        return ""
    words = f"{config.steps:,} steps in place of {before:,}: "
    if config.lr_schedule == "cosine":
        words += "the cosine of the learning rate is stretched to them, so it rises again where"
        words += " the run goes on; "
    return f"{words}schedules that learn keep the pace of {config.pace:,}"


def source_of(domain: Domain[Data, Options], command: TrainOptions) -> TrainedRun[Options] | None:
    """The run or model that --from names; None without one, and for a run that has checkpoints."""
    own = command.out / CHECKPOINTS
    if command.start is None or (not command.overwrite and checkpoint.steps(own)):
        return None
    source = Path(command.start)
    if source.resolve() == command.out.resolve():
        raise InputError(f"--from {source}: is --out itself; give another --out")
    return open_trained(domain, source, "cpu")


def begin_from(
    source: TrainedRun[Options], task: Task, schedule: Schedule, options: Options
) -> str:
    """Put the weights of `source` into a task's network, and its profile before the schedule.

    Returns:
        What was taken, in a few words.

    Raises:
        InputError: For a network that is another one.
    """
    _copy(source, task.denoiser, options)
    words = f"the averaged weights of {source.path}, step {source.step:,}"
    parts = (
        list(schedule.parts())
        if isinstance(schedule, Several)
        else [Part(PROFILE_FILE, schedule, task.dim)]
    )
    taken = [_lead(part, source) for part in parts]
    if not any(taken) and "imported" in source.settings:
        return f"{words}; it has no profile: import it with --data to start from one"
    return words + (", and its profile before any is measured" if any(taken) else "")


def _lead(part: Part, source: TrainedRun[Options]) -> bool:
    """Whether a schedule has taken the source's profile, of examples of the same size."""
    profile = profile_if_any(source.path, part.file, source.step)
    same = profile is not None and profile.dim in (None, part.dim)
    if profile is None or not same or not isinstance(part.schedule, TakesPrior):
        return False
    part.schedule.start_from(profile)
    return True


def _copy(source: TrainedRun[Options], denoiser: nn.Module, options: Options) -> None:
    theirs, ours = source.denoiser.state_dict(), denoiser.state_dict()
    for name in {**ours, **theirs}:
        shapes = [tuple(s[name].shape) if name in s else None for s in (theirs, ours)]
        if shapes[0] != shapes[1]:
            there, here = ("missing" if shape is None else f"{shape}" for shape in shapes)
            raise InputError(
                f"--from {source.path}: its network is another one ({name} is {there} there and"
                f" {here} here); give the same options for it{_differing(source, options)}"
            )
    denoiser.load_state_dict(theirs)


def _differing(source: TrainedRun[Options], options: Options) -> str:
    """The first options that are not as they were there."""
    theirs, ours = (dict(_leaves(settings_of(o))) for o in (source.options, options))
    found = [
        f"--{key.replace('_', '-')} {theirs.get(key)} there, {value} here"
        for key, value in ours.items()
        if value != theirs.get(key)
    ]
    return f": {', '.join(found[:_NAMED])}" if found else ""


def _leaves(tree: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        leaf
        for key, value in tree.items()
        for leaf in (_leaves(value) if isinstance(value, Mapping) else [(key, value)])
    ]
