"""Heads, laws and scales of images in short paired runs; `vision` has the longer comparisons.

python tools/bench/image_laws.py
python tools/bench/image_laws.py --only heads

A section is kept when it is finished, and its runs go on where they were: with --resume nothing is
run twice. About an hour and a half on one quiet core.
"""

from functools import partial

from of_images import frontier, heads, scales
from suite import Suite

SUITE = Suite(
    "image-laws",
    "Heads, laws and scales of images",
    {
        "heads": heads.section,
        "heads-levels": heads.more_levels,
        "frontier-digits": partial(frontier.section, frontier.DIGITS),
        "frontier-grey": partial(frontier.section, frontier.GREY),
        "scale": scales.section,
    },
)

if __name__ == "__main__":
    SUITE.main()
