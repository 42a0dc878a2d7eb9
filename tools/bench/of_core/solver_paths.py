"""Solvers on exact denoisers: observed orders, and terminal KL against NFE."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from infonoise_core.analytic.exact import GaussianSource
from infonoise_core.sampling.grids import log_uniform_grid
from infonoise_core.sampling.solvers import SOLVERS, solve
from of_core.solvers import solver_table
from report import Cell, Goal, Section, Table

# What theory says, and how far the observed order of 512 against 1024 levels may be off: the next
# term of the error is of the size of one step in log sigma.
ORDERS: Mapping[str, int] = {
    "euler": 1,
    "heun": 2,
    "dpmpp-2m": 2,
    "gradient-estimation": 1,
    "deis": 2,
    "unipc": 3,
    "evodiff": 2,
}
LEVELS, TOLERANCE = (512, 1024), 0.1
SIGMA_MIN, SIGMA_MAX, STD = 0.1, 20.0, 0.8


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Orders, and one table of KL per source."""
    tick("orders")
    orders = {name: order(name) for name in SOLVERS}
    tick("terminal KL")
    rows = solver_table()
    best: list[list[Cell]] = [[name, ORDERS[name], orders[name]] for name in SOLVERS]
    return Section(
        "Solvers on exact denoisers",
        [
            Table(
                "Observed order",
                f"log2 of the ratio of the errors with {LEVELS[0]} and {LEVELS[1]} levels, on a"
                " Gaussian, whose ODE has a closed form; nothing random.",
                ["solver", "theory", "observed"], best, {"observed": ".3f"},
            ),
            *(_page(source, rows) for source in dict.fromkeys(row["source"] for row in rows)),
        ],
        [
            Goal(
                f"Distance of the observed order of {name} from {ORDERS[name]}",
                abs(orders[name] - ORDERS[name]), "at most", TOLERANCE, ".3f",
            )
            for name in SOLVERS
        ],
    )  # fmt: skip


def order(name: str) -> float:
    """How fast the error falls when the steps are halved."""
    x = torch.tensor([[-25.0], [-3.0], [0.5], [20.0]], dtype=torch.float64)
    source = GaussianSource(1, STD)
    denoiser: Callable[..., Tensor] = source.denoise
    end = x * math.sqrt((STD**2 + SIGMA_MIN**2) / (STD**2 + SIGMA_MAX**2))
    # The last step, to 0, is the denoiser's answer for every solver.
    exact = source.denoise(end, torch.full((len(x),), SIGMA_MIN, dtype=torch.float64))
    errors = [
        float((solve(denoiser, x, grid, name).x - exact).abs().max())
        for grid in (log_uniform_grid(n, SIGMA_MIN, SIGMA_MAX) for n in LEVELS)
    ]
    return math.log2(errors[0] / errors[1])


def _page(source: str | int | float, rows: Sequence[Mapping[str, str | int | float]]) -> Table:
    """One row per grid and solver, one column per budget."""
    rows = [row for row in rows if row["source"] == source]
    floor = next(row["kl"] for row in rows if row["solver"] == "exact")
    paths = [row for row in rows if row["solver"] != "exact"]
    budgets = sorted({_budget(row) for row in paths})
    found = {(row["grid"], row["solver"], _budget(row)): row["kl"] for row in paths}
    names = dict.fromkeys((row["grid"], row["solver"]) for row in paths)
    columns = ["grid", "solver", *(f"NFE {n}" for n in budgets)]
    return Table(
        f"Terminal KL, {source}",
        "Nats per example between the data and what comes out, against calls of the denoiser (Heun"
        f" makes one call less); an exact path, whose only error is the last step to 0, has"
        f" {float(floor):.2g}.",
        columns,
        [[*name, *(found[*name, n] for n in budgets)] for name in names],
        dict.fromkeys(columns[2:], ".2g"),
    )


def _budget(row: Mapping[str, str | int | float]) -> int:
    nfe = int(row["nfe"])
    return nfe + nfe % 2
