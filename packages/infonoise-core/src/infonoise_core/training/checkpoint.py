"""Checkpoints: safetensors beside a JSON manifest with checksums, written all or nothing, no
pickles.

A checkpoint is a folder `step-00001000` with one `<part>.safetensors` per part (model, ema, state,
...) and `manifest.json`, which holds every value that is no tensor. It is written under a temporary
name, flushed to disk and renamed, so a folder of the final name is whole; checksums find later
damage.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

FORMAT = "infonoise-checkpoint"
VERSION = 1
_TENSOR, _PAIRS, _TUPLE = "$tensor", "$pairs", "$tuple"


class DamagedCheckpoint(Exception):
    """A checkpoint that cannot be trusted; the message says why."""


def save(
    folder: Path, step: int, parts: Mapping[str, Any], info: Mapping[str, Any], keep: int = 2
) -> Path:
    """Write `folder/step-<step>` and drop all but the `keep` newest checkpoints.

    parts: name -> tree of dicts, lists, tensors and plain values.  info: plain values for the
    manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step-{step:08d}"
    temporary = folder / f".writing-{step:08d}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
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
            save_file(tensors, path)
            manifest["files"][path.name] = _checksum(path)
            _flush(path)
        path = temporary / "manifest.json"
        path.write_text(json.dumps(manifest, indent=1))
        _flush(path)
        if final.exists():
            shutil.rmtree(final)
        os.replace(temporary, final)
        _flush(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for old in _newest_first(folder)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(manifest, parts) of one checkpoint folder; DamagedCheckpoint when anything in it is off."""
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        if manifest["format"] != FORMAT or manifest["version"] != VERSION:
            raise DamagedCheckpoint(
                f"format version {manifest['version']}, this program reads {VERSION}"
            )
        for name, checksum in manifest["files"].items():
            if _checksum(path / name) != checksum:
                raise DamagedCheckpoint(f"{name} does not match its checksum")
        parts = {
            name: _unflatten(tree, load_file(path / f"{name}.safetensors"))
            for name, tree in manifest["parts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{type(error).__name__}: {error}") from None
    return manifest, parts


def load_latest(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The newest checkpoint that is whole, or None; damaged ones are passed over with a warning."""
    for path in _newest_first(folder):
        try:
            return load(path)
        except DamagedCheckpoint as damage:
            print(f"warning: {path} is damaged ({damage}); trying the one before", file=sys.stderr)
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True)


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


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
