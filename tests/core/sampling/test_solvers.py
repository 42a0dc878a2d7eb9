"""What solve does around the solvers: calls, conditions, precision, and what it refuses."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core.analytic.exact import GaussianSource
from infonoise_core.errors import InputError
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import SOLVERS, DPMSolverPP2M, solve

from .exact_paths import HIGH, LOW, X, gaussian_case

CALLS = {
    "euler": lambda n: n,
    "heun": lambda n: 2 * n - 1,
    "dpmpp-2m": lambda n: n,
    "gradient-estimation": lambda n: n,
    "deis": lambda n: n,
    "unipc": lambda n: n,
    "evodiff": lambda n: n,
}


@pytest.mark.parametrize("name", SOLVERS)
def test_calls_are_counted(name):
    calls = []

    def denoiser(x, sigma):
        calls.append(float(sigma[0]))
        return torch.zeros_like(x)

    for n in (1, 2, 7):
        calls.clear()
        seen = []
        sample = solve(
            denoiser,
            torch.ones(2, 3),
            karras_grid(n, 0.1, 10.0),
            name,
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )
        assert sample.nfe == len(calls) == CALLS[name](n)
        assert min(calls) > 0
        assert seen == [(i + 1, n) for i in range(n)]


def test_a_factory_makes_a_new_solver_for_each_call():
    denoise, _ = gaussian_case()
    levels = karras_grid(6, LOW, HIGH)
    once = solve(denoise, X, levels, DPMSolverPP2M).x
    torch.testing.assert_close(solve(denoise, X, levels, "dpmpp-2m").x, once, rtol=0, atol=0)


def test_condition_reaches_every_call():
    label, seen = torch.arange(3), []

    def denoiser(x, sigma, *, label, scale):
        seen.append((label, scale))
        assert sigma.shape == (3,)
        return x * 0

    solve(
        denoiser,
        torch.ones(3, 2),
        karras_grid(3, 0.1, 1.0),
        condition={"label": label, "scale": 2.0},
    )
    assert len(seen) == 5
    assert all(entry[0] is label and entry[1] == 2.0 for entry in seen)


@pytest.mark.parametrize(
    ("given", "worked"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_precision_of_the_state(given, worked):
    dtypes = []

    def denoiser(x, sigma):
        dtypes.append((x.dtype, sigma.dtype))
        return x / 2

    sample = solve(denoiser, torch.ones(2, 2, dtype=given), karras_grid(3, 0.1, 1.0))
    assert set(dtypes) == {(worked, worked)}
    assert sample.x.dtype == worked


def test_sample_carries_no_graph():
    network = torch.nn.Linear(2, 2)
    sample = solve(lambda x, sigma: network(x), torch.ones(2, 2), karras_grid(3, 0.1, 1.0))
    assert not sample.x.requires_grad


@pytest.mark.parametrize("name", SOLVERS)
def test_no_value_is_read_back_from_the_device(name):
    # A fake tensor has no values: any .item() or branch on one raises.
    with FakeTensorMode():
        x = torch.empty(4, 2)

    def denoiser(x, sigma):
        return x / (1 + sigma.square())[:, None]

    sample = solve(denoiser, x, karras_grid(5, 0.1, 10.0), name)
    assert sample.x.shape == (4, 2)


@pytest.mark.gpu
@pytest.mark.parametrize("name", SOLVERS)
def test_no_synchronisation_on_a_gpu(name):
    x = torch.ones(4, 2, device="cuda")
    levels = karras_grid(5, 0.1, 10.0)
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        solve(GaussianSource(2).denoise, x, levels, name)
    finally:
        torch.cuda.set_sync_debug_mode(mode)


# Wrong input


def identity(x, sigma):
    return x


def with_churn(values):
    return lambda: solve(
        identity, torch.ones(1, 1), karras_grid(3, 0.1, 1.0), churn=lambda s: torch.tensor(values)
    )


def with_sigmas(values):
    return lambda: solve(identity, torch.ones(1, 1), torch.tensor(values))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (with_sigmas([1.0, 2.0]), "fall strictly"),
        (with_sigmas([1.0, 1.0]), "fall strictly"),
        (with_sigmas([1.0, 0.0]), "fall strictly"),
        (with_sigmas([math.inf, 1.0]), "fall strictly"),
        (with_sigmas([math.nan, 1.0]), "fall strictly"),
        (with_sigmas([]), "fall strictly"),
        (with_sigmas([[2.0, 1.0]]), "fall strictly"),
        (with_sigmas(1.0), "fall strictly"),
        (
            lambda: solve(identity, torch.ones(1, 1), karras_grid(3, 0.1, 1.0), "rk4"),
            "'rk4' is not known: give one of euler, heun, dpmpp-2m",
        ),
        (
            lambda: solve(identity, torch.ones(1, 1, dtype=torch.int64), karras_grid(3, 0.1, 1.0)),
            "int64",
        ),
        (lambda: solve(identity, torch.tensor(1.0), karras_grid(3, 0.1, 1.0)), r"shape \(\)"),
        (
            lambda: solve(lambda x, s: x[:, :1], torch.ones(3, 2), karras_grid(3, 0.1, 1.0)),
            r"shape \(3, 1\) for x of shape \(3, 2\)",
        ),
        (with_churn([0.1, 0.1]), "each of the 3 levels"),
        (with_churn([0.1, -0.1, 0.1]), "each of the 3 levels"),
        (with_churn([0.1, math.nan, 0.1]), "each of the 3 levels"),
        (with_churn([[0.1, 0.1, 0.1]]), "each of the 3 levels"),
        (with_churn(0.1), "each of the 3 levels"),
    ],
)
def test_wrong_input_is_refused_with_the_mend(call, says):
    with pytest.raises(InputError, match=says):
        call()
