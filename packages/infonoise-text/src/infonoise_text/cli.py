"""The `infonoise-text` command."""

import sys
from collections.abc import Sequence

import infonoise_text
from infonoise_core.app import command
from infonoise_core.hub.options import Pull, Push
from infonoise_text.commands.compare import Compare, run_compare
from infonoise_text.commands.complete import (
    Complete,
    Infill,
    SampleCommand,
    run_complete,
    run_infill,
    run_sample,
)
from infonoise_text.commands.evaluate import Evaluate, run_evaluate
from infonoise_text.commands.prepare import Prepare, run_prepare
from infonoise_text.commands.profile import ProfileCommand, run_profile_command
from infonoise_text.commands.push import run_pull, run_push
from infonoise_text.domain import Train, run_train
from infonoise_text.presets import TRAIN_PRESETS


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `infonoise-text`; returns its exit code."""
    return command.run(
        "infonoise-text",
        infonoise_text.__version__,
        {
            "prepare": (Prepare, run_prepare),
            "train": (Train, run_train),
            "sample": (SampleCommand, run_sample),
            "complete": (Complete, run_complete),
            "infill": (Infill, run_infill),
            "evaluate": (Evaluate, run_evaluate),
            "profile": (ProfileCommand, run_profile_command),
            "compare": (Compare, run_compare),
            "push": (Push, run_push),
            "pull": (Pull, run_pull),
        },
        argv,
        presets={"train": TRAIN_PRESETS},
    )


if __name__ == "__main__":
    sys.exit(main())
