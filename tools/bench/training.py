"""Regenerate docs/benchmarks/training.md: what the training loop costs and keeps."""

import loop_overhead
from suite import Suite

SUITE = Suite("training", "What the training loop costs", {"overhead": loop_overhead.section})

if __name__ == "__main__":
    SUITE.main()
