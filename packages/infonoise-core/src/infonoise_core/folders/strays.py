"""Files that lie among data and are none: what systems leave behind, and our own runs."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from infonoise_core.folders.marker import MARKER_FILE

# Of macOS archives, Synology and QNAP disks, Windows drives and ext4 volumes. What begins with a
# dot (.git, .cache, ._cat.png of macOS) is hidden, and is none either.
_FOLDERS = frozenset({
    "__macosx", "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot",
    "$recycle.bin", "system volume information", "lost+found", "__pycache__",
})  # fmt: skip
_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
# What a folder of ours holds, each set in full: a marked one, an older run, a model or a profile.
_OURS = (
    frozenset({MARKER_FILE}),
    frozenset({"config.json", "metrics.jsonl"}),
    frozenset({"config.json", "config.yaml", "checkpoints"}),
    frozenset({"card.json", "model.safetensors"}),
    frozenset({"card.json", "profile.json"}),
)
_TELLING = frozenset().union(*_OURS)


def is_shown(path: str) -> bool:
    """Whether a path, with slashes, is neither hidden nor what a system has left behind."""
    # By hand: an object for each path takes longer than to read a small file. Archives may name
    # their files from a folder above; nothing is ever written there.
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    if any(part.startswith(".") or part.lower() in _FOLDERS for part in parts):
        return False
    return not parts or parts[-1].lower() not in _FILES


def own_folders(paths: Iterable[str]) -> frozenset[str]:
    """Of the files at `paths`, with slashes, the folders that are runs, models or profiles of ours.

    "." stands for the folder that the paths are relative to.
    """
    holds: dict[str, set[str]] = {}
    for path in paths:
        if not any(name in path for name in _TELLING):
            continue
        parts = PurePosixPath(path).parts
        for depth, part in enumerate(parts):
            if part in _TELLING:
                holds.setdefault("/".join(parts[:depth]) or ".", set()).add(part)
    return frozenset(f for f, names in holds.items() if any(ours <= names for ours in _OURS))


def without_ours(paths: Sequence[str]) -> list[int]:
    """Which of the files at `paths` lie in no folder of ours, as places in `paths`."""
    ours = own_folders(paths)
    if not ours:
        return list(range(len(paths)))
    return [i for i, path in enumerate(paths) if not _inside(path, ours)]


def _inside(path: str, ours: frozenset[str]) -> bool:
    parts = PurePosixPath(path).parts
    return any(("/".join(parts[:depth]) or ".") in ours for depth in range(len(parts)))
