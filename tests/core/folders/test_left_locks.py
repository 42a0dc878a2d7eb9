"""Locks that killed processes leave: taken away where none holds them."""

from pathlib import Path

import pytest

from infonoise_core.errors import InputError
from infonoise_core.folders.lock import LOCK_FILE, forget, locked
from infonoise_core.folders.marker import mark
from infonoise_core.training.run_folder import check_run


def test_a_lock_without_a_holder_goes(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text('{"pid": 1, "host": "gone"}')
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []
    forget(tmp_path)  # there is none


def test_a_lock_that_is_held_stays(tmp_path: Path) -> None:
    with locked(tmp_path):
        forget(tmp_path)
        assert (tmp_path / LOCK_FILE).exists()
        with pytest.raises(InputError, match="is writing there"), locked(tmp_path):
            pass


def test_a_run_that_was_killed_behind_its_last_word_is_finished_and_clean(tmp_path: Path) -> None:
    settings = {"command": "toy", "train": {"steps": 4}}
    mark(tmp_path, "run")
    (tmp_path / "config.json").write_text('{"command": "toy", "train": {"steps": 4}}')
    for name in ("done.json", LOCK_FILE):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="holds a finished run"):
        check_run(tmp_path, settings, overwrite=False, finished="done.json")
    assert not (tmp_path / LOCK_FILE).exists()
    assert (tmp_path / "done.json").exists()
