"""Averages of other widths, made of a run that kept its own."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from infonoise_core.app.interface import run_program
from infonoise_core.commands import cli
from infonoise_core.training import checkpoint
from infonoise_sound.cli import INTERFACE

FAST = ("--batch-size", 8, "--save-every", 10, "--eval-every", 0, "--lr-warmup", 2, "--keep", 1)


def train(*words: object) -> int:
    return run_program(INTERFACE, [str(word) for word in ("train", *words, *FAST)])


def ema(*words: object) -> int:
    return cli.main(["ema", *map(str, words)])


def averaged(run: Path, step: int) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = checkpoint.load(checkpoint.path_of(run / "checkpoints", step))[
        1
    ]["ema"]
    return state


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("sounds") / "run"
    assert train("--out", run, "--steps", 40, "--snapshot-every", 10, "--ema", 0.1) == 0
    return run


def test_snapshots_stay_and_only_they(snapshots: Path) -> None:
    assert checkpoint.steps(snapshots / "checkpoints") == [40, 30, 20, 10]


def test_a_width_is_that_of_a_run_which_had_it(
    snapshots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path of the weights does not depend on their average; so it is the same run."""
    other, model = tmp_path / "other", tmp_path / "model"
    assert train("--out", other, "--steps", 40, "--ema", 0.07) == 0
    assert ema(snapshots, "--width", 0.07, "--out", model) == 0
    assert "its profile is off by" in capsys.readouterr().out
    found, wanted = load_file(model / "model.safetensors"), averaged(other, 40)
    kept = averaged(snapshots, 40)
    # Nearer by far than the average that was there.
    apart = sum(float((found[k] - v).square().sum()) for k, v in wanted.items()) ** 0.5
    before = sum(float((kept[k] - v).square().sum()) for k, v in wanted.items()) ** 0.5
    assert apart < 0.1 * before
    # Every verb takes it.
    words = ["sample", str(model), "--out", str(tmp_path / "s.npy"), "--samples", "2"]
    assert run_program(INTERFACE, words) == 0


def test_at_an_earlier_step(snapshots: Path, tmp_path: Path) -> None:
    """The width that was kept, at a step that was kept, is what was kept."""
    model = tmp_path / "model"
    assert ema(snapshots, "--width", 0.1, "--step", 30, "--out", model) == 0
    for name, value in averaged(snapshots, 30).items():
        torch.testing.assert_close(load_file(model / "model.safetensors")[name], value)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--width", 0.01), "comes no nearer than"),
        (("--width", 0.3), "lies between 0 and 0.28"),
        (("--width", 0.1, "--step", 50), "up to step 40"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_line(
    snapshots: Path, tmp_path: Path, words: tuple[object, ...], complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert ema(snapshots, *words, "--out", tmp_path / "model") == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_snapshots_go_on_with_the_run(snapshots: Path, tmp_path: Path) -> None:
    """Cut in two, the second average has the same bits."""
    run = tmp_path / "run"
    words = ("--out", run, "--snapshot-every", 10, "--ema", 0.1, "--schedule-steps", 40)
    assert train(*words, "--steps", 20) == 0
    assert train(*words, "--steps", 40) == 0
    found, wanted = (
        checkpoint.load(checkpoint.path_of(r / "checkpoints", 40))[1]["narrow"]
        for r in (run, snapshots)
    )
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
