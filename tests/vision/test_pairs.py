"""Images drawn from their pairs, by every verb, plain and in stages."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_vision.cli import main
from infonoise_vision.domain import open_run
from infonoise_vision.models.conditions import ConditionedDenoiser
from infonoise_vision.models.staged import StagedDenoiser

SIDE, N = 16, 64


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey blobs, and beside each a coloured image of it, in two folders."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for i in range(N):
        centre, width = rng.uniform(4, 12, 2), rng.uniform(2, 5)
        blob = 255 * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2))
        colour = rng.uniform(0.5, 1, 3)
        save(folder / "colour" / f"class{i % 2}" / f"{i}.png", blob[..., None] * colour)
        save(folder / "grey" / f"class{i % 2}" / f"{i}.png", blob)
    return folder


TRAINING = [
    "--condition", "pair", "--steps", "8", "--batch-size", "8", "--eval-every", "0",
    "--save-every", "4", "--network", "tiny", "--device", "cpu",
]  # fmt: skip
KINDS = {"plain": ["--augment", "0.1"], "staged": ["--stages", "1", "--conditional"]}


@pytest.fixture(scope="module")
def runs(data: Path) -> Path:
    pairs = ["--pair", str(data / "grey")]
    assert main(["prepare", str(data / "colour"), *pairs, "--out", str(data / "prepared")]) == 0
    for name, options in KINDS.items():
        argv = ["train", str(data / "prepared"), "--out", str(data / name), *TRAINING]
        assert main([*argv, *options]) == 0
    return data


def test_what_was_trained(runs: Path) -> None:
    assert isinstance(open_run(runs / "plain", "cpu").denoiser, ConditionedDenoiser)
    staged = open_run(runs / "staged", "cpu")
    assert isinstance(staged.denoiser, StagedDenoiser)
    assert staged.pair_channels == staged.denoiser.pair == 1
    assert float(staged.denoiser.pair_filters.abs().max()) > 0


@pytest.mark.parametrize("kind", [*KINDS])
def test_translate(
    runs: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [runs / "grey" / "class0" / f"{i}.png" for i in (0, 2)]
    argv = ["translate", str(runs / kind), *map(str, few), "--steps", "4", "--device", "cpu"]
    target = ["--target", str(runs / "colour" / "class0")]
    assert main([*argv, "--out", str(tmp_path / "out"), "--n", "3", *target]) == 0
    said = capsys.readouterr().out
    assert "6 images of 2 pictures" in said
    assert "nearest of 3" in said
    names = [f"{name}-{i}.png" for name in (0, 2) for i in (1, 2, 3)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    first, second = (np.asarray(Image.open(tmp_path / "out" / f"0-{i}.png")) for i in (1, 2))
    assert first.shape == (SIDE, SIDE, 3)
    assert (first != second).any()
    # A picture's images do not depend on what stands beside it.
    one = ["translate", str(runs / kind), str(few[0]), "--steps", "4", "--device", "cpu"]
    assert main([*one, "--out", str(tmp_path / "one"), "--samples", "3"]) == 0
    again = np.asarray(Image.open(tmp_path / "one" / "0-1.png"))
    assert np.abs(again.astype(int) - first).max() <= 1
    # In the grid: the picture, its target, its images.
    grid = ["--out", str(tmp_path / "grid.png"), "--samples", "2", "--guidance", "2"]
    assert main([*argv, *grid, *target]) == 0
    with Image.open(tmp_path / "grid.png") as sheet:
        zoom = sheet.width // (4 * (SIDE + 1) + 1)
        shown = np.asarray(sheet.convert("RGB"))[::zoom, ::zoom]
    assert shown.shape[:2] == (2 * (SIDE + 1) + 1, 4 * (SIDE + 1) + 1)
    assert np.array_equal(shown[1 : SIDE + 1, 1 : SIDE + 1, 1], np.asarray(Image.open(few[0])))
    true = np.asarray(Image.open(runs / "colour" / "class0" / "0.png"))
    assert np.array_equal(shown[1 : SIDE + 1, SIDE + 2 : 2 * SIDE + 2], true)


def test_the_pair_has_a_say(runs: Path, tmp_path: Path) -> None:
    """Another picture from the same noise gives another image."""
    found = []
    for i in (0, 2):
        save(tmp_path / "in.png", np.asarray(Image.open(runs / "grey" / "class0" / f"{i}.png")))
        argv = ["translate", str(runs / "staged"), str(tmp_path / "in.png"), "--steps", "4"]
        assert main([*argv, "--out", str(tmp_path / f"out{i}"), "--device", "cpu"]) == 0
        found.append(np.asarray(Image.open(tmp_path / f"out{i}" / "in.png")))
    assert (found[0] != found[1]).any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS])
def test_the_other_verbs(
    runs: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, quick = str(runs / kind), ["--steps", "4", "--device", "cpu"]
    options = ["--samples", "8", "--best-of", "2", "--bound-images", "8", *quick]
    assert main(["evaluate", run, *options, "--cache", str(tmp_path / "cache")]) == 0
    tables = json.loads((runs / kind / "evaluation.json").read_text())["tables"]
    pairs = next(table for table in tables if table["name"] == "pairs")
    names = {row["name"] for row in pairs["rows"]}
    assert {"rmse_one_8", "rmse_best_of_2_8", "apart_8", "information_nats"} <= names
    assert main(["profile", run, "--gap", "--draws", "4"]) == 0
    assert "gap" in capsys.readouterr().out
    assert main(["report", run, *quick, "--out", str(tmp_path / "report.html")]) == 0
    if kind == "staged":
        assert main(["profile", run, "--births", "--draws", "8"]) == 0
        assert "all births" in capsys.readouterr().out
    assert main(["push", run, str(tmp_path / "model")]) == 0
    assert main(["pull", str(tmp_path / "model"), "--out", str(tmp_path / "pulled")]) == 0
    picture = str(runs / "grey" / "class0" / "0.png")
    argv = ["translate", str(tmp_path / "pulled"), picture, *quick]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 0


@pytest.mark.slow
def test_it_goes_on_as_if_it_had_not_stopped(runs: Path, tmp_path: Path) -> None:
    argv = ["train", str(runs / "prepared"), *TRAINING, *KINDS["staged"]]
    assert main([*argv, "--steps", "12", "--out", str(runs / "staged-whole")]) == 0
    assert main([*argv, "--out", str(runs / "staged-half")]) == 0
    assert main([*argv, "--steps", "12", "--out", str(runs / "staged-half")]) == 0
    whole, half = (open_run(runs / f"staged-{name}", "cpu").denoiser for name in ("whole", "half"))
    for name, tensor in whole.state_dict().items():
        assert tensor.equal(half.state_dict()[name]), name


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["sample", "plain", "--out", "x.png"], "draw from pictures with translate"),
        (["inpaint", "plain", "grey/class0/0.png", "--out", "x"], "give one for regions"),
        (["translate", "plain", "grey/class0/0.png", "--out", "x", "--target",
          "colour/class1"], "holds no picture called 0"),
        (["translate", "plain", "grey/class0/0.png", "grey/class0", "--out", "x"],
         "two pictures are called 0"),
        (["train", "colour", "--out", "x", "--condition", "pair", "--steps", "1"], "have no pairs"),
        (["train", "prepared", "--out", "x", "--condition", "pair", "--stages", "1",
          "--condition-noise", "1"], "never noised"),
        (["evaluate", "plain", "--complete", "pair"], "nothing can be completed"),
        (["evaluate", "plain", "--best-of", "0"], "at least 1"),
    ],
)  # fmt: skip
def test_mistakes_end_in_one_line(
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(runs)
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("error: ")
    assert not Path("x").exists()
