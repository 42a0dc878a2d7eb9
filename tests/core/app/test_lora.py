"""Runs that train adapters beside the weights of another: gone on with, shared and sampled."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.app.interface import run_program
from infonoise_core.training import checkpoint
from infonoise_sound.cli import INTERFACE

pytest.importorskip("peft")
FAST = ("--batch-size", 8, "--save-every", 4, "--eval-every", 8, "--lr-warmup", 2, "--lr", "0.01")
UP, BASE = ".lora_B.default.weight", ".base_layer.weight"


def call(*words: object) -> int:
    return run_program(INTERFACE, [str(word) for word in words])


def parts(run: Path, step: int) -> dict[str, Any]:
    return checkpoint.load(checkpoint.path_of(run / "checkpoints", step))[1]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("base") / "run"
    assert call("train", "--out", run, "--steps", 8, *FAST) == 0
    return run


@pytest.fixture(scope="module")
def tuned(base: Path) -> Path:
    """Of 8 steps, begun with 4."""
    run = base.parent / "tuned"
    words = ("train", "--out", run, "--from", base, "--lora", 2, "--schedule-steps", 8, *FAST)
    assert call(*words, "--steps", 4) == 0
    assert call(*words, "--steps", 8) == 0
    return run


def test_the_weights_stand_still_and_the_adapters_learn(base: Path, tuned: Path) -> None:
    before, after = parts(base, 8)["ema"], parts(tuned, 8)
    layers = [name.removesuffix(UP) for name in after["model"] if name.endswith(UP)]
    assert layers
    for name in layers:
        assert torch.equal(after["model"][name + BASE], before[name + ".weight"])
        assert after["ema"][name + UP].abs().sum() > 0
    others = {name for name in before if name.rpartition(".")[0] not in layers}
    assert all(torch.equal(after["model"][name], before[name]) for name in others)


def test_it_goes_on_as_if_it_had_not_stopped(base: Path, tuned: Path, tmp_path: Path) -> None:
    words = ("--from", base, "--lora", 2, "--schedule-steps", 8, "--steps", 8)
    assert call("train", "--out", tmp_path / "run", *words, *FAST) == 0
    once, twice = parts(tmp_path / "run", 8)["model"], parts(tuned, 8)["model"]
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_a_shared_model_has_them_folded_in_and_apart(tuned: Path, tmp_path: Path) -> None:
    out = {}
    assert call("push", tuned, tmp_path / "model", "--adapters") == 0
    assert call("pull", tmp_path / "model", "--out", tmp_path / "pulled") == 0
    for run in (tuned, tmp_path / "pulled"):
        out[run] = tmp_path / f"{run.name}.npy"
        words = ("--grid", "karras", "--samples", 2)
        assert call("sample", run, "--out", out[run], *words) == 0
    assert len({file.read_bytes() for file in out.values()}) == 1
    alone = tmp_path / "pulled" / "adapters"
    assert json.loads((alone / "adapter_config.json").read_text())["r"] == 2
    size = (alone / "adapter_model.safetensors").stat().st_size
    assert 0 < size < (tmp_path / "pulled" / "model.safetensors").stat().st_size


def test_another_run_begins_with_what_was_tuned(tuned: Path, tmp_path: Path) -> None:
    words = ("--from", tuned, "--steps", 1, "--lora", 3)
    assert call("train", "--out", tmp_path / "run", *words, *FAST) == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--lora", 2), "--lora 2: needs weights that are trained; name a run or a model with"),
        (("--lora", -1), "--lora -1: give a rank of at least 1"),
        (("--lora", 500, "--from", "BASE"), "--lora 500: the network has no layer that wide"),
    ],
)
def test_what_cannot_be_is_one_line(
    base: Path, tmp_path: Path, words: Any, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [base if word == "BASE" else word for word in words]
    assert call("train", "--out", tmp_path / "run", "--steps", 2, *FAST, *given) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_without_adapters_none_are_pushed(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("push", base, tmp_path / "model", "--adapters") == 2
    assert "was trained without --lora, so it has no adapters" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
