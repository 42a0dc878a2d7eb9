"""Staged diffusion against EDM's process at equal parameters and training time.

python tools/bench/image_stages.py
python tools/bench/image_stages.py --seeds 3 --sides 32,64
python tools/bench/image_stages.py --leads 1,2,4

A section is kept when it is finished, and its runs go on where they were: with --resume nothing is
run twice. About 10 minutes of one core a seed at 32x32, and 40 at 64x64. Where results of both
sides are kept, SUITE below is to be made with both.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from of_images import stages
from suite import Suite

_SECTIONS = {32: "stages", 64: "stages-64"}


def suite(sides: Sequence[int] = (32,), seeds: int = 1, leads: Sequence[float] = (1.0,)) -> Suite:
    """The bench at these sides, with so many seeds of training and these leads of details."""
    sections = {_SECTIONS[side]: partial(stages.section, stages.KINDS[side], seeds, leads)
                for side in sides}  # fmt: skip
    return Suite("image-stages", "Images in stages", sections)


def chosen(arguments: Sequence[str]) -> tuple[Suite, list[str]]:
    """The bench that options ask for, and the options that are left."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sides", default="32")
    parser.add_argument("--leads", default="1")
    options, rest = parser.parse_known_args(arguments)
    known = [str(side) for side in _SECTIONS]
    sides = options.sides.split(",")
    if not set(sides) <= {*known}:
        parser.error(f"--sides {options.sides}: give some of {','.join(known)}")
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: give at least 1")
    try:
        leads = [float(lead) for lead in options.leads.split(",")]
    except ValueError:
        leads = []
    if not leads or min(leads) < 1:
        parser.error(f"--leads {options.leads}: give numbers from 1 on, such as 1,2,4")
    return suite([int(side) for side in sides], options.seeds, leads), rest


SUITE = suite()

if __name__ == "__main__":
    here, sys.argv[1:] = chosen(sys.argv[1:])
    here.main()
