"""Whatever a user, a machine or a file can cause ends in one line and 2; a bug of ours does not."""

import errno
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass

import pytest

from infonoise_core.app import command
from infonoise_core.mistakes import one_line

RUN = """
import sys
from dataclasses import dataclass
from infonoise_core.app import command

@dataclass(frozen=True)
class Options:
    '''A command.'''

    n: int = 0
    '''how many'''

def go(options):
    {body}

sys.exit(command.run("prog", "1", {{"go": (Options, go), "train": (Options, go)}}))
"""


@dataclass(frozen=True)
class Options:
    """A command."""

    n: int = 0
    """how many"""


def _deep() -> object:
    return json.loads("[" * 200_000)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: the disk is full"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("something without a number"), "something without a number"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "the port is taken"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"
                      " allocate 1 bytes."), "not enough memory"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deep"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "not UTF-8 at byte 0"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), "cannot be written"),
        (OverflowError("int too large to convert to float"), "a number is too large"),
        (ValueError("Exceeds the limit (4300 digits) for integer string conversion"), "digits"),
        (zipfile.BadZipFile("Bad magic number"), "damaged"),
        (EOFError("Compressed file ended"), "damaged"),
    ],
)  # fmt: skip
def test_each_is_one_line_and_2(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Options) -> None:
        raise error

    assert command.run("prog", "1", {"go": (Options, fail)}, ["go"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), RuntimeError("x")])
def test_a_bug_of_ours_is_not_hidden(error: Exception) -> None:
    assert one_line(error) is None

    def fail(_: Options) -> None:
        raise error

    with pytest.raises(type(error)):
        command.run("prog", "1", {"go": (Options, fail)}, ["go"])


def _finished(body: str, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN.format(body=body), "go"],
        check=False, capture_output="stdout" not in how, text=True, timeout=60, **how,  # type: ignore[call-overload]
    )  # fmt: skip


def test_a_full_standard_output_is_told_and_python_adds_nothing() -> None:
    with open("/dev/full", "w") as full:
        ended = _finished("print('x' * 10)", stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "error: standard output: the disk is full (No space left on device); make room, or give a"
        " path on another disk"
    ]


def test_a_full_standard_error_changes_no_exit_code() -> None:
    with open("/dev/full", "w") as full:
        ended = _finished("raise MemoryError", stdout=subprocess.DEVNULL, stderr=full)
    assert ended.returncode == 2


def test_control_characters_of_an_error_are_shown() -> None:
    ended = _finished("open('/no/such/\\x1b[2J')")
    assert ended.returncode == 2
    assert "\x1b" not in ended.stderr
    assert "/no/such/\\x1b[2J: No such file" in ended.stderr


def test_sigterm_lets_what_is_half_written_vanish(tmp_path) -> None:
    body = (
        "import os, pathlib, signal; from infonoise_core.files import whole_file\n"
        f"    with whole_file(pathlib.Path({str(tmp_path / 'out')!r})) as t:\n"
        "        t.write_text('x'); os.kill(os.getpid(), signal.SIGTERM)"
    )
    ended = _finished(body)
    assert ended.returncode == 143
    assert not list(tmp_path.iterdir())
    assert "Traceback" not in ended.stderr
