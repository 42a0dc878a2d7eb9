"""The `infonoise-text` command."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from infonoise_core.app.interface import run_program
from infonoise_text.interface import INTERFACE
from infonoise_text.presets import PREPARE_PRESETS, TRAIN_PRESETS


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `infonoise-text`; returns its exit code."""
    presets = {"prepare": PREPARE_PRESETS, "train": TRAIN_PRESETS}
    return run_program(replace(INTERFACE, presets=presets), argv)


if __name__ == "__main__":
    sys.exit(main())
