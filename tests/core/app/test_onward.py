"""Runs that are lengthened, begun with another's weights, and read at a step of one's choice."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infonoise_core.app.begin import as_begun
from infonoise_core.app.interface import run_program
from infonoise_core.training import checkpoint
from infonoise_core.training.config import RATE, TrainConfig
from infonoise_sound.cli import INTERFACE
from infonoise_sound.data import LENGTH

FAST = ("--batch-size", 8, "--save-every", 4, "--eval-every", 8, "--lr-warmup", 2)


def call(*words: object) -> int:
    return run_program(INTERFACE, [str(word) for word in words])


def parts(run: Path, step: int) -> dict[str, Any]:
    return checkpoint.load(checkpoint.path_of(run / "checkpoints", step))[1]


def leaves(tree: Any, at: str = "") -> dict[str, Any]:
    pairs = (
        tree.items() if isinstance(tree, dict)
        else enumerate(tree) if isinstance(tree, (list, tuple)) else None
    )  # fmt: skip
    if pairs is None:
        return {at: tree}
    return {k: v for key, value in pairs for k, v in leaves(value, f"{at}/{key}").items()}


def test_the_rate_that_is_not_given_is_the_runs_own_or_else_the_domains() -> None:
    given, begun = TrainConfig(lr=1e-3), {"train": {"lr": 5e-4}}
    assert as_begun(TrainConfig(), {}, 4e-3).lr == 4e-3
    assert as_begun(TrainConfig(), begun, 4e-3).lr == 5e-4
    assert as_begun(given, begun, 4e-3).lr == 1e-3
    assert (TrainConfig().rate, given.rate) == (RATE, 1e-3)


@pytest.fixture(scope="module")
def lengthened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 8 steps, then of 16, with all that it learned from the first step on."""
    run = tmp_path_factory.mktemp("sounds") / "run"
    assert call("train", "--out", run, "--steps", 8, *FAST) == 0
    assert call("train", "--out", run, "--steps", 16, *FAST) == 0
    return run


def test_a_lengthened_run_ends_as_one_that_was_asked_for_at_once(
    lengthened: Path, tmp_path: Path
) -> None:
    """All bits: weights, average, optimizer, schedule and meter. Both keep the pace of 8 steps."""
    at_once = tmp_path / "run"
    assert call("train", "--out", at_once, "--steps", 16, "--schedule-steps", 8, *FAST) == 0
    found, expected = (leaves(parts(run, 16)) for run in (lengthened, at_once))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        same = torch.equal(found[name], value) if torch.is_tensor(value) else found[name] == value
        assert same, name
    settings = json.loads((lengthened / "config.json").read_text())["train"]
    assert (settings["steps"], settings["schedule_steps"], settings["lr"]) == (16, 8, RATE)
    assert json.loads((lengthened / "done.json").read_text())["step"] == 16


def test_only_more_is_taken_on(lengthened: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, complaint in (
        (("--steps", 16), "holds a finished run: give more --steps"),
        (("--steps", 12), "holds a finished run"),
        (("--steps", 20, "--lr", "0.01"), "lr was 0.002 and is 0.01"),
    ):
        assert call("train", "--out", lengthened, *FAST, *words) == 2
        assert complaint in capsys.readouterr().err
    assert (lengthened / "done.json").exists()


def test_earlier_checkpoints_open_unless_more_than_the_length_changed(
    lengthened: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s.npy"
    words = ("--out", out, "--grid", "karras", "--samples", 2, "--overwrite")
    run = tmp_path / "run"
    assert call("train", "--out", run, "--steps", 4, *FAST) == 0
    assert call("train", "--out", run, "--steps", 5, *FAST, "--keep", 2) == 0
    for path in (run / "checkpoints").glob("step-*5"):
        (path / "manifest.json").unlink()  # what is left was signed before the run was longer
    assert call("sample", run, *words) == 0
    settings = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**settings, "width": 17}))
    capsys.readouterr()
    assert call("sample", run, *words) == 2
    assert "sha256" in capsys.readouterr().err


def test_a_cosine_is_stretched_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ("--out", run, "--lr-schedule", "cosine", *FAST)
    assert call("train", *words, "--steps", 4) == 0
    assert call("train", *words, "--steps", 8) == 0
    assert "the cosine of the learning rate is stretched" in capsys.readouterr().err


def test_begins_with_the_weights_and_the_profile_of_another_run(
    lengthened: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step at a rate of next to nothing leaves them; other data are no hindrance."""
    np.save(tmp_path / "others.npy", np.zeros((64, LENGTH), np.float32))
    run, words = tmp_path / "run", ("--steps", 1, "--lr", "1e-12", *FAST)
    data = tmp_path / "others.npy"
    assert call("train", data, "--out", run, "--from", lengthened, *words) == 0
    assert "and its profile" in capsys.readouterr().err
    begun, source = parts(run, 1), parts(lengthened, 16)
    for name, value in source["ema"].items():
        torch.testing.assert_close(begun["model"][name], value, atol=1e-9, rtol=0)
    rate = json.loads((lengthened / "profile.json").read_text())["rate"]
    torch.testing.assert_close(
        begun["state"]["schedule"][0]["prior"], torch.tensor(rate, dtype=torch.float64)
    )


def test_begins_with_a_shared_model(lengthened: Path, tmp_path: Path) -> None:
    assert call("push", lengthened, tmp_path / "model") == 0
    words = ("--from", tmp_path / "model", "--steps", 2, "--schedule", "edm", *FAST)
    assert call("train", "--out", tmp_path / "run", *words) == 0
    # Its source may go; it goes on by its own checkpoints.
    assert call("train", "--out", tmp_path / "run", *words, "--steps", 4) == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--width", 8), "(16, 17) there and (8, 17) here); give the same options for it: --width"),
        (("--from", "nowhere"), "nowhere: no run here"),
    ],
)
def test_networks_that_are_others_are_refused_in_a_line(
    lengthened: Path, tmp_path: Path, words: Any, complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    begin = ("train", "--out", tmp_path / "run", "--from", lengthened, "--steps", 2)
    assert call(*begin, *words) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_weights_of_a_step_and_raw_ones(
    lengthened: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for words in ((), ("--weights", "raw"), ("--checkpoint", 12)):
        out = tmp_path / "evaluation.json"
        assert call("evaluate", lengthened, "--out", out, "--overwrite", *words) == 0
        record = json.loads(out.read_text())
        found[words] = record["tables"][0]["rows"][0]["values"]["value"]
        assert record["step"] == (12 if 12 in words else 16)
        assert record.get("weights", "averaged") == ("raw" if "raw" in words else "averaged")
    assert len(set(found.values())) == 3
    capsys.readouterr()
    assert call("sample", lengthened, "--out", tmp_path / "s.npy", "--checkpoint", 11) == 2
    assert "has none of that step; there are" in capsys.readouterr().err
