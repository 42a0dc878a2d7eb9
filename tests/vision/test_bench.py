"""The benches of images count the calls they print, and judge by what they say they do."""

import math

import pytest
import torch

from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import solve
from of_images.chosen_levels import CHOSEN, KARRAS, Arm, errors_above, goals
from of_images.picture_samplers import CALLS, SOLVERS, levels


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("target", CALLS)
def test_levels_are_the_most_that_keep_to_the_calls(solver: str, target: int) -> None:
    def calls(number: int) -> int:
        sigmas = karras_grid(number, 0.002, 80.0)
        return solve(lambda x, sigma: 0 * x, torch.zeros(1, 1), sigmas, solver).nfe

    number = levels(solver, target)
    assert calls(number) <= target < calls(number + 1)


def arms(calls: int, karras: list[float], chosen: list[float]) -> list[Arm]:
    """Both lists of Euler's solver, with Fréchet distances by seed."""
    sigmas = karras_grid(calls, 0.002, 80.0)
    found = [Arm("euler", name, calls, sigmas) for name in (KARRAS, CHOSEN)]
    for arm, values in zip(found, (karras, chosen), strict=True):
        arm.frechet.extend(values)
    return found


def test_few_calls_are_judged_by_the_share_and_more_by_the_error() -> None:
    few, many = goals([*arms(10, [4.0, 6.0], [3.0, 4.0]), *arms(20, [4.0, 6.0], [4.1, 6.3])])
    assert (few.value, few.limit, few.met) == (pytest.approx(0.7), 0.7, True)
    # 0.1 and 0.3 more: 0.2 on average, whose standard error is 0.1.
    assert (many.value, many.limit) == (pytest.approx(2.0), 2)


def test_errors_above() -> None:
    assert errors_above([1.0, 2.0], [1.0, 2.0]) == 0  # stock was kept
    assert errors_above([1.0, 2.0], [1.5, 2.5]) == -math.inf
    assert errors_above([1.5, 2.5], [1.0, 2.0]) == math.inf
    assert errors_above([1.0, 3.0, 2.0], [2.0, 2.0, 2.0]) == 0
