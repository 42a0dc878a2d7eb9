"""Regenerate docs/benchmarks/training.md: what several processes learn, and what the loop costs."""

from of_training import engines, loop_overhead
from suite import Suite

SUITE = Suite(
    "training",
    "What the training loop keeps and costs",
    {"two-processes": engines.section, "overhead": loop_overhead.section},
)

if __name__ == "__main__":
    SUITE.main()
