"""What interprets a run's weights, signed in the manifest of every checkpoint.

A changed digit in config.json, a tokenizer or the codes of another run give other samples from the
same weights, and nothing in them says so. So a manifest holds the SHA-256 of each such file, and
whoever opens the checkpoint compares. Runs from before there were signatures open without.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.folders.marker import marker_of
from infonoise_core.reading import sha256_of
from infonoise_core.training import checkpoint
from infonoise_core.training.record.lengthened import was

SIGNED = "signed"
_CONFIG_FILE, _CHECKPOINTS = "config.json", "checkpoints"


def signatures(run: Path) -> dict[str, str]:
    """Name -> SHA-256 of config.json and of each file of the assets that the run was begun with."""
    marker = marker_of(run) or {}
    names = [_CONFIG_FILE, *(n for n in marker.get("assets", ()) if isinstance(n, str))]
    found: dict[str, str] = {}
    for name in names:
        place = run / name
        inside = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in inside:
            if path.is_file():
                found[path.relative_to(run).as_posix()] = sha256_of(path)
    return found


def changed(run: Path, manifest: Mapping[str, Any]) -> str | None:
    """The first file that is not as the manifest of a checkpoint says; None where all are."""
    signed = manifest.get(SIGNED)
    if not isinstance(signed, dict):
        return None
    for name, expected in signed.items():
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
            return str(name)
        path = run / name
        if not path.is_file():
            return str(name)
        as_saved = sha256_of(path) == expected
        if not as_saved and not (name == _CONFIG_FILE and was(run, str(expected))):
            return str(name)
    return None


def check_as_saved(run: Path) -> None:
    """InputError where no checkpoint of a run is of the files that lie beside it.

    To be called before any of them is believed; a run without checkpoints passes.
    """
    folder, other = run / _CHECKPOINTS, None
    for step in checkpoint.steps(folder):
        try:
            manifest = checkpoint.read_manifest(checkpoint.path_of(folder, step))
        except checkpoint.DamagedCheckpoint:
            continue
        name = changed(run, manifest)
        if name is None:
            return
        other = other or name
    if other is not None:
        raise InputError(
            f"{run / other}: is not what the checkpoints of this run were saved with (its sha256"
            " differs); bring back that file, or the run's own checkpoints"
        )


def check_signed(run: Path, manifest: Mapping[str, Any]) -> None:
    """DamagedCheckpoint where a checkpoint is not of the files that lie beside it."""
    name = changed(run, manifest)
    if name is not None:
        raise checkpoint.DamagedCheckpoint(
            f"{name} is not what it was saved with, its sha256 differs"
        )
