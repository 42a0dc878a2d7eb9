"""A run is ours by its marker; nothing else is ever deleted, and one process writes at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.errors import InputError
from infonoise_core.folders.lock import LOCK_FILE, locked
from infonoise_core.folders.marker import MARKER_FILE, mark, marker_of
from infonoise_core.training.run_folder import Place, check_run, note_assets, open_run

SETTINGS: dict[str, Any] = {"command": "x train", "lr": 0.1}


def begin(out: Path, overwrite: bool = False, **more: Any) -> bool:
    return open_run(out, {**SETTINGS, **more}, overwrite=overwrite, finished="done.json")


FOREIGN = {
    "another program's": {"config.json": '{"model_type": "bert"}', "thesis.tex": "years of work"},
    "without settings": {"thesis.tex": "years"},
    "settings that are a list": {"config.json": "[]"},
    "damaged settings": {"config.json": "{", "thesis.tex": "years"},
    "a marker of others": {"config.json": "{}", MARKER_FILE: '{"format": "x"}'},
    "a marker of a version to come": {
        "config.json": "{}", MARKER_FILE: '{"format": "infonoise-folder", "version": 9}',
    },
    "a link": {},
}  # fmt: skip


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_others_is_never_touched_nor_called_a_run(
    tmp_path: Path, files: dict[str, str], overwrite: bool
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, content in files.items():
        (out / name).write_text(content)
    if not files:
        (out / "data").symlink_to(tmp_path)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(InputError) as caught:
        begin(out, overwrite)
    assert "--overwrite" not in str(caught.value)
    assert "other settings" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("kind", ["folder", "link", "current"])
def test_an_empty_folder_is_used_as_it_is(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    inode = real.stat().st_ino
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(real)
    out = {"folder": real, "link": tmp_path / "link", "current": Path()}[kind]
    for overwrite in (False, True, True):
        assert not begin(out, overwrite)
        assert real.stat().st_ino == inode
        assert (real / "config.json").is_file()
    assert (tmp_path / "link").is_symlink()


def test_a_run_is_replaced_whole_and_only_with_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert not begin(out)
    (out / "tokenizer").mkdir()
    (out / "tokenizer" / "x.model").write_text("x")
    note_assets(out)
    assert (marker_of(out) or {})["assets"] == ["tokenizer"]
    assert begin(out)
    with pytest.raises(InputError, match=r"lr was 0\.1 and is 0\.2.*or --overwrite"):
        begin(out, lr=0.2)
    (out / "checkpoints" / "step-00000001").mkdir(parents=True)
    assert not begin(out, overwrite=True, lr=0.2)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", MARKER_FILE]


def test_what_was_put_into_a_run_stops_its_replacement(tmp_path: Path) -> None:
    out = tmp_path / "run"
    begin(out)
    (out / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match=r"holds thesis\.tex, which no run wrote"):
        begin(out, overwrite=True)
    assert (out / "config.json").is_file()
    assert begin(out)  # it goes on all the same


def test_a_run_of_an_earlier_release_goes_on_and_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.json").write_text(json.dumps(SETTINGS))
    assert begin(out)
    assert not (out / MARKER_FILE).exists()
    with pytest.raises(InputError, match=r"has no infonoise\.json"):
        begin(out, overwrite=True)
    with pytest.raises(InputError, match="other settings") as caught:
        begin(out, lr=0.2)
    assert "--overwrite" not in str(caught.value)


def test_a_deletion_that_was_cut_short_is_taken_up(tmp_path: Path) -> None:
    out = tmp_path / "run"
    begin(out)
    (out / "metrics.jsonl").write_text("")
    (out / "config.json").unlink()
    assert not check_run(out, SETTINGS, overwrite=False, finished="done.json")
    assert not begin(out)
    assert not (out / "metrics.jsonl").exists()


HOLD = """
import os, sys
from pathlib import Path
from infonoise_core.errors import InputError
from infonoise_core.folders.lock import locked
try:
    with locked(Path(sys.argv[1])):
        print("held")
        if len(sys.argv) > 2:
            os._exit(9)
except InputError as error:
    print(error)
"""


def hold(out: Path, *words: str) -> str:
    command = [sys.executable, "-c", HOLD, str(out), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with locked(out):
        (out / "config.json").write_text("{}")
        assert f"process {os.getpid()} on " in hold(out)
    assert not (out / LOCK_FILE).exists()
    assert hold(out) == "held\n"
    assert not (out / LOCK_FILE).exists()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    hold(tmp_path, "die")
    assert (tmp_path / LOCK_FILE).exists()
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_folder_made_for_nothing_does_not_stay(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "new"):
        raise KeyError
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced", "emptied"])
def test_a_run_whose_folder_is_gone_is_told(tmp_path: Path, how: str) -> None:
    out = tmp_path / "run"
    begin(out)
    place = Place(out)
    place.check()
    if how == "emptied":
        (out / "config.json").unlink()
    else:
        out.rename(tmp_path / "elsewhere")
    if how == "replaced":
        begin(out)
    with pytest.raises(InputError, match="deleted or moved"):
        place.check()


def test_markers_that_are_none(tmp_path: Path) -> None:
    mark(tmp_path, "run", assets=["a"])
    assert (marker_of(tmp_path) or {})["kind"] == "run"
    content = (tmp_path / MARKER_FILE).read_text()
    for other in ("", "{}", "[]", content.replace("infonoise-folder", "x"), "[" * 9999):
        (tmp_path / MARKER_FILE).write_text(other)
        assert marker_of(tmp_path) is None
    (tmp_path / "real.json").write_text(content)
    (tmp_path / MARKER_FILE).unlink()
    (tmp_path / MARKER_FILE).symlink_to("real.json")
    assert marker_of(tmp_path) is None
