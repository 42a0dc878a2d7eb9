"""Regenerate docs/benchmarks/vision.md: schedules, samplers, conditions and cost on Fashion-MNIST.

Takes hours on two cores; what is finished stays in infonoise-bench and is not run again.
"""

from collections.abc import Sequence
from functools import partial

import comparisons
from comparisons import Aim, Comparison, Outcome
from of_images import image_throughput, picture_samplers, restoration, schedule_pictures
from of_images.vision_runs import DATA, SIZE
from suite import Suite

# Of each run: about a hundred seconds on one thread of a quiet core. Longer ones are few.
UPDATES, LONG = 400, 1200
# As published, whatever the images.
EDM = ("--head", "edm", "--noise-unit", "1")
BASELINES = "edm,log-uniform,logit-normal,loss-second-moment,cdcd,adaptive-loss"


def comparison(
    name: str,
    title: str,
    schedules: str,
    *options: str,
    aims: Sequence[Aim],
    steps: int = UPDATES,
    seeds: int = 3,
) -> Comparison:
    """On Fashion-MNIST at 14x14 pixels with the default network, EDM's head and range."""
    return Comparison(
        name=f"vision-{name}",
        title=title,
        command="infonoise-vision",
        options=[
            str(DATA), "--size", str(SIZE), *options, *EDM, "--schedules", schedules,
            "--steps", str(steps), "--seeds", str(seeds),
        ],
        aims=aims,
        needs=DATA,
    )  # fmt: skip


def faster(outcome: Outcome) -> float:
    """Times fewer steps than EDM's distribution."""
    return outcome.fewer_than("infonoise", "edm")


def excess(outcome: Outcome) -> float:
    """How much worse than the best fixed schedule it ends."""
    return outcome.worse_than_best_fixed("infonoise")


def sooner(outcome: Outcome) -> float:
    """Times fewer steps than EDM to where EDM ends, in bits per dim."""
    return outcome.fewer_to_where_it_ends("infonoise", "edm")


def pictures(outcome: Outcome) -> float:
    """The same by what the networks draw."""
    second = str(outcome.results["measures"][1]["name"])
    return outcome.fewer_to_where_it_ends("infonoise", "edm", second)


TWICE = Aim(
    "infonoise: times fewer steps than EDM to the best fixed schedule's final bits per dim",
    faster, "at least", 2,
)  # fmt: skip
SOONER = Aim(
    "infonoise: times fewer steps than EDM to the bits per dim at which EDM ends",
    sooner, "at least", 2,
)  # fmt: skip
PICTURES = Aim(
    "infonoise: times fewer steps than EDM to the energy distance at which EDM ends",
    pictures, "at least", 2, note="Noisy where distributions hardly differ.",
)  # fmt: skip
NEVER_WORSE = Aim(
    "infonoise: final bits per dim over the best fixed schedule's", excess, "at most", 0.05, "+.1%"
)

GREY = comparison("grey", "Grey Fashion-MNIST", f"{BASELINES},infonoise", aims=(NEVER_WORSE,))
COMPARISONS = (
    comparison(
        "binary", "Binarised Fashion-MNIST", f"{BASELINES},iid-oracle,infonoise",
        "--binarize", "0.5", aims=(TWICE, SOONER, NEVER_WORSE),
    ),
    comparison(
        "binary-long", "Binarised Fashion-MNIST, three times as long", "edm,infonoise",
        "--binarize", "0.5", aims=(SOONER, NEVER_WORSE), steps=LONG, seeds=2,
    ),
    GREY,
    comparison(
        "tenth", "Grey Fashion-MNIST times 0.1, settings untouched", "edm,log-uniform,infonoise",
        "--scale", "0.1", aims=(TWICE, SOONER, PICTURES, NEVER_WORSE),
    ),
    comparison(
        "tenfold", "Grey Fashion-MNIST times 10, settings untouched", "edm,log-uniform,infonoise",
        "--scale", "10", aims=(TWICE, SOONER, PICTURES, NEVER_WORSE),
    ),
)  # fmt: skip

SUITE = Suite(
    "vision",
    "What schedules, samplers and conditions do to images",
    {
        **{c.name.removeprefix("vision-"): partial(comparisons.bench, c) for c in COMPARISONS},
        "pictures": partial(schedule_pictures.section, GREY),
        "samplers": picture_samplers.section,
        "conditions": restoration.section,
        "throughput": image_throughput.section,
    },
)

if __name__ == "__main__":
    SUITE.main()
