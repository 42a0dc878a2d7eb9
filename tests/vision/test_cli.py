"""The command line: help, version, and mistakes before any verb."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.app.interface import commands
from infonoise_core.config.parse import parse_options
from infonoise_core.sampling.solvers import SOLVERS
from infonoise_vision import __version__
from infonoise_vision.cli import main
from infonoise_vision.interface import INTERFACE

OPTIONS = {
    "train": ["--out", "--schedule", "--device", "--overwrite", "--size", "--sigma-min", "--weight",
              "--steps", "--batch-size", "--lr", "--seed", "--save-every", "--condition",
              "--condition-noise"],
    "sample": ["--out", "--samples", "--steps", "--solver", "--grid", "--seed", "--overwrite",
               "--label", "--seeds", "--guidance"],
    "inpaint": ["--out", "--mask", "--method", "--samples", "--label", "--steps", "--overwrite"],
    "upscale": ["--out", "--factor", "--method", "--samples", "--overwrite"],
    "translate": ["--out", "--samples", "--n", "--target", "--label", "--steps", "--overwrite"],
    "encode": ["--out", "--latent", "--rank", "--beta", "--data", "--steps", "--overwrite"],
    "reconstruct": ["--out", "--samples", "--run", "--steps", "--overwrite"],
    "prepare": ["--out", "--size", "--binarize", "--limit", "--bad-limit", "--overwrite",
                "--pair", "--side-by-side"],
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


# Option of today -> verb and its words with the name of the version before.
FORMER = {
    "samples": ("sample", ["run", "--out", "a.png", "--n", "3"]),
    "options.label": ("sample", ["run", "--out", "a.png", "--class", "3"]),
    "split": ("evaluate", ["run", "--reference", "train"]),
    "filling.samples": ("inpaint", ["run", "a.png", "--out", "b.png", "--each", "3"]),
    "filling.label": ("upscale", ["run", "a.png", "--out", "b.png", "--class", "3"]),
    "train.steps": ("train", ["--out", "run", "--updates", "3"]),
    "train.batch_size": ("train", ["--out", "run", "--batch", "3"]),
    "comparison.steps": ("compare", ["--updates", "3"]),
}


@pytest.mark.parametrize("option", FORMER)
def test_a_name_of_the_version_before_is_understood_and_its_new_one_said(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, words = FORMER[option]
    parsed = parse_options(commands(INTERFACE)[verb][0], "infonoise-vision", words)
    found: Any = parsed
    for part in option.split("."):
        found = getattr(found, part)
    assert str(found) in ("3", "train")
    name = option.rpartition(".")[2].replace("_", "-")
    assert f"is called --{name} now" in capsys.readouterr().err


def test_help_and_mistakes_need_no_torch() -> None:
    """Nor what draws, reads images or trains: `--help` answers at once."""
    script = """
import contextlib, io, sys
from infonoise_vision.cli import main
from infonoise_vision.interface import INTERFACE
for argv in (["--version"], ["--help"], ["train", "--help"], ["upscale", "--help"],
             ["sample", "run", "--smaples", "3"], ["train", "--out", "r", "--sigma-min", "-1"]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(argv)
heavy = {"torch", "numpy", "matplotlib", "PIL", "sklearn", "safetensors", "jinja2"}
print(sorted(heavy & set(sys.modules)))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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
