"""`train` on the command line: what it leaves, and mistakes that end in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infonoise_core import EntropyRateProfile
from infonoise_vision.cli import main

# As the runs of the fixtures were trained.
QUICK = ["--batch-size", "8", "--save-every", "3"]


def test_train_leaves_a_run(digits: Path, strict: Callable[[str], Any]) -> None:
    assert {path.name for path in digits.iterdir()} == {
        "config.json", "config.yaml", "checkpoints", "metrics.jsonl", "profile.json", "done.json",
        "samples", "infonoise.json",
    }  # fmt: skip
    settings = strict((digits / "config.json").read_text())
    assert settings["train"]["steps"] == 6
    assert settings["train"]["batch_size"] == 8
    assert settings["images"]["shape"] == [1, 8, 8]
    assert "out" not in settings  # it may be moved
    newest = digits / "checkpoints" / "step-00000006"
    assert {p.suffix for p in newest.iterdir()} == {".safetensors", ".json"}
    lines = [strict(line) for line in (digits / "metrics.jsonl").read_text().splitlines()]
    final = strict((digits / "done.json").read_text())
    assert [line["step"] for line in lines[-2:]] == [6, 6]
    assert "density" in lines[-1]
    assert lines[-2] == {"step": 6, "evaluate": {k: v for k, v in final.items() if k != "step"}}
    profile = EntropyRateProfile.load(digits / "profile.json")
    assert profile.dim == 64
    assert profile.entropy() > 0


def test_a_run_that_was_moved_goes_on(tmp_path: Path, grey: Path) -> None:
    argv = ["train", str(grey), "--steps", "6", *QUICK]
    assert main([*argv, "--out", str(tmp_path / "one")]) == 0
    done = (tmp_path / "one" / "done.json").read_text()
    shutil.move(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two" / "done.json").unlink()
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "step-00000006")
    assert main([*argv, "--out", str(tmp_path / "two")]) == 0
    assert (tmp_path / "two" / "done.json").read_text() == done


def test_overwrite_starts_anew(tmp_path: Path, grey: Path, strict: Callable[[str], Any]) -> None:
    out = tmp_path / "out"
    argv = ["train", str(grey), "--batch-size", "8", "--out", str(out)]
    assert main([*argv, "--steps", "2"]) == 0
    assert main([*argv, "--steps", "3", "--overwrite"]) == 0
    assert strict((out / "config.json").read_text())["train"]["steps"] == 3
    assert [p.name for p in (out / "checkpoints").iterdir()] == ["step-00000003"]


TRAIN = ["train", "good.npz", "--out", "new"]
OVER_RUN = ["train", "good.npz", "--out", "run", "--overwrite"]
MISTAKES: list[tuple[list[str], list[str]]] = [
    # The data
    (["train", "empty", "--out", "new"], ["empty", "give a folder of image files"]),
    (["train", "broken", "--out", "new"], ["003.png"]),
    (["train", "mixed", "--out", "new"], ["029.png", "--size"]),
    (["train", "nan.npz", "--out", "new"], ["nan.npz", "NaN", "index 5", "repair or remove"]),
    (["train", "same.npz", "--out", "new"], ["same"]),
    (["train", "twins.npz", "--out", "new"], ["twins", "give more"]),
    (["train", "notes.txt", "--out", "new"], ["notes.txt", "give a folder of images"]),
    (["train", "gone", "--out", "new"], ["gone", "not found"]),
    # Options of training
    ([*TRAIN, "--schedule", "nope"], ["--schedule nope", "edm", "infonoise"]),
    ([*TRAIN, "--sigma-min", "80"], ["--sigma-min 80", "--sigma-max 80"]),
    ([*TRAIN, "--sigma-min", "3", "--sigma-max", "1"], ["--sigma-min 3", "--sigma-max 1"]),
    ([*TRAIN, "--sigma-min", "nan"], ["--sigma-min nan"]),
    ([*TRAIN, "--sigma-max", "0.05"], ["--sigma-max 0.05", "4 grey levels"]),
    ([*TRAIN, "--sigma-data", "0"], ["--sigma-data 0"]),
    ([*TRAIN, "--weight", "heavy"], ["--weight heavy", "edm or unit"]),
    ([*TRAIN, "--size", "0"], ["--size 0"]),
    ([*TRAIN, "--steps", "0"], ["--steps 0"]),
    ([*TRAIN, "--batch-size", "-1"], ["--batch-size -1"]),
    ([*TRAIN, "--lr", "7"], ["--lr 7"]),
    ([*TRAIN, "--seed", "-1"], ["--seed -1"]),
    ([*TRAIN, "--device", "abacus"], ["--device abacus", "cpu"]),
    ([*TRAIN, "--steps", "three"], ["--steps", "three"]),
    ([*TRAIN, "--update", "3"], ["--update"]),
    (["train", "good.npz"], ["--out"]),
    # Places of output
    (["train", "good.npz", "--out", "stranger"], ["stranger", "holds no run of infonoise"]),
    (["train", "good.npz", "--out", "stranger", "--overwrite"],
     ["stranger", "holds no run of infonoise"]),
    (["train", "good.npz", "--out", "notes.txt"], ["notes.txt is a file"]),
    (["train", "good.npz", "--out", "notes.txt/new"], ["notes.txt", "Not a directory"]),
    (["train", "good.npz", "--out", "run"], ["run", "batch-size was 8", "--overwrite"]),
    (["train", "good.npz", "--out", "run", "--steps", "6", *QUICK],
     ["run", "finished", "more --steps", "--overwrite"]),
    (["train", "good.npz", "--out", "cut", "--steps", "5", *QUICK], ["cut", "steps was 6"]),
    (["train", "more.npz", "--out", "cut", "--steps", "6", *QUICK], ["cut", "data was good.npz"]),
    (["train", "good.npz", "--out", "cut comparison"], ["cut comparison", "other settings"]),
    # With --overwrite a mistake must not cost the earlier run
    ([*OVER_RUN, "--lr", "7"], ["--lr 7"]),
    ([*OVER_RUN, "--sigma-max", "0.05"], ["--sigma-max 0.05"]),
    (["train", "twins.npz", "--out", "run", "--overwrite"], ["twins"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    refused: Callable[[list[str], list[str]], None], argv: list[str], words: list[str]
) -> None:
    refused(argv, words)
