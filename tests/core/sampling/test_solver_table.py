"""The benchmark's table of divergences: complete, and falling with the number of levels."""

import math

import pytest

from infonoise_core.sampling.solvers import SOLVERS
from of_core.solvers import BUDGETS, SIGMA_MIN, STDS, solver_table


@pytest.mark.slow
def test_table_of_divergences():
    rows = solver_table()
    floor = {row["source"]: row["kl"] for row in rows if row["solver"] == "exact"}
    kl = {(r["source"], r["grid"], r["solver"], r["levels"]): r["kl"] for r in rows}
    assert set(floor) == {"gaussian", "mixture"}
    assert len(kl) == len(rows) == 2 * (1 + 6 * len(SOLVERS) * len(BUDGETS))
    # A Gaussian's standard deviation s ends as s^2 / (s^2 + sigma_min^2)^(1/2): to first order
    # KL = (sigma_min / s)^4 / 4, off by a share of about (sigma_min / s)^2 = 0.4 % at the least s.
    expected = float((SIGMA_MIN / STDS).pow(4).sum() / 4)
    assert floor["gaussian"] == pytest.approx(expected, rel=0.01)
    for source, grid in {(key[0], key[1]) for key in kl} - {("gaussian", ""), ("mixture", "")}:
        # Order 1: eight times the levels divide the error by about 8, and KL by about 64; on these
        # grids 8 levels are too few to be at that rate, so less is asked.
        coarse, fine = (kl[source, grid, "euler", n] for n in (8, 64))
        assert floor[source] < fine < coarse / 10
        assert all(math.isfinite(kl[source, grid, name, 32]) for name in SOLVERS)
