"""The verbs that core makes from a domain's contract, by its command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.app.interface import run_program
from infonoise_core.app.trained import refuse_others
from infonoise_core.errors import InputError
from infonoise_sound.cli import INTERFACE
from infonoise_sound.data import LENGTH, Sounds
from infonoise_sound.domain import SoundDomain

FAST = ("--steps", "6", "--batch-size", "8", "--save-every", "3", "--eval-every", "3")


def call(*words: object) -> int:
    return run_program(INTERFACE, [str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("sounds") / "run"
    assert call("train", "--out", run, "--schedule", "edm", *FAST) == 0
    return run


def test_run_is_recorded(trained: Path) -> None:
    settings = json.loads((trained / "config.json").read_text())
    assert settings["command"] == "infonoise-sound train"
    assert settings["width"] == 16  # beside core's settings, in no group
    assert settings["sounds"]["sounds"] == 256
    assert len(settings["sounds"]["fingerprint"]) == 64
    assert {p.name for p in (trained / "samples").iterdir()} == {
        "step-00000003.txt",
        "step-00000006.txt",
    }


def test_sample(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.npy"
    assert call("sample", trained, "--out", out, "--n", 5, "--grid", "karras") == 0
    assert np.load(out).shape == (5, LENGTH)
    assert call("sample", trained, "--out", out, "--grid", "karras") == 2  # is there already


def test_a_fixed_schedule_leaves_a_profile_to_sample_by(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--samples", 2, "--grid", "entropic", "--steps", 4)
    assert call("sample", trained, "--out", tmp_path / "s.npy", *words) == 0
    assert call("profile", trained) == 0
    assert "entropy" in capsys.readouterr().out


def test_evaluate_and_report(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("evaluate", trained) == 0
    record = json.loads((trained / "evaluation.json").read_text())
    assert (record["format"], record["version"]) == ("infonoise-evaluation", 1)
    (row,) = record["tables"][0]["rows"]
    assert f"{row['values']['value']:.4f}" in capsys.readouterr().out
    assert call("report", trained) == 0
    page = (trained / "report.html").read_text()
    assert f"{row['values']['value']:.4f}" in page
    assert "generated sounds" in page


def test_other_data_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many of the same kind, but others."""
    np.save(tmp_path / "others.npy", np.zeros((256, LENGTH), np.float32))
    assert call("evaluate", trained, "--data", tmp_path / "others.npy") == 2
    assert "not the sounds of" in capsys.readouterr().err


def test_without_a_fingerprint_only_numbers_are_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the first releases left their runs; other data pass, and it is said."""
    known = {"name": "old", "sounds": 256}
    note = "note: run is of an earlier release, which kept no fingerprint of the data"
    x0 = np.ones((256, LENGTH), np.float32)
    refuse_others(SoundDomain(INTERFACE), known, Sounds("others", x0), "others.npy", Path("run"))
    assert capsys.readouterr().err.startswith(note)
    with pytest.raises(InputError, match="whose sounds is 256 and not 200"):
        refuse_others(
            SoundDomain(INTERFACE), known, Sounds("others", x0[:200]), "others.npy", Path("run")
        )


def test_going_on_with_other_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = tmp_path / "d.npy", tmp_path / "run"
    rng = np.random.default_rng(0)
    np.save(data, rng.normal(size=(64, LENGTH)).astype(np.float32))
    assert call("train", data, "--out", run, *FAST) == 0
    (run / "done.json").unlink()  # as if it had been cut short
    np.save(data, rng.normal(size=(64, LENGTH)).astype(np.float32))
    assert call("train", data, "--out", run, *FAST) == 2
    assert "only as many of the same kind" in capsys.readouterr().err


def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c"
    words = ("--steps", 12, "--batch-size", 8, "--schedules", "edm,log-uniform")
    assert call("compare", "--out", out, *words) == 0
    assert "log-uniform" in capsys.readouterr().out
    assert "held-out sounds" in (out / "report.html").read_text()
    assert json.loads((out / "results.json").read_text())["settings"]["width"] == 16


def test_push_and_pull(trained: Path, tmp_path: Path) -> None:
    assert call("push", trained, tmp_path / "shared") == 0
    assert call("pull", tmp_path / "shared", "--out", tmp_path / "model") == 0
    out = tmp_path / "s.npy"
    assert call("sample", tmp_path / "model", "--out", out, "--grid", "karras") == 0
    assert call("evaluate", tmp_path / "model") == 0


def test_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert call("train", "--out", run, "--schedule", "infonoise", *FAST) == 0
    capsys.readouterr()
    assert call("profile", run, "--out", tmp_path / "p.svg") == 0
    assert "entropy" in capsys.readouterr().out
    assert (tmp_path / "p.svg").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("train",), "--out"),
        (("train", "--out", "x", "--width", "0"), "--width 0: give at least 1"),
        (("train", "--out", "x", "--wdth", "3"), "did you mean --width"),
        (("compare", "--data", "x"), "no option --data: give its value by itself, without"),
        (("evaluate", "nowhere"), "no run here"),
        (("sample", "nowhere", "--out", "x.npy"), "no run here"),
        (("compare", "--schedules", "nonsense"), "no such schedule"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
