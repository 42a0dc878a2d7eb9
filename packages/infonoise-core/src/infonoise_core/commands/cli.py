"""infonoise: look at measured profiles, share them, and what memory training needs."""

from collections.abc import Mapping, Sequence

import infonoise_core
from infonoise_core.app import command

_OPTIONS, _HUB = "infonoise_core.commands.options", "infonoise_core.hub"
COMMANDS: Mapping[str, command.Command] = {
    "profile": (f"{_OPTIONS}:Profile", "infonoise_core.commands.profile:run_profile"),
    "dimension": (f"{_OPTIONS}:Dimension", "infonoise_core.commands.profile:run_dimension"),
    "plot": (f"{_OPTIONS}:Plot", "infonoise_core.commands.plot:run_plot"),
    "compare": (f"{_OPTIONS}:Compare", "infonoise_core.commands.profile:run_compare"),
    "push": (f"{_HUB}.options:PushProfile", f"{_HUB}.push:run_push_profile"),
    "pull": (f"{_HUB}.options:PullProfile", f"{_HUB}.push:run_pull_profile"),
    "estimate-memory": (
        f"{_OPTIONS}:EstimateMemory",
        "infonoise_core.commands.estimate_memory:run_estimate_memory",
    ),
    "ema": (f"{_OPTIONS}:Ema", "infonoise_core.commands.ema:run_ema"),
    "plan": (f"{_OPTIONS}:Plan", "infonoise_core.commands.plan:run_plan"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `infonoise`; returns its exit code."""
    return command.run("infonoise", infonoise_core.__version__, COMMANDS, argv)
