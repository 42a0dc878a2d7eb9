"""The folder a run lives in: what it holds, whether it may be used, and how it is read again."""

import shutil
from pathlib import Path
from typing import Any

from infonoise_core.config.renamed import upgraded
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.files import is_temporary, read_json, write_json
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.config import TrainConfig

CONFIG_FILE, DONE_FILE, METRICS_FILE = "config.json", "done.json", "metrics.jsonl"
PROFILE_FILE, CHECKPOINTS = "profile.json", "checkpoints"
# Where a run lies and what runs it: it may go on elsewhere and with other processes.
_CHANGEABLE = ("out", "overwrite", "engine")


def check_run(
    out: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
    finished: str,
    kind: type | None = None,
) -> bool:
    """Whether `out` holds a run to go on with; InputError if `open_run` would refuse the folder.

    Touches nothing, so that a mistake found after it costs no earlier run. Arguments as in
    `open_run`.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder as --out")
    if not out.is_dir() or _is_empty(out):
        return False
    if not (out / CONFIG_FILE).is_file():
        # Only a folder that one of our runs made is ever deleted, so --overwrite is no way out.
        raise InputError(f"{out} is not empty and holds no run: empty it or give another --out")
    if overwrite:
        return False
    if (out / finished).exists():
        raise InputError(f"{out} holds a finished run: give another --out or --overwrite")
    known = read_run(out) if kind is None else upgraded(read_run(out), kind)
    difference = _difference(known, settings)
    if difference:
        raise InputError(
            f"{out} holds a run with other settings ({difference}): give another --out or"
            " --overwrite"
        )
    return True


def open_run(
    out: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
    finished: str,
    kind: type | None = None,
) -> bool:
    """Make `out` the folder of a run with these settings; True if there is one to go on with.

    A run that was cut short goes on when the settings are the same. Anything else that is already
    there stays untouched unless `overwrite` is set.

    Args:
        out: The folder.
        settings: What must be the same.
        overwrite: Whether a run that is there may be replaced.
        finished: The file whose presence means a complete run.
        kind: Dataclass of the settings: those that an older version wrote are read under the
            names that its fields have now.
    """
    going_on = check_run(out, settings, overwrite=overwrite, finished=finished, kind=kind)
    if not going_on:
        if out.is_dir():
            shutil.rmtree(out)
        write_json(out / CONFIG_FILE, settings)
    return going_on


def read_run(run: Path) -> dict[str, Any]:
    """The settings of a run; InputError when the folder holds none."""
    config = run / CONFIG_FILE
    if not config.is_file():
        raise InputError(
            f"{run}: no run here ({CONFIG_FILE} is missing); give the --out of a train command"
        )
    settings = read_json(config, "train again with --overwrite")
    if isinstance(settings.get("train"), dict):
        settings["train"] = upgraded(settings["train"], TrainConfig)
    return settings


def _is_empty(out: Path) -> bool:
    """Whether there is nothing in it but what a killed process was just beginning to write."""
    return all(is_temporary(path) for path in out.iterdir())


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    keys = [k for k in {**old, **new} if old.get(k) != new.get(k)]
    for key in keys:
        if not isinstance(old.get(key), dict) or not isinstance(new.get(key), dict):
            return f"{_option(key)} was {old.get(key)} and is {new.get(key)}"
        # None where there was nothing makes no difference.
        if found := _difference(old[key], new[key]):
            return found
    return ""


def _option(name: str) -> str:
    return name.replace("_", "-")


def run_settings(command: str, config: Any, **data: Any) -> dict[str, Any]:
    """A command's options as they stand in a run's config.json, and a description of its data."""
    settings = {"command": command, **settings_of(config), **data}
    return {k: v for k, v in settings.items() if k not in _CHANGEABLE}


def read_run_of(command: str, run: Path) -> dict[str, Any]:
    """The settings of a run; InputError unless `command` made it."""
    settings = read_run(run)
    if settings.get("command") != command:
        raise InputError(f"{run}: not made by {command}; give the --out of a train command")
    return settings


def profile_of(run: Path) -> EntropyRateProfile:
    """The profile a run has measured, or one that was saved by itself."""
    if run.is_dir() and not (run / PROFILE_FILE).exists():
        raise InputError(
            f"{run}: no profile here; one is measured while a model with noise levels trains: train"
            " it again"
        )
    return EntropyRateProfile.load(run / PROFILE_FILE if run.is_dir() else run)


def profile_if_any(run: Path) -> EntropyRateProfile | None:
    """The profile in a run's folder; None where it has measured none."""
    return profile_of(run) if (run / PROFILE_FILE).exists() else None
