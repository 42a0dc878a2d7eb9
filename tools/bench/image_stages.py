"""Staged diffusion against EDM's process at equal parameters and training time.

python tools/bench/image_stages.py

A section is kept when it is finished, and its runs go on where they were: with --resume nothing is
run twice.
"""

from of_images import stages
from suite import Suite

SUITE = Suite("image-stages", "Images in stages", {"stages": stages.section})

if __name__ == "__main__":
    SUITE.main()
