"""Terminal KL against NFE for every grid and solver, on sources whose denoiser is exact.

    python tools/bench/of_core/solvers.py --out solvers.json

Nothing is drawn at random: a Gaussian is carried by its standard deviations, a one-dimensional
distribution by its quantiles.  Every path starts from the exact distribution of x at
SIGMA_MAX, so that KL has two parts
only: the solver's error, and that of the last step from SIGMA_MIN to 0, which the rows of the
"exact" solver show alone.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from infonoise_core.analytic.exact import GaussianSource, exact_profile
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.sampling.grids import (
    entropic_grid,
    karras_grid,
    kl_grid,
    log_uniform_grid,
    rescaled_entropic_grid,
)
from infonoise_core.sampling.solvers import SOLVERS, solve
from infonoise_core.schedules.gates import fixed_gate

SIGMA_MIN, SIGMA_MAX = 0.002, 80.0
BUDGETS = (8, 16, 32, 64)
BINS = 128

# The spectrum of natural images, 1/f, in 32 dimensions.
STDS = 1 / torch.arange(1, 33, dtype=torch.float64)

# Two clusters of unequal size in one dimension, and the cells over which their KL is summed.
MEANS, STD, SHARES = (-1.0, 1.0), 0.1, (0.7, 0.3)
CELLS = 4096


@dataclasses.dataclass(frozen=True)
class Case:
    """start: x at SIGMA_MAX.  exact: where the ODE without error, then D at SIGMA_MIN, takes it.
    smallest: standard deviation of the finest detail, where the gate has its pivot.
    """

    name: str
    denoiser: Callable[..., Tensor]
    start: Tensor
    exact: Tensor
    profile: EntropyRateProfile
    smallest: float
    kl: Callable[[Tensor], float]


def gaussian_case() -> Case:
    """Independent N(0, STDS^2); x is one point per dimension, one standard deviation out."""

    def at(sigma: float) -> Tensor:
        return (STDS.square() + sigma**2).sqrt()[None]

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        return x * STDS.square() / (STDS.square() + sigma.square()[:, None])

    def kl(x: Tensor) -> float:
        ratio = (x[0] / STDS).square()
        return float((ratio - 1 - ratio.log()).sum() / 2)

    parts = [exact_profile(GaussianSource(1, s), SIGMA_MIN, SIGMA_MAX, BINS) for s in STDS.tolist()]
    rate = torch.stack([part.rate for part in parts]).sum(0)
    profile = dataclasses.replace(parts[0], rate=rate, dim=len(STDS))
    exact = denoiser(at(SIGMA_MIN), torch.tensor([SIGMA_MIN], dtype=torch.float64))
    return Case("gaussian", denoiser, at(SIGMA_MAX), exact, profile, float(STDS[-1]), kl)


def mixture_case() -> Case:
    """The two clusters; x holds the quantiles at i / CELLS, which an ODE in one dimension keeps."""
    source = MixtureSource(
        torch.tensor(MEANS, dtype=torch.float64)[:, None], STD, torch.tensor(SHARES)
    )
    q = torch.arange(1, CELLS, dtype=torch.float64) / CELLS

    def kl(x: Tensor) -> float:
        # Each gap between neighbours holds 1 / CELLS of what was generated. 1e-18 stands in for a
        # share of the data that rounds to none.
        ends = mixture_cdf(x[:, 0].sort().values, 0.0)
        shares = torch.cat([ends[:1], ends.diff(), 1 - ends[-1:]]).clamp_min(1e-18)
        return float(-(shares * CELLS).log().mean())

    exact = mixture_quantile(q, SIGMA_MIN)[:, None]
    exact = source.denoise(exact, torch.full_like(q, SIGMA_MIN))
    start = mixture_quantile(q, SIGMA_MAX)[:, None]
    profile = exact_profile(source, SIGMA_MIN, SIGMA_MAX, BINS)
    return Case("mixture", source.denoise, start, exact, profile, STD, kl)


def mixture_cdf(x: Tensor, sigma: float) -> Tensor:
    """Share of the mixture plus noise of size sigma at or below x (n,)."""
    std = (STD**2 + sigma**2) ** 0.5
    parts = zip(SHARES, MEANS, strict=True)
    return torch.stack([p * torch.special.ndtr((x - mean) / std) for p, mean in parts]).sum(0)


def mixture_quantile(q: Tensor, sigma: float) -> Tensor:
    """The inverse of `mixture_cdf`, by bisection to the last digits."""
    far = 2 + 10 * (STD + sigma)
    low, high = torch.full_like(q, -far), torch.full_like(q, far)
    for _ in range(70):
        middle = (low + high) / 2
        below = mixture_cdf(middle, sigma) < q
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def grids(case: Case, n: int) -> dict[str, Tensor]:
    """Name -> (n,) levels from SIGMA_MAX to SIGMA_MIN."""
    return {
        "log-uniform": log_uniform_grid(n, SIGMA_MIN, SIGMA_MAX),
        "karras": karras_grid(n, SIGMA_MIN, SIGMA_MAX),
        "entropic": entropic_grid(case.profile, n),
        "entropic, gated": entropic_grid(case.profile, n, gate=fixed_gate(case.smallest)),
        "rescaled entropic": rescaled_entropic_grid(case.profile, n),
        "kl": kl_grid(case.profile, n),
    }


def solver_table() -> list[dict[str, str | int | float]]:
    """One row per source, grid, solver and budget: source, grid, solver, levels, nfe, and kl in
    nats per example.
    """
    return [row for case in (gaussian_case(), mixture_case()) for row in _rows(case)]


def _rows(case: Case) -> Iterator[dict[str, str | int | float]]:
    yield {
        "source": case.name,
        "grid": "",
        "solver": "exact",
        "levels": 0,
        "nfe": 0,
        "kl": case.kl(case.exact),
    }
    for solver in SOLVERS:
        for budget in BUDGETS:
            # Heun makes 2n - 1 calls for n levels: the most levels that keep to the budget.
            levels = (budget + 1) // 2 if solver == "heun" else budget
            for grid, sigmas in grids(case, levels).items():
                sample = solve(case.denoiser, case.start, sigmas, solver)
                yield {
                    "source": case.name,
                    "grid": grid,
                    "solver": solver,
                    "levels": levels,
                    "nfe": sample.nfe,
                    "kl": case.kl(sample.x),
                }


def main() -> None:
    """Write the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="file for the JSON table")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    out.write_text(json.dumps(solver_table(), indent=1) + "\n")


if __name__ == "__main__":
    main()
