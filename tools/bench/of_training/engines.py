"""Do several processes, under any engine, learn what one process learns?

`infonoise-vision train digits` as a user starts it, and torchrun in front of it; read from
metrics.jsonl, profile.json and the last checkpoint, of which each process has written a share.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

from of_training.runs import UPDATES, Differences, differences, learn
from report import Cell, Goal, Section, Table

_DEEPSPEED = {
    f"DeepSpeed, ZeRO {zero}": ["--engine", "deepspeed", "--zero", str(zero)]
    for zero in (0, 1, 2, 3)
}
_HOST = "DeepSpeed, ZeRO 2, on the host"
ENGINES = {
    "torch": ["--engine", "torch"],
    **_DEEPSPEED,
    _HOST: [*_DEEPSPEED["DeepSpeed, ZeRO 2"], "--offload", "optimizer"],
}


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Largest relative differences of two processes from one."""
    engines = ENGINES if importlib.util.find_spec("deepspeed") else {"torch": ENGINES["torch"]}
    found: dict[str, Differences] = {}
    with tempfile.TemporaryDirectory() as folder:
        tick("one process")
        alone = learn(Path(folder) / "one", 1, [], seed)
        for name, options in engines.items():
            tick(f"two processes, {name}")
            pair = learn(Path(folder) / name, 2, [*options, "--save-async"], seed)
            found[name] = differences(alone, pair)
    left_out = "" if len(engines) > 1 else " DeepSpeed was not installed."
    return Section("Two processes", [table(found, left_out)], goals(found, len(ENGINES)))


def table(found: dict[str, Differences], left_out: str = "") -> Table:
    """A row for each way to train."""
    rows: list[list[Cell]] = [[name, *numbers] for name, numbers in found.items()]
    measures = ("losses", "profile", "bits per dim", "average")
    return Table(
        f"{UPDATES} steps of the 8x8 digits on two processes, against one",
        "Largest relative difference: of the loss of any update, of the profile's rate in any bin,"
        " of the held-out bits per dim at the end, which both measure together, and of any averaged"
        " weight from the largest one, as the shares of the last checkpoint have it. The average is"
        " split over the processes, and checkpoints are written by both while training goes on."
        f" fp32, CPU, gloo.{left_out}",
        ["engine", *measures],
        rows,
        dict.fromkeys(measures, ".1e"),
    )


def goals(found: dict[str, Differences], engines: int) -> list[Goal]:
    """The worst of each measure."""
    worst = Differences(*(max(column) for column in zip(*found.values(), strict=True)))
    # fp32 sums in another order, through Adam, which divides by what may be small.
    limits = (
        ("losses", worst.losses, 1e-5), ("profiles", worst.rate, 1e-5),
        ("held-out bits per dim", worst.bits, 1e-5), ("averaged weights", worst.average, 1e-4),
    )  # fmt: skip
    return [
        *(
            Goal(f"Relative difference of {what}, worst engine", value, "at most", limit, ".1e")
            for what, value, limit in limits
        ),
        Goal("Engines compared", len(found), "equal to", engines),
    ]
