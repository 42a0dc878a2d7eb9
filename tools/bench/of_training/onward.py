"""A run that loses a process in the middle of a checkpoint, and goes on under something else.

Every stretch but the last ends by SIGKILL of one process while a checkpoint is being written beside
training; the next one has other processes and another engine.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from infonoise_core.errors import InputError
from of_training.runs import UPDATES, differences, kill_while_saving, learn
from report import Cell, Goal, Section, Table


class Stretch(NamedTuple):
    """after: the step beyond which a process is killed; None for the end of the run."""

    name: str
    processes: int
    options: list[str]
    after: int | None


def _zero(stage: int) -> list[str]:
    return ["--engine", "deepspeed", "--zero", str(stage)]


STRETCHES = (
    Stretch("DeepSpeed, ZeRO 3", 4, _zero(3), 9),
    Stretch("torch", 1, [], 18),
    Stretch("torch", 2, [], 26),
    Stretch("DeepSpeed, ZeRO 1", 2, _zero(1), 34),
    Stretch("DeepSpeed, ZeRO 2", 2, _zero(2), None),
)
_SAVING = ["--save-async", "--save-every", "2"]


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """What is left of a run after the kills, against one process that nobody disturbed."""
    rows: list[list[Cell]] = []
    halves = 0
    with tempfile.TemporaryDirectory() as folder:
        tick("one process")
        whole = learn(Path(folder) / "whole", 1, [], seed)
        out = Path(folder) / "killed"
        for stretch in STRETCHES:
            tick(f"{stretch.processes} of {stretch.name}")
            options = [*stretch.options, *_SAVING]
            if stretch.after is None:
                killed = learn(out, stretch.processes, options, seed)
                rows.append([stretch.processes, stretch.name, UPDATES, "the end"])
                continue
            saved, half = kill_while_saving(out, stretch.processes, options, seed, stretch.after)
            if saved < stretch.after:
                raise InputError(f"step {saved} is the newest: one was there before it")
            halves += half
            rows.append([stretch.processes, stretch.name, saved, "SIGKILL to one process"])
        found = differences(whole, killed)
    kills = len(STRETCHES) - 1
    return Section(
        "Kills, and other engines",
        [
            Table(
                f"{UPDATES} steps of the 8x8 digits in {len(STRETCHES)} stretches",
                "All but the last were ended by SIGKILL of one process at a moment at which a"
                " checkpoint was being written beside training (--save-async). saved: the step of"
                " the newest whole checkpoint then, from which the next stretch went on.",
                ["processes", "engine", "saved", "ended by"],
                rows,
            )
        ],
        [
            Goal("Kills in the middle of a checkpoint", halves, "equal to", kills),
            Goal("Relative difference of losses from an undisturbed process", found.losses,
                 "at most", 1e-5, ".1e"),
            Goal("Relative difference of profiles", found.rate, "at most", 1e-5, ".1e"),
            Goal("Relative difference of held-out bits per dim", found.bits, "at most", 1e-5,
                 ".1e"),
            Goal("Relative difference of averaged weights", found.average, "at most", 1e-4, ".1e"),
        ],
    )  # fmt: skip
