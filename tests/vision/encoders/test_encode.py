"""`encode` and `reconstruct`: an encoder beside a run, and its latents."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from infonoise_vision.cli import main
from infonoise_vision.domain import open_run
from infonoise_vision.encoders.learn import opened

QUICK = [
    "--steps", "6", "--batch-size", "8", "--latent", "5", "--rank", "2", "--save-every", "3",
    "--eval-every", "0", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder(runs: Path) -> Path:
    out = runs / "encoder"
    assert main(["encode", str(runs / "plain"), "--out", str(out), *QUICK]) == 0
    return out


def test_latents_of_all_images(
    runs: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_run(runs / "plain", "cpu")
    latents = np.load(encoder / "latents.npz")
    numbers = run.settings["images"]
    assert latents["train"].shape == (numbers["train"], 5)
    assert latents["held_out"].shape == (numbers["held_out"], 5)
    assert latents["train_labels"].shape == (numbers["train"],)
    assert np.isfinite(latents["train"]).all()
    # What is learned is not learned again, and what is there is not replaced.
    argv = ["encode", str(runs / "plain"), "--out", str(encoder), *QUICK]
    assert main(argv) == 2
    (encoder / "latents.npz").unlink()
    capsys.readouterr()
    assert main(argv) == 0
    assert "next to nothing" in capsys.readouterr().err
    assert np.array_equal(np.load(encoder / "latents.npz")["train"], latents["train"])


@pytest.mark.slow
def test_it_goes_on_as_if_it_had_not_stopped(runs: Path, encoder: Path, tmp_path: Path) -> None:
    argv = ["encode", str(runs / "plain"), "--out", str(tmp_path / "out"), *QUICK]
    assert main([*argv, "--steps", "3", "--schedule-steps", "6"]) == 0
    assert main([*argv, "--schedule-steps", "6"]) == 0
    whole = [*argv[:2], "--out", str(tmp_path / "whole"), *QUICK, "--schedule-steps", "6"]
    assert main(whole) == 0
    ours, theirs = (np.load(tmp_path / name / "latents.npz") for name in ("out", "whole"))
    assert np.array_equal(ours["train"], theirs["train"])


def test_reconstruct(
    runs: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "picture.png"
    Image.fromarray(np.load(runs / "data.npz")["images"][0]).save(picture)
    argv = ["reconstruct", str(encoder), str(picture), "--steps", "4", "--device", "cpu"]
    assert main([*argv, "--samples", "2", "--out", str(tmp_path / "out")]) == 0
    assert "RMSE" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["picture-1.png", "picture-2.png"]
    assert np.asarray(Image.open(tmp_path / "out" / names[0])).shape == (8, 8)
    assert main([*argv, "--out", str(tmp_path / "grid.png")]) == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["encode", "classes", "--out", "x"], "--conditional, beside which"),
        (["encode", "half", "--out", "x"], "--condition hidden-half, beside which"),
        (["encode", "plain", "--out", "x", "--latent", "0"], "at least 1"),
        (
            ["reconstruct", "plain", "x.png", "--out", "x"],
            "not made by infonoise-vision encode, but by infonoise-vision train; give",
        ),
        (["reconstruct", "encoder", "data.npz", "--out", "x", "--run", "classes"],
         "another state of a run"),
        (["reconstruct", "encoder", "--out", "x"], "no pictures are given; name images"),
    ],
)  # fmt: skip
def test_mistakes_end_in_one_line(
    runs: Path,
    encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(runs)
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert words in error
    assert not Path("x").exists()


def test_a_run_that_has_moved_is_asked_for(
    runs: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "plain").rename(runs / "moved")
    try:
        argv = ["reconstruct", str(encoder), "x.png", "--out", str(tmp_path / "out")]
        assert main(argv) == 2
        assert "say where with --run" in capsys.readouterr().err
    finally:
        (runs / "moved").rename(runs / "plain")


def test_an_encoder_starts_as_something(runs: Path, encoder: Path) -> None:
    """Not at the prior, where it would stay, and as the prior where noise hides all."""
    run = open_run(runs / "plain", "cpu")
    model = opened(encoder, run)
    x = torch.rand(6, *run.shape) - 0.5
    with torch.no_grad():
        near, far = (model(x, torch.full((6,), sigma)).kl() for sigma in (0.01, 1000.0))
    assert (near > 0.05).all()
    assert (far < 0.01).all()
