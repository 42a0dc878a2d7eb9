"""Profiles by the names of files and folders, as the verbs of `infonoise` take them."""

from collections.abc import Sequence
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.profiles.profile import EntropyRateProfile


def load_profiles(files: Sequence[Path]) -> dict[str, EntropyRateProfile]:
    """Profiles by a name that tells them apart."""
    if not files:
        raise InputError("no profile given: name one or more files")
    names = [
        path.name if path.is_dir() or path.name != PROFILE_FILE else path.parent.name
        for path in files
    ]
    if len(set(names)) < len(names) or not all(names):
        names = [str(path) for path in files]
    return {name: load_profile(path) for name, path in zip(names, files, strict=True)}


def load_profile(path: Path) -> EntropyRateProfile:
    """The profile in a file, or in the folder of a run."""
    try:
        return EntropyRateProfile.load(path / PROFILE_FILE if path.is_dir() else path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
