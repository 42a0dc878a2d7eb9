"""The edge of every command: mistakes end in one line and exit code 2."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from tyro.conf import Positional

from infonoise_core.app import command
from infonoise_core.errors import InputError, ReportedError


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


@dataclass(frozen=True)
class Out:
    """One that writes a folder."""

    out: Path
    """where to"""


@pytest.mark.parametrize(
    ("name", "begun", "goes_on"),
    [
        ("train", "checkpoints/step-00000010", True),
        ("compare", "runs/a-0/checkpoints/step-00000010", True),
        ("train", "checkpoints", False),
        ("train", "", False),
        ("go", "checkpoints/step-00000010", False),
    ],
)
def test_an_interruption_says_what_is_true(
    name: str, begun: str, goes_on: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / begun).mkdir(parents=True)

    def interrupt(_: Out) -> None:
        raise KeyboardInterrupt

    commands = dict.fromkeys(("train", "compare", "go"), (Out, interrupt))
    assert command.run("prog", "1", commands, [name, "--out", str(tmp_path / "out")]) == 130
    told = capsys.readouterr().err
    assert told.startswith("interrupted")
    assert ("goes on from the last checkpoint" in told) is goes_on


def test_a_launcher_starts_nothing_but_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Any] = []
    commands = {"train": (Config, ran.append), "go": (Config, ran.append)}
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, words in (("0", "prog go runs in one process"), ("1", "")):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert command.run("prog", "1.2.3", commands, ["go"]) == 2
        captured = capsys.readouterr()
        assert (words in captured.err) if words else captured.err == ""
        assert command.run("prog", "1.2.3", commands, ["train"]) == 0
    assert len(ran) == 2
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert command.run("prog", "1.2.3", commands, ["go"]) == 0


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
        raise ReportedError("as the first one says")

    assert command.run("prog", "1", {"go": (Options, refuse)}, ["go", "here"]) == 2
    assert capsys.readouterr().err == ""


def test_what_a_command_names_by_text_is_imported_when_it_runs() -> None:
    commands = {"go": (f"{__name__}:Options", "builtins:print"), "stop": (Config, "no.module:f")}
    assert command.run("prog", "1.2.3", commands, ["go", "--help"]) == 0
    assert command.run("prog", "1.2.3", commands, ["stop", "--help"]) == 0
    with pytest.raises(ModuleNotFoundError, match="no"):
        command.run("prog", "1.2.3", commands, ["stop"])
