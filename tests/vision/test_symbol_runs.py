"""Runs with a head of symbols and every verb: grey and colour, classes, known regions, sharing."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_vision.cli import main

TRAINING = ["--network", "tiny", "--steps", "6", "--batch-size", "8", "--eval-every", "0",
            "--save-every", "3", "--head", "symbols"]  # fmt: skip
DRAWN = ["--steps", "3"]


def coloured(path: Path, levels: int, channels: int) -> Path:
    """60 pictures of 8x8, a third of them bright at the left, in the middle or at the right."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    shape = (60, 8, 8, channels) if channels > 1 else (60, 8, 8)
    pixels = rng.integers(0, levels, shape) * (rng.random(shape) < 0.3)
    for image, label in zip(pixels, labels, strict=True):
        third = image[:, 3 * label : 3 * label + 3]
        third[...] = levels - 1 - third
    names = np.array(["left", "middle", "right"])
    np.savez(path, images=pixels.astype(np.uint8), labels=names[labels], levels=levels)
    return path


@pytest.fixture(scope="module")
def symbol_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In grey with classes, by default and by name; in colour, told a rectangle."""
    folder = tmp_path_factory.mktemp("symbols")
    binary = coloured(folder / "binary.npz", 2, 1)
    colours = coloured(folder / "colours.npz", 4, 3)
    free = ["train", str(binary), "--conditional", "--augment", "0.1"]
    assert main([*free, "--out", str(folder / "free"), *TRAINING[:-2]]) == 0
    box = ["train", str(colours), "--condition", "hidden-box", "--condition-noise", "0.1"]
    assert main([*box, "--out", str(folder / "box"), *TRAINING]) == 0
    return folder


def test_two_levels_get_it_by_default_and_their_own_law(symbol_runs: Path) -> None:
    settings = json.loads((symbol_runs / "free" / "config.json").read_text())
    assert settings["objective"]["head"] == "symbols"
    assert settings["schedule"] == "infonoise"
    profile = EntropyRateProfile.load(symbol_runs / "free" / "profile.json")
    assert profile.entropy() > 0


def test_images_are_drawn_by_class_and_to_their_levels(symbol_runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    argv = ["sample", str(symbol_runs / "free"), "--out", str(out), "--label", "left", *DRAWN]
    assert main([*argv, "--samples", "3", "--guidance", "2"]) == 0
    for file in out.iterdir():
        with Image.open(file) as picture:
            assert set(np.unique(np.asarray(picture))) <= {0, 255}


@pytest.mark.parametrize("name", ["free", "box"])
def test_runs_are_measured_shown_and_shared(symbol_runs: Path, tmp_path: Path, name: str) -> None:
    run = symbol_runs / name
    # Where the data lay is no setting of a shared model.
    data = symbol_runs / ("binary.npz" if name == "free" else "colours.npz")
    shared, model = tmp_path / "shared", tmp_path / "model"
    assert main(["push", str(run), str(shared)]) == 0
    assert main(["pull", str(shared), "--out", str(model)]) == 0
    found = []
    for one in (run, model):
        out = tmp_path / f"{one.name}.json"
        words = ["evaluate", str(one), "--out", str(out), "--no-classifier", "--samples", "8"]
        assert main([*words, "--data", str(data), *DRAWN]) == 0
        found.append(json.loads(out.read_text())["tables"])
    assert found[0] == found[1]
    assert main(["profile", str(run), "--by", "haar", "--draws", "8"]) == 0
    assert main(["profile", str(run), "--gap", "--draws", "8"]) == 0
    page = tmp_path / "page.html"
    assert main(["report", str(run), "--out", str(page), *DRAWN]) == 0
    assert page.stat().st_size > 0


def test_pictures_are_completed_and_enlarged(symbol_runs: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    before = rng.integers(0, 4, (8, 8, 3)).astype(np.uint8) * 85
    Image.fromarray(before).save(tmp_path / "colour.png")
    words = ["inpaint", str(symbol_runs / "box"), str(tmp_path / "colour.png"), "--mask", "left"]
    assert main([*words, "--out", str(tmp_path / "box"), *DRAWN]) == 0
    after = np.asarray(Image.open(tmp_path / "box" / "colour.png"))
    assert np.array_equal(after[:, 4:], before[:, 4:])
    grey = tmp_path / "grey.png"
    Image.fromarray(before[..., 0]).save(grey)
    free = str(symbol_runs / "free")
    for method in ("ddnm", "replace"):
        words = ["inpaint", free, str(grey), "--mask", "lower", "--method", method]
        assert main([*words, "--out", str(tmp_path / method), *DRAWN]) == 0
    Image.fromarray(before[::2, ::2, 0]).save(tmp_path / "small.png")
    words = ["upscale", free, str(tmp_path / "small.png"), "--factor", "2"]
    assert main([*words, "--out", str(tmp_path / "large"), *DRAWN]) == 0


def test_schedules_are_compared_on_the_same_head(symbol_runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    argv = ["compare", str(symbol_runs / "binary.npz"), "--network", "tiny", "--out", str(out)]
    words = ["--steps", "2", "--batch-size", "8", "--schedules", "edm,infonoise,infonoise-context"]
    assert main([*argv, *words]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["settings"]["objective"]["head"] == "symbols"
    ends = [arm["evaluations"][-1]["bits_per_dim"] for arm in results["arms"]]
    # On this head the draws of `infonoise` are those of the context law.
    assert ends[1] == ends[2] != ends[0]


def test_a_cut_run_goes_on_with_the_same_command(symbol_runs: Path, tmp_path: Path) -> None:
    argv = ["train", str(symbol_runs / "colours.npz"), *TRAINING, "--condition", "hidden-box"]
    whole, again = tmp_path / "whole", tmp_path / "again"
    assert main([*argv, "--out", str(whole)]) == 0
    assert main([*argv, "--out", str(again)]) == 0
    (again / "done.json").unlink()
    newest = again / "checkpoints" / "step-00000006"
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    assert main([*argv, "--out", str(again)]) == 0
    assert (again / "done.json").read_text() == (whole / "done.json").read_text()
