"""A checkpoint is used with the files it was saved with, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.training import checkpoint
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.loop import train
from infonoise_core.training.record.metrics import read_lines
from infonoise_core.training.record.weights import load_denoiser
from infonoise_core.training.run_folder import note_assets, open_run, read_run_of
from infonoise_core.training.run_profile import profile_if_any

from ..training_run import Corners, schedule

SETTINGS = {"command": "x train", "seed": 0}
STEPS = 20


def denoiser() -> nn.Module:
    return Corners().denoiser


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "run"
    begin(out)
    run(out)
    return out


def begin(out: Path, **more: Any) -> None:
    open_run(out, {**SETTINGS, **more}, overwrite=False, finished="done.json")
    (out / "tokenizer").mkdir()
    (out / "tokenizer" / "pieces.model").write_text("pieces")
    (out / "codes.safetensors").write_text("codes")
    note_assets(out)


def run(out: Path) -> None:
    config = TrainConfig(
        steps=STEPS, batch_size=8, save_every=5, keep=3, log_every=2, eval_every=0, lr_warmup=2
    )
    train(Corners(), schedule(), config, out, evaluate=lambda _: {"nats": 1.0})


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(made, tmp_path / "run"))


def test_manifests_sign_settings_and_assets(own: Path) -> None:
    manifest = checkpoint.check(checkpoint.path_of(own / "checkpoints", STEPS))
    assert set(manifest["signed"]) == {
        "config.json", "tokenizer/pieces.model", "codes.safetensors",
    }  # fmt: skip
    assert load_denoiser(own, denoiser()) == STEPS
    assert read_run_of("x train", own) == SETTINGS


@pytest.mark.parametrize("name", ["config.json", "tokenizer/pieces.model", "codes.safetensors"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_file_that_is_not_as_it_was_is_named(own: Path, name: str, how: str) -> None:
    path = own / name
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"0", b"1") + b" ") if how == "changed" else path.unlink()
    for opened in (lambda: read_run_of("x train", own), lambda: load_denoiser(own, denoiser())):
        with pytest.raises(InputError) as caught:
            opened()
        assert name.split("/")[0] in str(caught.value)
        assert "\n" not in str(caught.value)
    path.write_bytes(whole)
    assert load_denoiser(own, denoiser()) == STEPS


def test_checkpoints_of_another_run_are_passed_over(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    begin(other, seed=1)
    run(other)
    newest = checkpoint.path_of(own / "checkpoints", STEPS)
    newest.rename(tmp_path / "aside")
    checkpoint.path_of(other / "checkpoints", STEPS).rename(newest)
    assert load_denoiser(own, denoiser()) == STEPS - 5
    assert "config.json is not what it was saved with" in capsys.readouterr().err
    run(own)
    assert checkpoint.steps(own / "checkpoints")[0] == STEPS


def test_a_checkpoint_under_another_step_is_none(own: Path) -> None:
    folder = own / "checkpoints"
    checkpoint.path_of(folder, STEPS - 5).rename(checkpoint.path_of(folder, STEPS + 5))
    assert load_denoiser(own, denoiser()) == STEPS


def test_stray_names_are_no_checkpoints(own: Path) -> None:
    folder = own / "checkpoints"
    for name in ("step-", "step-x", "step-99999999.bak", "step-5", "notes.txt", "._step-00000099"):
        (folder / name).mkdir()
    (folder / "step-00000098").write_text("a file")
    assert checkpoint.steps(folder)[0] == STEPS
    assert load_denoiser(own, denoiser()) == STEPS


def test_weights_of_another_network_are_one_line(own: Path) -> None:
    for step in checkpoint.steps(own / "checkpoints"):
        path = checkpoint.path_of(own / "checkpoints", step)
        manifest, parts = checkpoint.load(path)
        parts["ema"] = {"other": torch.zeros(3)}
        info = {k: v for k, v in manifest.items() if k not in ("parts", "files", "step")}
        checkpoint.save(own / "checkpoints", step, parts, info, keep=9)
    with pytest.raises(InputError, match="of another network") as caught:
        load_denoiser(own, denoiser())
    assert "\n" not in str(caught.value)


def test_parts_without_files_and_names_that_are_paths(own: Path) -> None:
    for change in ({"parts": {}}, {"files": {"../x": "0"}}, {"parts": {"a/b": {}}}, {"step": "x"}):
        path = checkpoint.path_of(own / "checkpoints", STEPS)
        manifest = json.loads((path / "manifest.json").read_text())
        manifest.pop("checksum")
        manifest.update(change)
        signed = {"checksum": checkpoint.digest(manifest), **manifest}
        (path / "manifest.json").write_text(json.dumps(signed))
        with pytest.raises(checkpoint.DamagedCheckpoint):
            checkpoint.load(path)


@pytest.mark.parametrize("how", ["changed", "damaged", "gone"])
def test_the_profile_is_the_one_of_the_weights(
    own: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = profile_if_any(own)
    assert sound is not None
    path = own / "profile.json"
    text = path.read_text()
    if how == "gone":
        path.unlink()
    else:
        path.write_text(text.replace("1", "2", 1) if how == "changed" else text[:40])
    found = profile_if_any(own)
    assert found is not None
    assert found.to_dict() == sound.to_dict()
    assert "the copy in the checkpoint is taken" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", [b"\xff", b"5", b'{"a": 1}', b'{"step": "x"}', b'{"step": 3, "evaluate": [1]}',
             b"[" * 100_000, b'{"step": 4, "density": {"sigma": [1]}}', b""],
)  # fmt: skip
def test_an_odd_line_of_metrics_costs_itself_alone(
    own: Path, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own / "metrics.jsonl"
    before = read_lines(path)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:2], line, *lines[2:]]) + b"\n")
    assert read_lines(path) == before
    assert ("damaged lines are passed over" in capsys.readouterr().err) is bool(line)
    run(own)
    assert read_lines(path) == before
