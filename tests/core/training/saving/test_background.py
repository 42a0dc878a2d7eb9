"""Checkpoints that are written while training goes on."""

import errno
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_core.folders.names import CHECKPOINTS
from infonoise_core.training import checkpoint
from infonoise_core.training.saving import writing
from infonoise_core.training.saving.background import Saver
from infonoise_core.training.saving.contents import Contents, Peers, Written

from ..test_faults import SETTINGS, assert_same_bits
from ..training_run import Job


def run(out: Path, save_async: bool) -> None:
    Job(str(out), SETTINGS, {"save_async": save_async}).run()


def test_a_run_leaves_the_same_files(tmp_path: Path) -> None:
    for save_async in (False, True):
        run(tmp_path / str(save_async), save_async)
    assert_same_bits(tmp_path / "True", tmp_path / "False", 75)


def test_a_disk_that_is_full_ends_the_run_in_a_line_and_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Contents.write

    def write(contents: Contents, *arguments: Any) -> Written:
        found = written(contents, *arguments)
        if threading.current_thread() is not threading.main_thread() and failing:
            found.problem = OSError(errno.ENOSPC, "No space left on device")
        failing.append(True)
        return found

    failing: list[bool] = []
    monkeypatch.setattr(Contents, "write", write)
    with pytest.raises(InputError, match="disk is full; make room") as error:
        run(tmp_path / "run", save_async=True)
    assert "\n" not in str(error.value)
    # The second failed; the third never began, or was the one that told.
    assert checkpoint.steps(tmp_path / "run" / CHECKPOINTS) == [25]
    assert not list((tmp_path / "run" / CHECKPOINTS).glob(".writing-*"))
    monkeypatch.undo()
    run(tmp_path / "run", save_async=True)
    run(tmp_path / "whole", save_async=False)
    assert_same_bits(tmp_path / "run", tmp_path / "whole", 75)


def test_one_is_on_its_way_at_a_time_and_tensors_are_copies(tmp_path: Path) -> None:
    saver, go = Saver(Peers(), apart=True), threading.Event()
    value = torch.zeros(3)
    started = writing.Writing(tmp_path, 1, {"state": {"a": value}}, {})

    def finish(tensors: Any, peers: Peers) -> None:
        go.wait(60)
        started.finish(tensors, peers)

    saver.start(started, finish)
    value += 1
    assert checkpoint.steps(tmp_path) == []
    go.set()
    saver.wait()
    assert not saver.failed
    _, parts = checkpoint.load(checkpoint.path_of(tmp_path, 1))
    assert parts["state"]["a"].tolist() == [0, 0, 0]
