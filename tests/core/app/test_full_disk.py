"""A disk or a stream that is full while verbs write: one line, code 2, and nothing half-written."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.app import push as push_module
from infonoise_core.app.interface import run_program
from infonoise_sound.cli import INTERFACE

from .test_domain import FAST


def call(*words: object) -> int:
    return run_program(INTERFACE, [str(word) for word in words])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and what was pushed of it."""
    folder = tmp_path_factory.mktemp("full")
    assert call("train", "--out", folder / "run", *FAST) == 0
    assert call("push", folder / "run", folder / "pushed") == 0
    return folder


def full(*_: Any, **__: Any) -> None:
    """As writes end on a full disk: without the name of a file."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("words", "fill"),
    [
        (("push", "run", "new"), lambda patch: patch.setattr(push_module, "save_file", full)),
        (("pull", "pushed", "--out", "new"), lambda patch: patch.setattr(shutil, "copyfile", full)),
    ],
)
def test_a_full_disk_leaves_nothing_half_written(
    shared: Path,
    words: tuple[str, ...],
    fill: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(shared)
    before = sorted(shared.rglob("*"))
    fill(monkeypatch)
    assert call(*words) == 2
    error = capsys.readouterr().err
    assert "the disk is full" in error
    assert error.count("\n") == 1
    assert sorted(shared.rglob("*")) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_stream_is_one_line() -> None:
    with Path("/dev/full").open("w") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "infonoise_core", "--version"],
            stdout=stream, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
