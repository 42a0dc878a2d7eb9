"""Levels chosen on a model against Karras et al.'s, for five solvers at equal calls.

python tools/bench/image_samplers.py

About 20 minutes of one core; the trained run stays in infonoise-bench and is not trained again.
"""

from of_images import chosen_levels
from suite import Suite

SUITE = Suite("image-samplers", "Samplers of images", {"levels": chosen_levels.section})

if __name__ == "__main__":
    SUITE.main()
