"""Where checkpoints lie, and what they are called."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

FORMAT = "infonoise-checkpoint"
# Of one process, and of several.
VERSION, DIVIDED = 2, 3
TEMPORARY = ".writing-"
# As `path_of` writes it.
_STEP = re.compile(r"step-\d{8,18}")


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:08d}"


def steps(folder: Path) -> list[int]:
    """The steps of which there is a checkpoint, whole or damaged; newest first."""
    return [int(path.name.removeprefix("step-")) for path in newest_first(folder)]


def newest_first(folder: Path) -> list[Path]:
    """The folders that are named as checkpoints are; whatever else lies there is none."""
    found = [p for p in folder.glob("step-*") if _STEP.fullmatch(p.name) and p.is_dir()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")), reverse=True)


def remove(path: Path) -> None:
    """Delete a checkpoint; under another name first, so that a kill leaves no part of it behind."""
    doomed = path.with_name(f"{TEMPORARY}{path.name}")
    os.replace(path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest, in hex."""
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def flush(path: Path) -> None:
    """Bring a file, or what a folder says of its files, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
