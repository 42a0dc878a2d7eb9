"""What solvers with a memory state of themselves, step by step."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core import InputError, karras_grid
from infonoise_core.sampling.multistep import DEIS, EVODiff, UniPC, least_norm_mixture
from infonoise_core.sampling.solvers import solve


@pytest.mark.parametrize("order", [1, 2, 3])
def test_deis_integrates_polynomials_in_log_sigma_exactly(order):
    # With eps = u^k, u = log sigma, x = integral of e^u u^k du, by parts.
    def primitive(sigma, k):
        u = math.log(sigma)
        return sigma if k == 0 else sigma * u**k - k * primitive(sigma, k - 1)

    levels = [9.0, 4.0, 2.5, 0.8, 0.3]
    for k in range(order):

        def denoise(x, sigma, k=k):
            return x - sigma * math.log(sigma) ** k

        solver = DEIS(order)
        x = torch.zeros(1, 1, dtype=torch.float64)
        for i in range(4):
            if i == order - 1:
                x = torch.full((1, 1), primitive(levels[i], k), dtype=torch.float64)
            x = solver.step(denoise, x, levels[i], levels[i + 1])
        assert x.item() == pytest.approx(primitive(levels[4], k), rel=1e-12)
    with pytest.raises(InputError, match="DEIS of order 4"):
        DEIS(4)


def test_unipc_s_corrector_is_exact_where_x0_is_a_line_in_lambda():
    # With x0 = a + b lambda, x = a + b (lambda - 1). The predictor's coefficient 1/2 is that of a
    # line only as the step goes to 0; the corrector's are those of a line, whatever the step.
    levels = [4.0, 2.0, 1.2]

    def x0(sigma):
        return torch.full((1, 1), 1.0 - 2.0 * math.log(sigma), dtype=torch.float64)

    solver = UniPC()
    for sigma, lower in pairwise(levels):
        x = x0(sigma) - 2.0
        solver.step(lambda _, sigma: x0(sigma), x, sigma, lower)
    corrected = solver._corrected(x0(2.0) - 2.0, x0(1.2), 1.2)
    assert corrected.item() == pytest.approx(x0(1.2).item() - 2.0, rel=1e-12)


@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    st.floats(0, 1),
)
def test_no_mixture_of_two_slopes_is_smaller(behind, ahead, share):
    b, a = (torch.tensor([v], dtype=torch.float64) for v in (behind, ahead))
    least = least_norm_mixture(b, a)
    other = b + share * (a - b)
    assert float(least.norm()) <= float(other.norm()) + 1e-12
    # It lies between the two.
    assert float((least - b).norm() + (a - least).norm()) == pytest.approx(float((a - b).norm()))


def test_evodiff_takes_a_mixture_for_each_example():
    b = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    a = torch.tensor([[-1.0, 0.0], [2.0, 2.0]])
    torch.testing.assert_close(least_norm_mixture(b, a), torch.tensor([[0.0, 0.0], [1.0, 1.0]]))


@pytest.mark.parametrize("make", [UniPC, EVODiff, lambda: DEIS(3)])
def test_examples_do_not_see_each_other(make):
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def denoise(x, sigma):
        return torch.tanh(x / (1 + sigma[:, None]))

    levels = karras_grid(6, 0.1, 20.0)
    together = solve(denoise, 20 * x, levels, make).x
    alone = torch.cat([solve(denoise, 20 * row[None], levels, make).x for row in x])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
