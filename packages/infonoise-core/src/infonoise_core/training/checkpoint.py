"""Checkpoints: safetensors and a JSON manifest with checksums, written whole or not, no pickles.

A checkpoint is a folder `step-00001000` with one `<part>.safetensors` per part (model, ema, state,
...) and `manifest.json`, which holds every value that is no tensor. It is written under a temporary
name, flushed to disk and renamed, so a folder of the final name is whole; checksums find later
damage.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.reading import check_regular, read_any_json, sha256_of

FORMAT = "infonoise-checkpoint"
VERSION = 2
_TEMPORARY = ".writing-"
_TENSOR, _PAIRS, _TUPLE = "$tensor", "$pairs", "$tuple"


# As `path_of` writes it; and a file of a part.
_STEP, _NAME = re.compile(r"step-\d{8,18}"), re.compile(r"\w[\w.-]*\.safetensors")
# It holds the tree of every part; the trees' numbers are in the parts' files.
_MANIFEST_BYTES = 256 << 20

T = TypeVar("T")
Manifest = Mapping[str, Any]


class DamagedCheckpoint(Exception):
    """A checkpoint that cannot be trusted; the message says why."""


def save(
    folder: Path,
    step: int,
    parts: Mapping[str, Any],
    info: Mapping[str, Any],
    keep: int = 2,
    best: int | None = None,
) -> Path:
    """Write `folder/step-<step>` and drop older checkpoints.

    The `keep` newest stay, and that of step `best`. One process at a time may write into a folder.

    Args:
        parts: Name -> tree of dicts, lists, tensors and plain values.
        info: Plain values for the manifest.  OSError when the disk is full; what was there
            before is untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = path_of(folder, step)
    for left_over in folder.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = folder / f"{_TEMPORARY}{step:08d}"
    temporary.mkdir()
    try:
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "step": step,
            **info,
            "parts": {},
            "files": {},
        }
        for name, tree in parts.items():
            tensors: dict[str, Tensor] = {}
            manifest["parts"][name] = _flatten(tree, "", tensors)
            path = temporary / f"{name}.safetensors"
            _write(tensors, path)
            manifest["files"][path.name] = sha256_of(path)
            _flush(path)
        path = temporary / "manifest.json"
        path.write_text(json.dumps({"checksum": _digest(manifest), **manifest}, indent=1))
        _flush(path)
        _flush(temporary)
        if final.exists():
            _remove(final)
        os.replace(temporary, final)
        _flush(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in _newest_first(folder)[keep:]:
        if best is None or old != path_of(folder, best):
            _remove(old)
    return final


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:08d}"


def steps(folder: Path) -> list[int]:
    """The steps of which there is a checkpoint, whole or damaged; newest first."""
    return [int(path.name.removeprefix("step-")) for path in _newest_first(folder)]


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
        if manifest["format"] != FORMAT or manifest["version"] != VERSION:
            raise DamagedCheckpoint(
                f"format version {manifest['version']}, this program reads {VERSION}"
            )
        if checksum != _digest(manifest):
            raise DamagedCheckpoint("manifest.json does not match its checksum")
        if not all(isinstance(manifest[key], dict) for key in ("parts", "files")):
            raise DamagedCheckpoint("its parts or files are no table")
        if path_of(path.parent, int(manifest["step"])).name != path.name:
            raise DamagedCheckpoint(f"it is of step {manifest['step']}")
        if set(manifest["files"]) != {f"{name}.safetensors" for name in manifest["parts"]}:
            raise DamagedCheckpoint("its files are not those of its parts")
        if not all(map(_NAME.fullmatch, manifest["files"])):
            raise DamagedCheckpoint("its files have names that are not plain")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from None
    return manifest


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(manifest, parts) of one checkpoint folder; DamagedCheckpoint when anything in it is off."""
    manifest = check(path)
    # Not before weights are read: manifests alone are read without the library.
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        parts = {
            name: _unflatten(tree, load_file(path / f"{name}.safetensors"))
            for name, tree in manifest["parts"].items()
        }
    except (OSError, KeyError, TypeError, ValueError, RecursionError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from None
    return manifest, parts


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
        use: Called with its manifest and parts; raises DamagedCheckpoint where they do not fit.
    """

    def used(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        manifest, parts = load(path)
        if use is not None:
            use(manifest, parts)
        return manifest, parts

    return _first(folder, used)


def _first(folder: Path, take: Callable[[Path], T]) -> T | None:
    """What `take` makes of the newest checkpoint that it takes."""
    damages: list[str] = []
    for path in _newest_first(folder):
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


def _newest_first(folder: Path) -> list[Path]:
    """The folders that are named as checkpoints are; whatever else lies there is none."""
    found = [p for p in folder.glob("step-*") if _STEP.fullmatch(p.name) and p.is_dir()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")), reverse=True)


def _remove(path: Path) -> None:
    """Delete a checkpoint; under another name first, so that a kill leaves no part of it behind."""
    doomed = path.with_name(f"{_TEMPORARY}{path.name}")
    os.replace(path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path)
    except SafetensorError as error:
        full = f"os error {errno.ENOSPC}" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from None


def _flatten(tree: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a tree into `tensors`; what is left is JSON."""
    match tree:
        case Tensor():
            # A clone: safetensors refuses tensors that share memory.
            tensors[path] = tree.detach().to("cpu", copy=True).contiguous()
            return {_TENSOR: path}
        case Mapping():
            pairs = [(k, _flatten(v, f"{path}/{k}", tensors)) for k, v in tree.items()]
            if all(isinstance(k, str) for k in tree):
                return dict(pairs)
            return {_PAIRS: [list(pair) for pair in pairs]}
        case tuple():
            return {_TUPLE: [_flatten(v, f"{path}/{i}", tensors) for i, v in enumerate(tree)]}
        case list():
            return [_flatten(v, f"{path}/{i}", tensors) for i, v in enumerate(tree)]
        case None | bool() | int() | float() | str():
            return tree
        case _:
            raise TypeError(
                f"a checkpoint holds tensors and plain values, not {type(tree).__name__} at {path}"
            )


def _unflatten(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    match tree:
        case {"$tensor": path}:
            return tensors[path]
        case {"$pairs": pairs}:
            return {k: _unflatten(v, tensors) for k, v in pairs}
        case {"$tuple": values}:
            return tuple(_unflatten(v, tensors) for v in values)
        case dict():
            return {k: _unflatten(v, tensors) for k, v in tree.items()}
        case list():
            return [_unflatten(v, tensors) for v in tree]
        case _:
            return tree


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
