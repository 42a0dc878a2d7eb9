"""A run that was pushed and pulled: the folder stands wherever the run stood."""

import json
from pathlib import Path

import pytest

from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_vision.cli import main

# "fine" tells its network more than a class: the rest is to travel with the settings.
KINDS = ["plain", "classes", "fine"]


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest, runs: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A run, and what became of it on the way."""
    shared, model = tmp_path / "shared", tmp_path / "model"
    assert main(["push", str(runs / request.param), str(shared)]) == 0
    assert main(["pull", str(shared), "--out", str(model)]) == 0
    return runs / request.param, model


def test_a_pulled_model_is_the_run(pair: tuple[Path, Path], runs: Path, tmp_path: Path) -> None:
    data = ["--data", str(runs / "data.npz"), "--steps", "2"]
    found = []
    for run in pair:
        out = tmp_path / "found.json"
        words = ["evaluate", str(run), "--samples", "16", "--no-classifier", "--out", str(out)]
        assert main([*words, "--overwrite", *data]) == 0
        record = json.loads(out.read_text())
        assert record.pop("run") == run.name
        found.append(record)
    assert found[0] == found[1]
    drawn = []
    for run in pair:
        out = tmp_path / "images.png"
        if "fine" not in str(pair[0]):
            words = ["sample", str(run), "--samples", "3", "--steps", "2", "--out", str(out)]
            assert main([*words, "--overwrite"]) == 0
            drawn.append(out.read_bytes())
    assert len(set(drawn)) <= 1


def test_its_page_says_what_it_was_trained_on(pair: tuple[Path, Path], runs: Path) -> None:
    run, model = pair
    page = (model / "README.md").read_text()
    assert "# infonoise-vision: data" in page
    assert "| images | 48, 1x8x8 |" in page
    assert "    infonoise-vision sample model --out images.png" in page
    assert ("| classes | left, middle, right |" in page) == (run.name in ("classes", "fine"))
    assert ("| condition | superres |" in page) == (run.name == "fine")
    # Where the images lay is nobody's business; the names of the classes are.
    assert str(runs) not in "".join(p.read_text() for p in model.glob("*.json"))
    settings = json.loads((model / "config.json").read_text())
    assert settings["data"] == "data.npz"
    assert settings["images"]["classes"] == ["left", "middle", "right"]


def test_its_profile_and_report(
    pair: tuple[Path, Path], runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, model = pair
    if (run / "profile.json").exists():
        assert main(["profile", str(model)]) == 0
        assert "nats per example" in capsys.readouterr().out
        profile = EntropyRateProfile.load(model / "profile.json")
        assert profile.entropy() == EntropyRateProfile.load(run / "profile.json").entropy()
    page = ["report", str(model), "--data", str(runs / "data.npz"), "--steps", "2"]
    assert main([*page, "--out", str(tmp_path / "page.html")]) == 0


def test_training_does_not_go_on_in_it(
    pair: tuple[Path, Path], runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(runs / "data.npz"), "--out", str(pair[1])]) == 2
    assert "holds a finished run" in capsys.readouterr().err
