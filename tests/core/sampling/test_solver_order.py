"""Every solver converges at its order, and takes the steps that its paper states."""

import math
from itertools import pairwise

import pytest
import torch

from infonoise_core.sampling.grids import karras_grid, log_uniform_grid
from infonoise_core.sampling.solvers import SOLVERS, DPMSolverPP2M, solve

from .exact_paths import CASES, HIGH, X

ORDER = {
    "euler": 1,
    "heun": 2,
    "dpmpp-2m": 2,
    "gradient-estimation": 1,
    "deis": 2,
    "unipc": 3,
    "evodiff": 2,
}
GRIDS = {"karras": karras_grid, "log-uniform": log_uniform_grid}


def final_error(name, case, grid, n):
    """Largest error of the solver at the grid's last level, of n levels."""
    make, low = CASES[case]
    denoise, exact = make()
    # The last step, to 0, is x0 = D(x, low) for every solver: compare there, where the only
    # difference is the one of the steps before.
    expected = denoise(exact, torch.full((len(X),), low, dtype=X.dtype))
    sample = solve(denoise, X, GRIDS[grid](n, low, HIGH), name)
    return float((sample.x - expected).abs().max())


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", SOLVERS)
def test_observed_order(name, case, grid):
    errors = [final_error(name, case, grid, n) for n in (256, 512, 1024)]
    coarse, fine = (math.log2(a / b) for a, b in pairwise(errors))
    # error = c h^p (1 + a h + O(h^2)), so the observed order is off p by a term in h, which halves
    # when n doubles and cancels in 2 fine - coarse. What is left is of the size of its square: fine
    # is off by 0.15 at most, so 0.15^2 = 0.02, twice.
    assert fine == pytest.approx(ORDER[name], abs=0.15)
    assert 2 * fine - coarse == pytest.approx(ORDER[name], abs=0.04)


@pytest.mark.parametrize("name", SOLVERS)
def test_constant_denoiser_is_solved_exactly(name):
    # x follows a straight line to c, so no step of any size errs.
    c = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    sample = solve(
        lambda x, sigma: c.expand_as(x), c + 10.0 * torch.ones(4, 2), karras_grid(5, 0.1, 10), name
    )
    torch.testing.assert_close(sample.x, c.expand(4, 2), rtol=0, atol=1e-13)


def test_dpmpp_2m_against_its_published_step():
    # Lu et al. 2022, algorithm 2, with alpha = 1 and lambda = -log sigma, for given D0 and D1.
    s0, s1, s2 = 10.0, 4.0, 0.5
    x0, d0, d1 = 7.0, 1.5, -0.25
    solver, answers = DPMSolverPP2M(), iter([d0, d1, 99.0])

    def denoise(x, sigma):
        return torch.full_like(x, next(answers))

    x = torch.tensor([x0], dtype=torch.float64)
    x = solver.step(denoise, x, s0, s1)
    first = s1 / s0 * x0 - (math.exp(-math.log(s0 / s1)) - 1) * d0
    assert x.item() == pytest.approx(first, rel=1e-14)

    x = solver.step(denoise, x, s1, s2)
    h1, h2 = math.log(s0 / s1), math.log(s1 / s2)
    r = h1 / h2
    d = (1 + 1 / (2 * r)) * d1 - 1 / (2 * r) * d0
    second = s2 / s1 * first - (math.exp(-h2) - 1) * d
    assert x.item() == pytest.approx(second, rel=1e-14)

    assert solver.step(denoise, x, s2, 0.0).item() == 99.0
