"""Settings of a run: durations, what makes no sense, and folders that are never lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.config.quantities import parse_duration
from infonoise_core.config.tree import settings_of
from infonoise_core.errors import InputError
from infonoise_core.training.run_folder import open_run, read_run

from ..two_points import CONFIG


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("3m", 180), ("1.5h", 5400), ("7", 7), (" 2 m ", 120)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "3d", "-1m", "0s", "fast"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="give a time"):
        parse_duration(text)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"grad_clip": -1.0},
        {"ema": 0.5},
        {"seed": -1},
        {"skip_limit": 0},
        {"ema_decay": 1.0},
        {"ema_half_life": -1.0},
        {"ema_half_life": 9.0, "ema_decay": 0.9},
        {"target": "nats"},
        {"target": "nats=low"},
        {"target": "=3"},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    name = next(iter(change)).replace("_", "-")
    with pytest.raises(InputError, match=f"--{name}"):
        replace(CONFIG, **change)


def test_output_folders_are_never_lost(tmp_path: Path) -> None:
    out, settings_ = tmp_path / "run", settings_of(CONFIG)
    assert not open_run(out, settings_, overwrite=False, finished="done")
    assert read_run(out) == settings_
    assert open_run(out, settings_, overwrite=False, finished="done")
    with pytest.raises(InputError, match="steps was 60 and is 61"):
        open_run(out, {**settings_, "steps": 61}, overwrite=False, finished="done")
    (out / "done").touch()
    with pytest.raises(InputError, match="finished run"):
        open_run(out, settings_, overwrite=False, finished="done")
    assert not open_run(out, settings_, overwrite=True, finished="done")
    assert not (out / "done").exists()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="stranger"):
            open_run(stranger, settings_, overwrite=overwrite, finished="done")
    assert (stranger / "thesis.tex").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        open_run(tmp_path / "file", settings_, overwrite=True, finished="done")
