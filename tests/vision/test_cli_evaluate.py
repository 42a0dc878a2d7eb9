"""`evaluate` on the command line: its table, and mistakes that end in one line."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_vision.cli import main


def found(run: Path, out: Path, *options: str) -> dict[str, Any]:
    """The record of an evaluation of images in two steps, without a classifier."""
    words = ["evaluate", str(run), "--out", str(out), "--overwrite", "--no-classifier"]
    assert main([*words, "--steps", "2", *options]) == 0
    record: dict[str, Any] = json.loads(out.read_text())
    return record


def table(record: dict[str, Any], name: str) -> dict[str, Any]:
    """The table of that name: bound or generated."""
    (found,) = (table for table in record["tables"] if table["name"] == name)
    return dict(found)


def values(record: dict[str, Any]) -> dict[str, float]:
    rows = [row for table in record["tables"] for row in table["rows"]]
    return {row["name"]: row["values"]["value"] for row in rows}


def test_evaluate_repeats_what_train_found(
    digits: Path, tmp_path: Path, strict: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(digits, tmp_path / "run")
    final = strict((run / "done.json").read_text())
    few = ["--samples", "8", "--steps", "2"]
    assert main(["evaluate", str(run), "--no-classifier", *few]) == 0
    lines = [re.sub(r"[┃│]", " ", line) for line in capsys.readouterr().out.splitlines()]
    heads = [line.split() for line in lines if "real to real" in line]
    assert heads == [
        ["likelihood", "value", "real", "to", "real", "better"],
        ["generated", "images", "value", "real", "to", "real", "better"],
    ]
    (bits,) = (line for line in lines if "bits_per_dim" in line)
    assert bits.split() == [
        "bits_per_dim_359", f"{final['bits_per_dim']:.4f}", "±",
        f"{final['bits_per_dim_stderr']:.4f}", "-", "lower",
    ]  # fmt: skip
    assert any(line.split()[:1] == ["energy_8"] for line in lines)
    record = strict((run / "evaluation.json").read_text())
    assert table(record, "bound")["rows"][0]["values"]["real to real"] is None
    assert (record["format"], record["split"]) == ("infonoise-evaluation", "test")


def test_the_sampler_moves_what_is_drawn_and_not_the_bound(runs: Path, tmp_path: Path) -> None:
    """And the record says which settings belong to which measure."""
    out = tmp_path / "found.json"
    options = [[], ["--seed", "1"], ["--steps", "3"], ["--solver", "euler"]]
    records = [found(runs / "plain", out, "--samples", "10", *more) for more in options]
    energies = {values(record)["energy_10"] for record in records}
    assert len(energies) == len(options)
    assert len({values(record)["bits_per_dim_12"] for record in records}) == 1
    by = {t["name"]: [row["name"] for row in t["rows"]] for t in records[-1]["tables"]}
    assert by == {"bound": ["bits_per_dim_12"], "generated": ["energy_10"]}
    assert table(records[-1], "bound")["settings"] == {"images": 12}
    settings = table(records[-1], "generated")["settings"]
    assert (settings["images"], settings["split"]) == (10, "test")
    sampler = settings["sampler"]
    assert (sampler["solver"], sampler["steps"], sampler["nfe"]) == ("euler", 2, 2)
    assert sampler["chunk"] == 256


def test_published_distances_are_those_from_training_images(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many generated images as --samples says, whatever number was held out."""
    out = tmp_path / "found.json"
    record = found(runs / "classes", out, "--samples", "40", "--split", "train")
    (row,) = table(record, "generated")["rows"]
    assert (row["name"], row["values"]["real to real"]) == ("energy_40_train", None)
    assert "training images" in row["explanation"]
    assert table(record, "generated")["settings"]["split"] == "train"
    errors = capsys.readouterr().err
    assert "nothing stands beside the distances: there are 12 held-out images" in errors
    assert "--samples" not in errors
    # Where there are as many of both, there is a floor.
    record = found(runs / "classes", out, "--samples", "10", "--split", "train")
    (row,) = table(record, "generated")["rows"]
    assert row["name"] == "energy_10_train"
    assert row["values"]["real to real"] is not None
    record = found(runs / "classes", out, "--samples", "40")
    assert table(record, "generated")["rows"][-1]["name"] == "energy_12"
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith("--samples"))
    assert line.startswith("--samples 40: 12 images are drawn")


