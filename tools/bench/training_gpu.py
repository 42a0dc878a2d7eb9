"""Regenerate docs/benchmarks/training-gpu.md: published networks on a GPU. Ends with a line where
there is none.
"""

from of_training import on_gpu
from suite import Suite

SUITE = Suite("training-gpu", "Training on a GPU", {"networks": on_gpu.section})

if __name__ == "__main__":
    SUITE.main()
