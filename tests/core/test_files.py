"""Files and folders are there whole or not at all; a JSON file says what is wrong with it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infonoise_core.errors import InputError
from infonoise_core.files import (
    check_output,
    is_temporary,
    read_json,
    whole_file,
    whole_folder,
    write_json,
    write_text,
)


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def fail(out, error):
    with whole_folder(out) as draft:
        (draft / "new").write_text("1")
        raise error


def test_a_folder_appears_when_it_is_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with whole_folder(out) as draft:
        (draft / "a").write_text("1")
        assert not out.exists()
    assert content(out) == {"a": "1"}
    assert list(out.parent.iterdir()) == [out]


def test_it_takes_the_place_of_an_old_one(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("0")
    with whole_folder(out) as draft:
        (draft / "new").write_text("1")
        assert content(out) == {"old": "0"}
    assert content(out) == {"new": "1"}
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path, error):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("0")
    with pytest.raises(error):
        fail(out, error)
    assert content(out) == {"old": "0"}
    assert list(tmp_path.iterdir()) == [out]


def test_what_a_killed_process_had_put_aside_comes_back(tmp_path):
    # Killed between the two renames: the old folder is aside, the new one not yet in its place.
    aside = tmp_path / ".out.replaced"
    aside.mkdir()
    (aside / "old").write_text("0")
    out = tmp_path / "out"
    with pytest.raises(ArithmeticError):
        fail(out, ArithmeticError)
    assert content(out) == {"old": "0"}
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_appears_when_it_is_whole(tmp_path):
    out = tmp_path / "deep" / "out.txt"
    with whole_file(out) as draft:
        draft.write_text("1")
        assert is_temporary(draft)
        assert not out.exists()
    assert content(out.parent) == {"out.txt": "1"}


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path, error):
    out = tmp_path / "out.txt"
    out.write_text("old")

    def fail():
        with whole_file(out) as draft:
            draft.write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert content(tmp_path) == {"out.txt": "old"}


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def fail():
        with whole_file(tmp_path / "out"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"out: cannot be written \(No space left on device\)"):
        fail()
    assert content(tmp_path) == {}


def test_an_error_of_what_is_read_meanwhile_stays_what_it_is(tmp_path):
    def fail():
        with whole_file(tmp_path / "out"):
            (tmp_path / "missing").read_text()

    with pytest.raises(FileNotFoundError):
        fail()


def test_a_device_is_never_replaced():
    with pytest.raises(InputError, match="no plain file"), whole_file(Path(os.devnull)):
        pass
    with pytest.raises(InputError, match="no plain file"):
        check_output(Path(os.devnull), overwrite=True)


def test_writing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    write_text(tmp_path / "link", "1")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "there") == {"file": "1"}


KILLED = """
import os, pathlib, signal, sys
from infonoise_core.files import whole_file
with whole_file(pathlib.Path(sys.argv[1])) as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_left_is_known_and_goes_with_the_next_writing(tmp_path):
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    (left,) = tmp_path.iterdir()
    assert is_temporary(left)
    write_text(out, "1")
    assert content(tmp_path) == {"out": "1"}


def test_json_returns_and_paths_become_text(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5], "c": Path("d")})
    assert read_json(tmp_path / "a.json", "write it again") == {"b": [1, 2.5], "c": "d"}


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff{}", b"[1]", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_damaged_json_is_one_line_with_the_fix(tmp_path, damage):
    path = tmp_path / "a.json"
    path.write_bytes(damage)
    with pytest.raises(InputError) as refused:
        read_json(path, "write it again")
    assert str(refused.value) == f"{path}: damaged; write it again"


def test_missing_json_is_one_line_with_the_fix(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(No such .*; write it again"):
        read_json(tmp_path / "a.json", "write it again")


def test_output_that_stands_in_the_way_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text(json.dumps(1))
    check_output(tmp_path / "new", overwrite=False)
    check_output(file, overwrite=True)
    for out, message in (
        (file, "exists: give another name or --overwrite"),
        (tmp_path, "is a folder: give a file name"),
        (file / "new", "is a file; give another folder"),
    ):
        with pytest.raises(InputError, match=message):
            check_output(out, overwrite=False)
