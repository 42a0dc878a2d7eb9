"""Checkpoints: safetensors and a JSON manifest with checksums, written whole or not, no pickles.

A checkpoint is a folder `step-00001000` with `<part>.safetensors` for each part (model, ema,
state, ...) and `manifest.json`, which holds every value that is no tensor. Of several processes
each writes files of its own, `<part>-00001-of-00002.safetensors`, and
`<part>.safetensors.index.json` says which tensor is where. It is written under a temporary name,
flushed to disk and renamed, so a folder of the final name is whole; checksums find later damage.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from infonoise_core.errors import InputError
from infonoise_core.reading import check_regular, read_any_json, sha256_of
from infonoise_core.training.saving.names import (
    DIVIDED,
    FORMAT,
    VERSION,
    digest,
    newest_first,
    path_of,
    steps,
)
from infonoise_core.training.saving.tensors import Tensors
from infonoise_core.training.saving.tree import Lazy, unflatten
from infonoise_core.training.saving.writing import save

__all__ = ["digest", "path_of", "save", "steps"]

# A file of a part.
_NAME = re.compile(r"(\w[\w.]*?)(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?")
# It holds the tree of every part; the trees' numbers are in the parts' files.
_MANIFEST_BYTES = 256 << 20

T = TypeVar("T")
Manifest = Mapping[str, Any]


class DamagedCheckpoint(Exception):
    """A checkpoint that cannot be trusted; the message says why."""


def check(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint whose files match their checksums; else DamagedCheckpoint."""
    manifest = read_manifest(path)
    try:
        for name, checksum in manifest["files"].items():
            check_regular(path / name)
            if sha256_of(path / name) != checksum:
                raise DamagedCheckpoint(f"{name} does not match its checksum")
    except (OSError, InputError) as error:
        raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from None
    return manifest


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, as it was written; else DamagedCheckpoint."""
    try:
        manifest: dict[str, Any] = read_any_json(path / "manifest.json", _MANIFEST_BYTES)
        checksum = manifest.pop("checksum")
        if manifest["format"] != FORMAT or manifest["version"] not in (VERSION, DIVIDED):
            raise DamagedCheckpoint(
                f"format version {manifest['version']}, this program reads {VERSION}"
            )
        if checksum != digest(manifest):
            raise DamagedCheckpoint("manifest.json does not match its checksum")
        if not all(isinstance(manifest[key], dict) for key in ("parts", "files")):
            raise DamagedCheckpoint("its parts or files are no table")
        if path_of(path.parent, int(manifest["step"])).name != path.name:
            raise DamagedCheckpoint(f"it is of step {manifest['step']}")
        named = [_NAME.fullmatch(name) for name in manifest["files"]]
        if {name[1] for name in named if name} != set(manifest["parts"]) or None in named:
            raise DamagedCheckpoint("its files are not those of its parts")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from None
    return manifest


def files_of(path: Path, manifest: Manifest, part: str) -> list[Path]:
    """The files that hold the tensors of a part."""
    names = ((name, _NAME.fullmatch(name)) for name in manifest["files"])
    return [path / name for name, found in names if found and found[1] == part and not found[3]]


def part_files(path: Path, part: str) -> list[Path]:
    """The same without the manifest: what lies there, of one process or several."""
    return sorted([*path.glob(f"{part}.safetensors"), *path.glob(f"{part}-*-of-*.safetensors")])


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(manifest, parts) of one checkpoint folder; DamagedCheckpoint when anything in it is off."""
    manifest = check(path)
    with _damage():
        parts = {
            name: unflatten(tree, Tensors(files_of(path, manifest, name)))
            for name, tree in manifest["parts"].items()
        }
    return manifest, parts


def opened(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """As `load`, of a checkpoint that was checked; tensors are read when they are asked for.

    But for those in lists.
    """
    manifest = read_manifest(path)
    with _damage():
        parts = {
            name: Lazy(tree, Tensors(files_of(path, manifest, name)))
            for name, tree in manifest["parts"].items()
        }
    return manifest, parts


@contextmanager
def _damage() -> Iterator[None]:
    """Turns what reading may raise into a DamagedCheckpoint."""
    from safetensors import SafetensorError

    try:
        yield
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError, RecursionError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from None


def newest(folder: Path, fits: Callable[[Manifest], None] | None = None) -> int | None:
    """The step of the newest checkpoint that is whole; None when there is none at all.

    Args:
        folder: Of the checkpoints; damaged ones are passed over with a warning.
        fits: Raises DamagedCheckpoint where a whole one is not of this run.

    Raises:
        InputError: When none can be used.
    """

    def checked(path: Path) -> int:
        manifest = check(path)
        if fits is not None:
            fits(manifest)
        return int(manifest["step"])

    return _first(folder, checked)


def load_latest(
    folder: Path, use: Callable[[Manifest, dict[str, Any]], None] | None = None
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The newest checkpoint that can be used, or None where there is none; see `newest`.

    Args:
        folder: Of the checkpoints.
        use: Called with its manifest and parts, see `opened`; raises DamagedCheckpoint where they
            do not fit.
    """

    def used(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        check(path)
        manifest, parts = opened(path)
        with _damage():
            if use is not None:
                use(manifest, parts)
        return manifest, parts

    return _first(folder, used)


def _first(folder: Path, take: Callable[[Path], T]) -> T | None:
    """What `take` makes of the newest checkpoint that it takes."""
    damages: list[str] = []
    for path in newest_first(folder):
        try:
            found = take(path)
        except DamagedCheckpoint as damage:
            damages.append(f"{path} is damaged ({damage})")
        else:
            for words in damages:
                print(f"warning: {words}; trying the one before", file=sys.stderr)
            return found
    if damages:
        raise InputError(
            f"{folder}: no checkpoint there is whole and of this run: {damages[0]}; bring back a"
            " copy, or train again with another --out"
        )
    return None
