"""The edge of every command: mistakes end in one line and exit code 2."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from tyro.conf import Positional

from infonoise_core.errors import InputError, ToldError
from infonoise_core.training import command


@dataclass(frozen=True)
class Options:
    """A command."""

    source: Positional[str]
    """where from"""
    n: int = 3
    """how many"""


@dataclass(frozen=True)
class Config:
    """Another."""

    m: Annotated[int, "m"] = 1


def run(argv: list[str]) -> int:
    def refuse(options: Options) -> None:
        if options.n < 0:
            raise InputError(f"--n {options.n}:\n give 0 or more")

    return command.run("prog", "1.2.3", {"go": (Options, refuse), "stop": (Config, print)}, argv)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["go", "x", "--n", "-1"], "--n -1: give 0 or more"),
        (["go", "x", "--n", "three"], "--n"),
        (["go", "x", "--m", "3"], "--m"),
        (["go"], "where from (required)"),
        (["gone"], "gone"),
        ([], "go, stop"),
    ],
)
def test_mistakes_end_in_one_line_and_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    assert message in captured.err


def test_good_commands_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["go", "x"]) == 0
    assert run(["--version"]) == 0
    assert "prog 1.2.3" in capsys.readouterr().out
    assert run(["go", "--help"]) == 0
    assert "how many" in capsys.readouterr().out


@pytest.mark.parametrize(("local_rank", "lines"), [("0", 1), ("1", 0)])
def test_of_several_processes_one_tells_a_mistake_in_the_options(
    local_rank: str, lines: int, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    code = command.run("prog", "1.2.3", {"go": (Options, print)}, ["go", "--weather", "3"])
    assert code == 2
    assert capsys.readouterr().err.count("\n") == lines


def test_what_another_process_tells_is_not_said_again(capsys) -> None:
    def refuse(config: Any) -> None:
        raise ToldError("as the first one says")

    assert command.run("prog", "1", {"go": (Options, refuse)}, ["go", "here"]) == 2
    assert capsys.readouterr().err == ""
