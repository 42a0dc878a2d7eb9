"""Grey and binarised Fashion-MNIST at 28x28, trained for half an hour of one core each.

python tools/bench/image_show.py

A section is kept when it is finished, and its run goes on where it was: with --resume nothing is
run twice. About an hour of one core.
"""

from functools import partial

from of_images import show
from suite import Suite

SUITE = Suite(
    "image-show", "Images after half an hour of one core",
    {name: partial(show.section, kind) for name, kind in show.KINDS.items()},
)  # fmt: skip

if __name__ == "__main__":
    SUITE.main()
