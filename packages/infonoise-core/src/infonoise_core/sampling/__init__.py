"""From noise to samples: levels, solvers, guidance."""