def test_the_bound_is_that_of_as_many_images_as_asked_for(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    record = found(runs / "plain", out, "--samples", "2", "--bound-images", "5")
    assert table(record, "bound")["rows"][0]["name"] == "bits_per_dim_5"
    assert table(record, "bound")["settings"] == {"images": 5}


def test_the_users_own_file_is_kept_and_the_runs_is_renewed(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(runs / "plain", tmp_path / "run")
    words = ["evaluate", str(run), "--no-classifier", "--samples", "4", "--steps", "2"]
    for seed in ("0", "1"):
        assert main([*words, "--seed", seed]) == 0
        record = json.loads((run / "evaluation.json").read_text())
        assert table(record, "generated")["settings"]["sampler"]["seed"] == int(seed)
    (tmp_path / "mine.json").write_text("mine")
    assert main([*words, "--out", str(tmp_path / "mine.json")]) == 2
    assert "mine.json exists: give another name or --overwrite" in capsys.readouterr().err
    assert (tmp_path / "mine.json").read_text() == "mine"
    assert main([*words, "--out", str(tmp_path / "mine.json"), "--overwrite"]) == 0
    assert json.loads((tmp_path / "mine.json").read_text())["format"] == "infonoise-evaluation"


LATE: list[tuple[str, list[str], str]] = [
    ("plain", ["--inception-weights", "gone.pt"], "gone.pt: no such file"),
    ("plain", ["--cache", "file"], "file is a file; give a folder"),
    ("plain", ["--cache", "file/deep/er"], "file is a file; give a folder"),
    ("plain", ["--method", "replace"], "--method replace: says how to --complete"),
    ("half", ["--method", "ddnm"], "--method ddnm: says how to --complete"),
    ("half", ["--complete", "hidden-half"], "was trained with --condition hidden-half"),
    ("plain", ["--guidance", "2"], "nothing to be guided by"),
    ("plain", ["--bound-images", "1"], "--bound-images 1"),
    ("bare", ["--grid", "entropic"], "--grid entropic needs a profile"),
]


@pytest.mark.parametrize(("kind", "options", "words"), LATE)
def test_what_cannot_be_measured_is_told_before_anything_is(
    runs: Path,
    tmp_path: Path,
    kind: str,
    options: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def early(*_: object, **__: object) -> None:
        pytest.fail("measured first")

    monkeypatch.setattr("infonoise_vision.evaluation.tables.bound_of_many", early)
    monkeypatch.setattr("infonoise_vision.evaluation.tables.draw_plan", early)
    monkeypatch.setattr("infonoise_vision.evaluation.tables.trained_classifier", early)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    argv = ["evaluate", str(runs / kind), "--steps", "2", "--samples", "4"]
    assert main([*argv, "--out", "out.json", *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_missing_torch_fidelity_is_told_before_anything_is(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torchmetrics")
    monkeypatch.setattr("torchmetrics.image.fid._TORCH_FIDELITY_AVAILABLE", False)
    drawing = "infonoise_vision.evaluation.tables.draw_plan"
    monkeypatch.setattr(drawing, lambda *_, **__: pytest.fail("drew first"))
    torch.save({}, tmp_path / "w.pt")
    weights = ["--inception-weights", str(tmp_path / "w.pt")]
    assert main(["evaluate", str(runs / "plain"), *weights]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs torchmetrics and torch-fidelity" in line


MISTAKES: list[tuple[list[str], list[str]]] = [
    (["evaluate", "empty"], ["empty", "no run here"]),
    (["evaluate", "run", "--samples", "1"], ["--samples 1"]),
    (["evaluate", "run", "--data", "more.npz"], ["more.npz", "train is 48 and not 49", "--data"]),
    (["evaluate", "run", "--data", "gone"], ["gone", "not found"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    refused: Callable[[list[str], list[str]], None], argv: list[str], words: list[str]
) -> None:
    refused(argv, words)
