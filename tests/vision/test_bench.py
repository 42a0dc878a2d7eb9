"""The vision bench counts the calls it prints."""

import pytest
import torch

from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import solve
from of_images.picture_samplers import CALLS, SOLVERS, levels


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("target", CALLS)
def test_levels_are_the_most_that_keep_to_the_calls(solver: str, target: int) -> None:
    def calls(number: int) -> int:
        sigmas = karras_grid(number, 0.002, 80.0)
        return solve(lambda x, sigma: 0 * x, torch.zeros(1, 1), sigmas, solver).nfe

    number = levels(solver, target)
    assert calls(number) <= target < calls(number + 1)
