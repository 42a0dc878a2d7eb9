"""Regenerate docs/benchmarks/core.md: what the core shows, and the goals it misses."""

from of_core import adversarial, closed_forms, cost, readouts, scale, solver_paths, two_ranks
from suite import Suite

SUITE = Suite(
    "core",
    "What the core shows",
    {
        "closed-forms": closed_forms.section,
        "adversarial": adversarial.section,
        "scale": scale.section,
        "readouts": readouts.section,
        "solvers": solver_paths.section,
        "cost": cost.section,
        "two-processes": two_ranks.section,
    },
    threaded=frozenset({"cost"}),
)

if __name__ == "__main__":
    SUITE.main()
