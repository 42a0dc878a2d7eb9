"""The command line as the tests call it, and options that make it quick."""

import shutil
from pathlib import Path
from typing import Any

from infonoise_core.app.trained import open_trained
from infonoise_text.cli import main
from infonoise_text.interface import INTERFACE
from infonoise_text.methods.trained import TextRun

QUICK = ["--length", "12", "--batch-size", "8", "--steps", "6", "--save-every", "3"]
# A few levels, so that verbs take no time.
STEPS = ["--steps", "5"]


def run(capsys: Any, *argv: object) -> tuple[int, str, str]:
    code = main([str(a) for a in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def without_profiles(run: Path, copy: Path) -> Path:
    return shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*profile.json"))


def opened(run: Path) -> TextRun:
    return TextRun.of(open_trained(INTERFACE.load(), run, "cpu"))
