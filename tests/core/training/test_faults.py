"""Runs that are killed, told to stop, out of disk or out of range lose only what they say."""

import contextlib
import errno
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.training import checkpoint, interrupt
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.data.order import Order
from infonoise_core.training.loop import train
from infonoise_core.training.saving import writing
from infonoise_core.training.task import Batch

from .training_run import Corners, Job, finish, launch, schedule, told

SETTINGS: dict[str, Any] = {
    "steps": 75, "batch_size": 32, "log_every": 100, "save_every": 25, "lr_warmup": 5,
}  # fmt: skip


def run(out: Path, task: Corners | None = None, **changes: Any) -> nn.Module:
    config = TrainConfig(**{**SETTINGS, **changes})
    return train(task or Corners(), schedule(), config, out).denoiser


def records(out: Path) -> list[dict[str, Any]]:
    """The lines of the metrics, but for densities."""
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if "density" not in line]


def assert_same_bits(out: Path, other: Path, step: int) -> None:
    """Equal files: the checkpoint of a step, the metrics, the profile."""
    folder = checkpoint.path_of(Path(CHECKPOINTS), step)
    parts = [folder / f"{part}.safetensors" for part in ("model", "ema", "state")]
    for file in (*parts, Path("profile.json")):
        assert (out / file).read_bytes() == (other / file).read_bytes(), file
    assert told(out) == told(other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    run(out)
    return out


def test_sigterm_saves_and_ends_with_code_0(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (error,) = finish(launch([Job(str(out), SETTINGS, term_at=41)]))
    assert error.splitlines() == [
        "stopped by SIGTERM: saved step 41 of 75; the same command goes on from there"
    ]
    assert checkpoint.steps(out / CHECKPOINTS)[0] == 41
    run(out)
    assert_same_bits(out, whole, 75)


def test_sigterm_is_taken_in_the_main_thread_only_and_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interrupt.asked_to_stop() as flag:
        assert not flag.raised
        signal.raise_signal(signal.SIGTERM)
        assert flag.raised
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Filler(Corners):
    """Fills the disk at one step."""

    def __init__(self, at: int, file: Path) -> None:
        super().__init__()
        self.at, self.file = at, file

    def batch(self, index: np.ndarray) -> Batch:
        if self.calls == self.at:
            with self.file.open("wb", buffering=0) as file:
                for size in (65536, 1024, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(bytes(size))
        return super().batch(index)


@pytest.mark.parametrize(("log_every", "filled_at"), [(100, 30), (1, 30), (100, 3)])
def test_a_full_disk_loses_nothing(
    small_disk: Path, tmp_path: Path, log_every: int, filled_at: int
) -> None:
    """It fills before a checkpoint, before a line of metrics, or before there is any checkpoint."""
    out, other = small_disk / "run", tmp_path / "other"
    with pytest.raises(InputError, match="disk is full; make room and give the same command again"):
        run(out, Filler(filled_at, small_disk / "film.mkv"), log_every=log_every)
    steps = [25] if filled_at > 25 else []
    assert checkpoint.steps(out / CHECKPOINTS) == steps
    assert not list((out / CHECKPOINTS).glob(".writing-*"))
    (small_disk / "film.mkv").unlink()
    run(out, log_every=log_every)
    run(other, log_every=log_every)
    assert_same_bits(out, other, 75)


def test_a_write_that_fails_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, 1, {"state": {"a": torch.ones(2)}}, {})

    def fail(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "flush", fail)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, 2, {"state": {"a": torch.ones(2)}}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    checkpoint.check(tmp_path / "step-00000001")


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    file = checkpoint.path_of(out / CHECKPOINTS, 75) / "ema.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    run(out)
    assert "step-00000075 is damaged" in capsys.readouterr().err
    assert_same_bits(out, whole, 75)


def test_a_run_without_a_whole_checkpoint_is_not_started_over(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    for step in checkpoint.steps(out / CHECKPOINTS):
        (checkpoint.path_of(out / CHECKPOINTS, step) / "manifest.json").unlink()
    with pytest.raises(InputError, match="no checkpoint there is whole"):
        run(out)
    assert (out / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()


def test_a_loss_that_is_not_finite_skips_its_step(tmp_path: Path) -> None:
    """Nothing of the step is left: neither in the weights nor in Adam's moments and its count."""
    run(tmp_path / "plain", steps=24)
    run(tmp_path / "nan", Corners(nan_at=[25]), steps=25, log_every=1)
    before = checkpoint.load(checkpoint.path_of(tmp_path / "plain" / CHECKPOINTS, 24))[1]
    after = checkpoint.load(checkpoint.path_of(tmp_path / "nan" / CHECKPOINTS, 25))[1]
    for name, weight in before["model"].items():
        assert torch.equal(weight, after["model"][name])
    for name, state in before["state"]["optimizer"].items():
        for key, value in state.items():
            assert torch.equal(value, after["state"]["optimizer"][name][key])
    assert records(tmp_path / "nan")[-1]["skipped"] == 1
    assert "loss" not in records(tmp_path / "nan")[-1]


def test_steps_that_are_skipped_are_counted_and_training_goes_on(tmp_path: Path) -> None:
    run(tmp_path, Corners(nan_at=[20, 21, 40]), log_every=25)
    assert [r.get("skipped", 0) for r in records(tmp_path)] == [2, 1, 0]
    assert all(np.isfinite(r["loss"]) for r in records(tmp_path))


def test_too_many_in_a_row_end_the_run(tmp_path: Path) -> None:
    nan_at = [*range(5, 8), *range(30, 34)]
    with pytest.raises(InputError, match=r"4 updates in a row before step 50.*lower --lr"):
        run(tmp_path, Corners(nan_at=nan_at), log_every=25, skip_limit=4)
    assert checkpoint.steps(tmp_path / CHECKPOINTS) == [25]


@pytest.mark.slow
@pytest.mark.parametrize("save_async", [False, True])
def test_thirty_kills_change_nothing(save_async: bool, tmp_path: Path) -> None:
    settings = {**SETTINGS, "steps": 1500, "log_every": 10, "save_every": 5}
    job = Job(str(tmp_path / "killed"), settings, {"save_async": save_async}, log=True)
    script = Path(__file__).with_name("killing_run.py")
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(asdict(job)), "30"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run(tmp_path / "whole", **settings)
    assert_same_bits(tmp_path / "killed", tmp_path / "whole", 1500)
    # The log of indices: what was seen after the checkpoint a start went on from is seen again.
    seen: list[str] = []
    starts = 0
    for line in (tmp_path / "killed.seen").read_text().splitlines():
        if line.startswith("start "):
            starts += 1
            done_before = int(line.split()[1])
            assert done_before <= len(seen)
            seen = seen[:done_before]
        else:
            seen.append(line)
    indices = [i for line in seen for i in json.loads(line)]
    assert indices == Order(50, 0).indices(0, 1500 * 32).tolist()
    # A kill may come before a start is noted.
    assert 15 < starts <= 31


def test_a_second_ctrl_c_ends_at_once_and_the_first_only_asks() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupt.asked_to_stop() as flag:
        signal.raise_signal(signal.SIGINT)
        assert flag.raised
        assert flag.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_that_a_launcher_passes_on_again_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with interrupt.asked_to_stop() as flag:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert flag.raised
        monkeypatch.setattr(interrupt, "_APART", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
