"""Runs that are asked for more steps than they were begun with, done or not.

config.json says what was asked for last. What it said before stays under `earlier`, since the
checkpoints from before were signed with it: it differs in how long the run is and in nothing else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.files import read_json, write_bytes, write_json
from infonoise_core.folders.names import CONFIG_FILE, EARLIER
from infonoise_core.reading import sha256_of

# Of the loop's settings, those that say where a run ends and for which length it is paced; and the
# name that the first releases gave to steps.
_LENGTH, _FORMERLY = ("steps", "schedule_steps", "target"), "updates"
_FIX = "bring back a copy, or train again with another --out"


def is_longer(known: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a run is asked for more than before: further steps, or another target.

    Args:
        known: Its config.json.
        settings: What it would be today.
    """
    old, new = _loop(known), _loop(settings)
    before, now = old.get("steps"), new.get("steps")
    if not isinstance(before, int) or not isinstance(now, int):
        return False
    other_target = "target" in old and old["target"] != new.get("target")
    return now > before or (now == before and other_target)


def with_length(known: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings with the length of others."""
    length = {key: value for key, value in _loop(settings).items() if key in _LENGTH}
    return {**known, "train": {**_loop(known), **length}}


def lengthen(run: Path, settings: Mapping[str, Any], finished: str) -> None:
    """Let config.json say the length of `settings`, and a run that was done be so no more.

    A kill at any point leaves a run that the same command lengthens.
    """
    known = read_json(run / CONFIG_FILE, _FIX)
    content = (run / CONFIG_FILE).read_bytes()
    write_bytes(run / EARLIER / f"config-{sha256_of(run / CONFIG_FILE)[:12]}.json", content)
    (run / finished).unlink(missing_ok=True)
    train = with_length(known, settings)["train"]
    train.pop(_FORMERLY, None)
    write_json(run / CONFIG_FILE, {**known, "train": train})


def was(run: Path, expected: str) -> bool:
    """Whether config.json had this SHA-256 before the run was lengthened, and no more changed."""
    try:
        now = read_json(run / CONFIG_FILE, _FIX)
        return any(
            sha256_of(path) == expected and _but_length(read_json(path, _FIX)) == _but_length(now)
            for path in sorted((run / EARLIER).glob("config-*.json"))
        )
    except (InputError, OSError):
        return False


def _but_length(settings: Mapping[str, Any]) -> dict[str, Any]:
    left = {k: v for k, v in _loop(settings).items() if k not in (*_LENGTH, _FORMERLY)}
    return {**settings, "train": left}


def _loop(settings: Mapping[str, Any]) -> dict[str, Any]:
    train = settings.get("train")
    return dict(train) if isinstance(train, Mapping) else {}
