"""The command line: help, version, and mistakes before any verb."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infonoise_core.sampling.solvers import SOLVERS
from infonoise_vision import __version__
from infonoise_vision.cli import main

OPTIONS = {
    "train": ["--out", "--schedule", "--device", "--overwrite", "--size", "--sigma-min", "--weight",
              "--steps", "--batch-size", "--lr", "--seed", "--save-every", "--condition",
              "--condition-noise"],
    "sample": ["--out", "--n", "--steps", "--solver", "--grid", "--seed", "--overwrite", "--class",
               "--seeds", "--guidance"],
    "inpaint": ["--out", "--mask", "--method", "--each", "--class", "--steps", "--overwrite"],
    "upscale": ["--out", "--factor", "--method", "--each", "--overwrite"],
    "prepare": ["--out", "--size", "--binarize", "--limit", "--bad-limit", "--overwrite"],
    "report": ["--out", "--data", "--overwrite"],
    "evaluate": ["--data", "--samples", "--device", "--cache", "--inception-weights", "--complete"],
    "profile": ["--out", "--overwrite", "--by", "--gap", "--draws"],
    "compare": ["--out", "--schedules", "--budget", "--steps", "--seeds", "--seed", "--overwrite",
                "--size", "--sigma-max"],
}  # fmt: skip


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_names_every_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for option in OPTIONS[verb]:
        assert re.search(rf"{option}\b", captured.out), option
    if verb == "sample":
        shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", captured.out).split())
        assert all(solver in shown for solver in SOLVERS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"infonoise-vision {__version__}\n"


MISTAKES: list[tuple[list[str], list[str]]] = [
    ([], ["train", "compare"]),
    (["learn"], ["learn"]),
]  # fmt: skip


@pytest.mark.parametrize(("argv", "words"), MISTAKES, ids=lambda value: " ".join(value))
def test_a_mistake_ends_in_one_line_and_changes_nothing(
    refused: Callable[[list[str], list[str]], None], argv: list[str], words: list[str]
) -> None:
    refused(argv, words)


def test_a_mistake_seen_from_outside(world: Path) -> None:
    command = [sys.executable, "-m", "infonoise_vision.cli", "compare", "broken", "--out", "new"]
    done = subprocess.run(command, cwd=world, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "003.png" in done.stderr
    assert done.stderr.count("\n") == 1
