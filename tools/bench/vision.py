"""Regenerate docs/benchmarks/vision.md: schedules compared on Fashion-MNIST.

Takes hours on two cores; what is finished stays in infonoise-bench and is not run again.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import contests
from contests import Aim, Comparison, Outcome
from suite import Suite

DATA = Path("../shared/data/vision/fashion-mnist")
FIXED, RIVALS = "edm,log-uniform,logit-normal", "loss-second-moment,cdcd,adaptive-loss"


def comparison(
    name: str, title: str, schedules: str, updates: int, *options: str, aims: Sequence[Aim]
) -> Comparison:
    """On Fashion-MNIST at 14x14 pixels with the default network, three seeds."""
    return Comparison(
        name=f"vision-{name}",
        title=title,
        command="infonoise-vision",
        options=[
            str(DATA), "--size", "14", *options, "--schedules", schedules,
            "--updates", str(updates), "--seeds", "3",
        ],
        aims=aims,
        needs=DATA,
    )  # fmt: skip


def faster(outcome: Outcome) -> float:
    """Times fewer updates than EDM's law."""
    return outcome.fewer_than("infonoise", "edm")


def excess(outcome: Outcome) -> float:
    """How much worse than the best fixed law it ends."""
    return outcome.worse_than_best_fixed("infonoise")


TWICE = Aim(
    "infonoise: times fewer updates than EDM's law to the best fixed law's final bits per dim",
    faster, "at least", 2,
)  # fmt: skip
NEVER_WORSE = Aim(
    "infonoise: final bits per dim over the best fixed law's", excess, "at most", 0.05, "+.1%"
)

COMPARISONS = (
    comparison(
        "binary", "Binarised Fashion-MNIST", f"{FIXED},{RIVALS},iid-oracle,infonoise", 600,
        "--binarize", "0.5", aims=(TWICE, NEVER_WORSE),
    ),
    comparison(
        "grey", "Grey Fashion-MNIST", f"{FIXED},{RIVALS},infonoise", 600, aims=(NEVER_WORSE,)
    ),
    comparison(
        "tenth", "Grey Fashion-MNIST times 0.1, settings untouched", "edm,log-uniform,infonoise",
        600, "--scale", "0.1", aims=(TWICE, NEVER_WORSE),
    ),
    comparison(
        "tenfold", "Grey Fashion-MNIST times 10, settings untouched", "edm,log-uniform,infonoise",
        600, "--scale", "10", aims=(TWICE, NEVER_WORSE),
    ),
)  # fmt: skip

SUITE = Suite(
    "vision",
    "Schedules compared on images",
    {c.name.removeprefix("vision-"): partial(contests.bench, c) for c in COMPARISONS},
)

if __name__ == "__main__":
    SUITE.main()
