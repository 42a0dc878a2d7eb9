"""Regenerate docs/benchmarks/training.md: what several processes learn, and what the loop costs."""

from of_training import compiled, eighth, engines, held, loop_overhead, onward
from suite import Suite

SUITE = Suite(
    "training",
    "What the training loop keeps and costs",
    {
        "two-processes": engines.section,
        "held": held.section,
        "low": held.low,
        "eighth": eighth.section,
        "onward": onward.section,
        "overhead": loop_overhead.section,
        "compiled": compiled.section,
    },
)

if __name__ == "__main__":
    SUITE.main()
