"""Images drawn from their pairs, plain and in stages: edges to clothes, grey to colours.

python tools/bench/image_pairs.py

A section is kept when it is finished, and its runs go on where they were: with --resume nothing is
run twice.
"""

from functools import partial

from of_images import pairs
from suite import Suite

SUITE = Suite(
    "image-pairs", "Images from pairs",
    {name: partial(pairs.section, kind) for name, kind in pairs.KINDS.items()},
)  # fmt: skip

if __name__ == "__main__":
    SUITE.main()
