"""Checkpoints: exact round trip, damage found, nothing half-written, no pickles."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.training import checkpoint

STATE: dict[str, Any] = {
    "weights": {"a.b": torch.arange(6.0).reshape(2, 3), "shared": torch.ones(2)},
    "optimizer": {0: {"step": torch.tensor(3.0), "betas": (0.9, 0.99)}, 1: {"step": None}},
    "list": [1, 2.5, "x", True, torch.tensor([1, 2]), float("inf")],
    "empty": {},
}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def test_round_trip(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 7, {"state": STATE}, {"note": "x"})
    manifest, parts = checkpoint.load(path)
    assert same(parts["state"], STATE)
    assert (manifest["step"], manifest["note"]) == (7, "x")
    assert {p.suffix for p in path.iterdir()} == {".safetensors", ".json"}


def test_tensors_that_share_memory_come_back_whole(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    path = checkpoint.save(tmp_path, 1, {"state": {"a": shared, "b": shared[1:3]}}, {})
    parts = checkpoint.load(path)[1]
    assert torch.equal(parts["state"]["b"], shared[1:3])


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 5, 30, 200):
        checkpoint.save(tmp_path, step, {"state": STATE}, {}, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000030", "step-00000200"]


@pytest.mark.parametrize("damage", ["truncate", "flip", "missing", "manifest", "version"])
def test_damage_falls_back_to_the_one_before(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(tmp_path, 1, {"state": STATE}, {})
    path = checkpoint.save(tmp_path, 2, {"state": STATE}, {})
    file, manifest = path / "state.safetensors", path / "manifest.json"
    match damage:
        case "truncate":
            file.write_bytes(file.read_bytes()[:-4])
        case "flip":
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(bytes(content))
        case "missing":
            file.unlink()
        case "manifest":
            manifest.write_text(manifest.read_text()[:50])
        case "version":
            manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 9}))
    with pytest.raises(checkpoint.DamagedCheckpoint):
        checkpoint.load(path)
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    assert found[0]["step"] == 1
    assert "step-00000002 is damaged" in capsys.readouterr().err


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, 1, {"state": STATE}, {})
    with pytest.raises(TypeError, match="object at /bad"):
        checkpoint.save(tmp_path, 2, {"state": STATE, "other": {"bad": object()}}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_nothing_saved_yet(tmp_path: Path) -> None:
    assert checkpoint.load_latest(tmp_path / "none") is None
