"""The verbs of infonoise-vision."""

import sys

import infonoise_vision
from infonoise_core.app import command
from infonoise_core.hub.options import Pull, Push
from infonoise_vision.commands.evaluate import Evaluate, run_evaluate
from infonoise_vision.commands.generate import SampleCommand, run_sample
from infonoise_vision.commands.inpaint import Inpaint, Upscale, run_inpaint, run_upscale
from infonoise_vision.commands.prepare import Prepare, run_prepare
from infonoise_vision.commands.profile import ProfileCommand, run_profile_command
from infonoise_vision.commands.push import run_pull, run_push
from infonoise_vision.commands.report import Report, run_report
from infonoise_vision.compare import Compare, run_compare
from infonoise_vision.domain import Train, run_train
from infonoise_vision.presets import TRAIN_PRESETS


def main(argv: list[str] | None = None) -> int:
    """Entry point of `infonoise-vision`."""
    return command.run(
        "infonoise-vision",
        infonoise_vision.__version__,
        {
            "prepare": (Prepare, run_prepare),
            "train": (Train, run_train),
            "sample": (SampleCommand, run_sample),
            "inpaint": (Inpaint, run_inpaint),
            "upscale": (Upscale, run_upscale),
            "evaluate": (Evaluate, run_evaluate),
            "profile": (ProfileCommand, run_profile_command),
            "report": (Report, run_report),
            "compare": (Compare, run_compare),
            "push": (Push, run_push),
            "pull": (Pull, run_pull),
        },
        argv,
        presets={"train": TRAIN_PRESETS},
    )


if __name__ == "__main__":
    sys.exit(main())
