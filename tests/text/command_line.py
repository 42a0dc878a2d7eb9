"""The command line as the tests call it, and options that make it quick."""

import json
import shutil
from pathlib import Path
from typing import Any

from infonoise_core.folders.marker import MARKER_FILE
from infonoise_core.training import checkpoint
from infonoise_core.training.record.signature import SIGNED
from infonoise_core.training.run_profile import PROFILES
from infonoise_text.cli import main
from infonoise_text.methods.trained import TextRun
from infonoise_text.runs import open_run

QUICK = ["--length", "12", "--batch-size", "8", "--steps", "6", "--save-every", "3"]
# A few levels, so that verbs take no time.
STEPS = ["--steps", "5"]


def run(capsys: Any, *argv: object) -> tuple[int, str, str]:
    code = main([str(a) for a in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def of_first_release(run: Path, copy: Path, leave_out: str = "") -> Path:
    """A run as the first release left it: without a marker, and nothing signed or kept in the
    manifests of its checkpoints.
    """
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns(MARKER_FILE, leave_out))
    for path in copy.glob("checkpoints/*/manifest.json"):
        manifest = json.loads(path.read_text())
        kept = {k: v for k, v in manifest.items() if k not in ("checksum", SIGNED, PROFILES)}
        path.write_text(json.dumps({"checksum": checkpoint.digest(kept), **kept}))
    return copy


def without_profiles(run: Path, copy: Path) -> Path:
    return of_first_release(run, copy, "*profile.json")


def opened(run: Path) -> TextRun:
    return open_run(run, "cpu")
