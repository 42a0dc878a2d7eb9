"""infonoise-bio: inspect, extract, train, sample, infill, score, evaluate, profile, compare,
baselines, push and pull.
"""

import sys
from collections.abc import Mapping

import infonoise_bio
from infonoise_bio.commands.baselines import Baselines, run_baselines
from infonoise_bio.commands.compare import Compare, run_compare
from infonoise_bio.commands.evaluate import Evaluate, run_evaluate
from infonoise_bio.commands.infill import Infill, SampleCommand, run_infill, run_sample
from infonoise_bio.commands.inspect import Extract, Inspect, run_extract, run_inspect
from infonoise_bio.commands.profile import ProfileCommand, run_profile_command
from infonoise_bio.commands.push import run_pull, run_push
from infonoise_bio.commands.score import ScoreCommand, run_score
from infonoise_bio.domain import Train, run_train
from infonoise_bio.presets import TRAIN_PRESETS
from infonoise_core.app import command
from infonoise_core.app.command import Command
from infonoise_core.hub.options import Pull, Push

COMMANDS: Mapping[str, Command] = {
    "inspect": (Inspect, run_inspect),
    "extract": (Extract, run_extract),
    "train": (Train, run_train),
    "sample": (SampleCommand, run_sample),
    "infill": (Infill, run_infill),
    "score": (ScoreCommand, run_score),
    "evaluate": (Evaluate, run_evaluate),
    "profile": (ProfileCommand, run_profile_command),
    "compare": (Compare, run_compare),
    "baselines": (Baselines, run_baselines),
    "push": (Push, run_push),
    "pull": (Pull, run_pull),
}


def main(argv: list[str] | None = None) -> int:
    """Entry point of `infonoise-bio`."""
    presets = {"train": TRAIN_PRESETS}
    return command.run("infonoise-bio", infonoise_bio.__version__, COMMANDS, argv, presets=presets)


if __name__ == "__main__":
    sys.exit(main())
