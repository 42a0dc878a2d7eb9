"""The folder a run lives in: what it holds, whether it may be used, and how it is read again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infonoise_core.config.renamed import completed, upgraded
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.files import read_json, write_json
from infonoise_core.folders.clear import clear, foreign, is_empty, strangers
from infonoise_core.folders.lock import forget
from infonoise_core.folders.marker import MARKER_FILE, mark, marker_of
from infonoise_core.folders.names import CONFIG_FILE
from infonoise_core.training.artifact import is_artefact, read_card, verify
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.record.lengthened import is_longer, lengthen, with_length
from infonoise_core.training.record.signature import check_as_saved

# Where a run lies and what runs it: it may go on elsewhere and with other processes.
_CHANGEABLE = ("out", "overwrite", "engine")
AsToday = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def check_run(
    out: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
    finished: str,
    kind: type | None = None,
    today: AsToday | None = None,
) -> bool:
    """Whether `out` holds a run to go on with; InputError if `open_run` would refuse the folder.

    Touches nothing, so that a mistake found after it costs no earlier run. Arguments as in
    `open_run`.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder as --out")
    if not out.is_dir() or is_empty(out):
        return False
    marker, replace = marker_of(out), " or --overwrite"
    if marker is None:
        replace = ""
        _check_older(out, overwrite=overwrite)
    elif overwrite:
        _check_all_ours(out, marker)
        return False
    elif not (out / CONFIG_FILE).is_file():
        _check_all_ours(out, marker)  # what a kill has left of a beginning, or of a deletion
        return False
    longer = _is_unfinished(out, settings, finished, replace)
    known = read_run(out)
    if kind is not None:
        if today is not None and known.get("command") == settings.get("command"):
            known = dict(today(known))
        known = completed(upgraded(known, kind), settings, kind)
    difference = _difference(_of_today(known, settings, longer), settings)
    if difference:
        raise InputError(
            f"{out} holds a run with other settings ({difference}): give another --out{replace}"
        )
    return True


def _is_unfinished(out: Path, settings: Mapping[str, Any], finished: str, replace: str) -> bool:
    """Whether a run is asked for more than it was begun with; InputError where nothing is left."""
    if is_artefact(out):
        raise InputError(
            f"{out} holds a finished run as it is shared, without its optimizer: give another"
            f" --out, and --from {out} to begin with its weights"
        )
    longer = is_longer(read_run(out), settings)
    if (out / finished).exists() and not longer:
        forget(out)  # of a process that was killed when all but its end was done
        raise InputError(
            f"{out} holds a finished run: give more --steps to train it further, or another"
            f" --out{replace}"
        )
    return longer


def _of_today(known: dict[str, Any], settings: Mapping[str, Any], longer: bool) -> dict[str, Any]:
    """With the loop's settings that came since; of a run that is lengthened, its new length."""
    own, today = known.get("train"), settings.get("train")
    if isinstance(own, dict) and isinstance(today, dict):
        known = {**known, "train": completed(own, today, TrainConfig)}
    return with_length(known, settings) if longer else known


def _check_older(out: Path, *, overwrite: bool) -> None:
    """InputError unless a folder without a marker is a run of the first releases, to go on with."""
    try:
        command = read_json(out / CONFIG_FILE, "").get("command")
    except InputError:
        command = None
    if not isinstance(command, str):
        raise InputError(f"{out} is not empty and holds no run of infonoise: give another --out")
    if overwrite:
        raise InputError(
            f"{out} has no {MARKER_FILE}, by which a run of ours is known, so it is not replaced:"
            " give another --out, or delete it yourself if it is a run of an older release"
        )


def _check_all_ours(out: Path, marker: dict[str, Any]) -> None:
    stranger = foreign(out, marker)
    if stranger is not None:
        raise InputError(
            f"{out} holds {stranger}, which no run wrote, so it is not replaced: move it elsewhere,"
            " or give another --out"
        )


def open_run(
    out: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
    finished: str,
    kind: type | None = None,
    today: AsToday | None = None,
) -> bool:
    """Make `out` the folder of a run with these settings; True if there is one to go on with.

    A run that was cut short goes on when the settings are the same, and any run when all that
    differs is that more is asked for. Anything else that is already there stays untouched unless
    `overwrite` is set.

    Args:
        out: The folder.
        settings: What must be the same.
        overwrite: Whether a run that is there may be replaced.
        finished: The file whose presence means a complete run.
        kind: Dataclass of the settings: those that an older version wrote are read under the
            names that its fields have now, and fields that came since had their defaults.
    """
    going_on = check_run(
        out, settings, overwrite=overwrite, finished=finished, kind=kind, today=today
    )
    if not going_on:
        out.mkdir(parents=True, exist_ok=True)
        marker = marker_of(out)
        if marker is not None:
            clear(out, marker)
        mark(out, "run", command=settings.get("command"), finished=finished)
        write_json(out / CONFIG_FILE, settings)
    elif is_longer(read_run(out), settings):
        lengthen(out, settings, finished)
    return going_on


def note_assets(out: Path) -> None:
    """Note in the marker of a run that has just begun what was written beside config.json.

    It interprets the weights, and goes when the run goes.
    """
    marker = marker_of(out)
    assets = strangers(out)
    if marker is not None and assets != marker.get("assets", []):
        more = {k: v for k, v in marker.items() if k not in ("format", "version", "kind")}
        mark(out, marker["kind"], **{**more, "assets": assets})


def read_run(run: Path) -> dict[str, Any]:
    """The settings of a run; InputError when the folder holds none."""
    config = run / CONFIG_FILE
    if not config.is_file():
        raise InputError(
            f"{run}: no run here ({CONFIG_FILE} is missing); give the --out of a train command"
        )
    settings = read_json(config, "bring back a copy, or train again with another --out")
    if isinstance(settings.get("train"), dict):
        settings["train"] = upgraded(settings["train"], TrainConfig)
    return settings


def begun_run(out: Path) -> dict[str, Any]:
    """The settings of the run that is in `out`, done or not; nothing where there is none."""
    return read_run(out) if (out / CONFIG_FILE).is_file() else {}


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
    """The settings of a run; InputError unless `command` made it, and they are what was saved."""
    settings = read_run(run)
    if is_artefact(run):
        verify(run, read_card(run))
    else:
        check_as_saved(run)
    if (made := settings.get("command")) != command:
        other = f", but by {made}" if made else ""
        verb = command.rpartition(" ")[2]
        a = "an" if verb[0] in "aeiou" else "a"
        raise InputError(
            f"{run}: not made by {command}{other}; give the --out of {a} {verb} command"
        )
    return settings


class Place:
    """A run's folder as it was when the run began or went on, to notice that it is gone."""

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._out, self._identity = out, _identity(out)
        self._config = (out / CONFIG_FILE).is_file()

    def check(self) -> None:
        """InputError where the folder was deleted, moved or replaced."""
        gone = _identity(self._out) != self._identity
        if gone or (self._config and not (self._out / CONFIG_FILE).is_file()):
            raise InputError(
                f"{self._out}: the run's folder was deleted or moved while it trains, so there is"
                " nowhere to save to; bring it back and give the same command again"
            )


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        about = folder.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino
