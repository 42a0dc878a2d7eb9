"""A Fréchet distance while training: what it is, when it is due, and where it is shown."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.cli import main
from infonoise_vision.data.cache import cache_folder
from infonoise_vision.data.images import load_parts
from infonoise_vision.data.options import Reading
from infonoise_vision.evaluation import classifier as classifiers
from infonoise_vision.evaluation.fid import moments
from infonoise_vision.evaluation.watched import WatchedFrechet
from infonoise_vision.methods.conditioning import conditioning_of
from infonoise_vision.methods.options import Objective
from infonoise_vision.methods.watching import Watching

QUICK = ["--batch-size", "8", "--network", "tiny", "--schedule", "edm"]


@pytest.fixture(autouse=True)
def quick(tmp_path: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classifiers.RECIPE, "least_steps", 20)
        patch.setenv("INFONOISE_CACHE", str(tmp_path / "cache"))
        yield


class OneImage(nn.Module):
    """Whatever the noise, the same image."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = nn.Parameter(image)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.image.expand_as(x)


def test_of_one_image_it_is_the_spread_of_the_real_ones_and_their_distance(runs: Path) -> None:
    """tr S + |m - f|^2; recall is 0, and precision 1 for a real image."""
    parts = load_parts(runs / "data.npz", Reading())
    sigmas = karras_grid(3, 0.002, 80.0)
    conditioning = partial(conditioning_of, Objective())
    watched = WatchedFrechet(
        parts.train, parts.held_out, Watching(fid_every=1), sigmas, conditioning
    )
    image = parts.held_out.x0(slice(1))
    found = watched(OneImage(image))
    cpu = torch.device("cpu")
    of = classifiers.trained_classifier(parts.train, cache_folder(None), cpu).features_of
    mean, covariance = moments(of(parts.held_out.x0(slice(None))))
    apart = (mean - of(image)[0].double()).square().sum()
    assert found["fd_clf_12"] == pytest.approx(float(covariance.trace() + apart), rel=1e-4)
    assert found["precision_clf_12"] == 1
    assert watched.floors["fd_clf_12"] > 0


def records(run: Path) -> dict[int, dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["evaluate"] for line in lines if "evaluate" in line}


def test_it_is_taken_when_due_and_stands_in_the_charts(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["train", str(runs / "data.npz"), "--out", str(run), *QUICK, "--steps", "9"]
    assert main([*words, "--eval-every", "2", "--fid-every", "3", "--save-every", "3"]) == 0
    found = records(run)
    # 3 and 6 are passed at the evaluations of 4 and 6; 9 is the end.
    assert [step for step in found if "fd_clf_12" in found[step]] == [4, 6, 9]
    assert list(found) == [2, 4, 6, 8, 9]
    assert all(0 <= found[9][name] <= 1 for name in ("precision_clf_12", "recall_clf_12"))
    assert "Fréchet distance (12)" in capsys.readouterr().out
    assert main(["report", str(run), "--steps", "2"]) == 0
    page = (run / "report.html").read_text()
    for name in ("fd_clf_12", "precision_clf_12", "recall_clf_12"):
        assert f"{name} of held-out examples during training" in page


def test_compare_measures_it_with_the_sampler_that_is_chosen(runs: Path, tmp_path: Path) -> None:
    found = {}
    for levels in ("3", "5"):
        out = tmp_path / levels
        words = ["compare", str(runs / "data.npz"), "--out", str(out), "--steps", "4",
                 "--batch-size", "8", "--schedules", "edm", "--network", "tiny"]  # fmt: skip
        more = ["--fid-every", "4", "--eval-solver", "euler", "--eval-levels", levels]
        assert main([*words, *more]) == 0
        results = json.loads((out / "results.json").read_text())
        (measure,) = (m for m in results["measures"] if m["name"] == "energy_12")
        assert f"(euler, {levels} levels)" in measure["explanation"]
        (arm,) = results["arms"]
        found[levels] = arm["evaluations"][-1]
        assert "Fréchet distance (12)" in (out / "report.html").read_text()
    assert found["3"]["bits_per_dim"] == found["5"]["bits_per_dim"]
    assert found["3"]["energy_12"] != found["5"]["energy_12"]
    assert found["3"]["fd_clf_12"] != found["5"]["fd_clf_12"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fid-every", "2"], "has no classes to train a classifier of; give --inception-weights"),
        (["--fid-every", "2", "--inception-weights", "no.pth"], "no.pth: no such file"),
        (["--inception-weights", "no.pth"], "says whose features --fid-every compares"),
        (["--eval-solver", "no"], "--eval-solver no: no such solver"),
        (["--fid-every", "2", "--fid-samples", "1"], "--fid-samples 1: give at least 2"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    data = tmp_path / "data.npz"
    np.savez(data, images=rng.integers(0, 256, (40, 8, 8), dtype=np.uint8))
    out = tmp_path / "run"
    assert main(["train", str(data), "--out", str(out), *QUICK, "--steps", "2", *words]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (out / "checkpoints").exists()
