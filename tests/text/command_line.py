"""The command line as the tests call it, and options that make it quick."""

import shutil
from pathlib import Path
from typing import Any

from infonoise_text.cli import main

QUICK = ["--length", "12", "--batch-size", "8", "--steps", "6", "--save-every", "3"]
# A few levels, so that verbs take no time.
STEPS = ["--steps", "5"]


def run(capsys: Any, *argv: object) -> tuple[int, str, str]:
    code = main([str(a) for a in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def without_profiles(run: Path, copy: Path) -> Path:
    return shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*profile.json"))
