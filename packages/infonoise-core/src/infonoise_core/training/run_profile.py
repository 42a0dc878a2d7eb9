"""The profile that a run has measured, as it was when its weights were saved."""

import sys
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS, PROFILE_FILE
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training import checkpoint

# Name of a profile's file -> its values, in the manifest of a checkpoint.
PROFILES = "profiles"


def profile_of(run: Path, step: int | None = None) -> EntropyRateProfile:
    """The profile a run has measured, or one that was saved by itself; see `profile_if_any`."""
    if not run.is_dir():
        return EntropyRateProfile.load(run)
    found = profile_if_any(run, step=step)
    if found is None:
        raise InputError(
            f"{run}: no profile here; one is measured while a model with noise levels trains: train"
            " it again"
        )
    return found


def profile_if_any(
    run: Path, name: str = PROFILE_FILE, step: int | None = None
) -> EntropyRateProfile | None:
    """The profile in a run's folder; None where it has measured none.

    Grids are made of it, so it must be the one that was saved with the weights: where the file
    there is another one, or damaged, the checkpoint's own copy is taken, with a warning.

    Args:
        run: The folder.
        name: The profile's file.
        step: Of the checkpoint that the weights are from; the newest whole one by default.
    """
    path = run / name
    older = step is not None and step < max(checkpoint.steps(run / CHECKPOINTS), default=0)
    own = _with_weights(run, name, step)
    if own is None:
        return EntropyRateProfile.load(path) if path.exists() else None
    try:
        if EntropyRateProfile.load(path).to_dict() == own.to_dict():
            return own
        reason = "is not the one that was saved with the weights"
    except InputError:
        reason = "is missing or damaged"
    if older:  # the file is of the newest
        return own
    print(f"warning: {path} {reason}; the copy in the checkpoint is taken", file=sys.stderr)
    return own


def _with_weights(run: Path, name: str, step: int | None) -> EntropyRateProfile | None:
    """The profile in the manifest of a checkpoint; None in those of the first releases."""
    folder = run / CHECKPOINTS
    for there in checkpoint.steps(folder):
        path = checkpoint.path_of(folder, there)
        if step is not None and there != step:
            continue
        try:
            manifest = checkpoint.check(path) if step is None else checkpoint.read_manifest(path)
            table = manifest.get(PROFILES, {}).get(name)
            return None if table is None else EntropyRateProfile.from_dict(table)
        except (checkpoint.DamagedCheckpoint, InputError, AttributeError):
            continue
    return None
