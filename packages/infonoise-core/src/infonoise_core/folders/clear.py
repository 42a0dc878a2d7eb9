"""Deleting what a run of ours wrote, and nothing else."""

import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.files import is_temporary
from infonoise_core.folders.lock import LOCK_FILE
from infonoise_core.folders.marker import MARKER_FILE

# What runs and comparisons write, and what commands write beside them without --out.
_OWN = (
    MARKER_FILE, LOCK_FILE, "config.json", "config.yaml", "done.json", "metrics.jsonl",
    "profile*.json", "checkpoints", "samples", "tensorboard", "wandb", "wandb-id.txt",
    "updates.json", "results.json", "report.html", "runs", "evaluation*", "baselines.json",
    "groups*", "report*", "earlier",
)  # fmt: skip
# What a file system or its browser leaves in a folder that is as good as empty.
_NOTHING = (LOCK_FILE, "lost+found", ".DS_Store")


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but locks and what a killed process had just begun."""
    return all(is_temporary(path) or path.name in _NOTHING for path in folder.iterdir())


def strangers(folder: Path, assets: Sequence[str] = ()) -> list[str]:
    """Names of the entries of a folder that core writes into no run, less those of `assets`."""
    return [
        path.name
        for path in sorted(folder.iterdir())
        if path.name not in (*assets, *_NOTHING)
        and not is_temporary(path)
        and not any(fnmatch(path.name, pattern) for pattern in _OWN)
    ]


def foreign(folder: Path, marker: Mapping[str, Any]) -> str | None:
    """The first entry of a marked folder that no run wrote; None where there is none."""
    known = (*marker.get("assets", ()), marker.get("finished", ""))
    return next(iter(strangers(folder, known)), None)


def clear(folder: Path, marker: Mapping[str, Any]) -> None:
    """Delete what is in a marked folder, but for the lock.

    The folder itself stays, be it a link, a mount point or the current one.
    The marker goes last, so that what a kill leaves is still known to be ours.

    Raises:
        InputError: Before anything is deleted, where the folder holds what no run wrote.
    """
    stranger = foreign(folder, marker)
    if stranger is not None:
        raise InputError(
            f"{folder}: holds {stranger}, which no run wrote, so nothing there is deleted: move it"
            " elsewhere, or give another --out"
        )
    entries = [p for p in folder.iterdir() if p.name not in (MARKER_FILE, *_NOTHING)]
    for path in sorted(entries, key=lambda path: path.name != "config.json"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (folder / MARKER_FILE).unlink(missing_ok=True)
