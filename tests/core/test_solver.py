"""Solvers on exact denoisers: order, counts, churn, and what solve refuses."""

import importlib.util
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core.churn import constant_churn
from infonoise_core.errors import InputError
from infonoise_core.exact import BinarySource, GaussianSource
from infonoise_core.grid import karras_grid, log_uniform_grid
from infonoise_core.solver import SOLVERS, DPMSolverPP2M, solve

ORDER = {"euler": 1, "heun": 2, "dpmpp-2m": 2, "gradient-estimation": 1}
CALLS = {
    "euler": lambda n: n,
    "heun": lambda n: 2 * n - 1,
    "dpmpp-2m": lambda n: n,
    "gradient-estimation": lambda n: n,
}
assert set(ORDER) == set(CALLS) == set(SOLVERS)

LOW, HIGH = 0.1, 20.0
GRIDS = {"karras": karras_grid, "log-uniform": log_uniform_grid}


def gaussian_path(x, std, sigma, lower):
    """The exact ODE from sigma to lower for N(0, std^2) data."""
    return x * math.sqrt((std**2 + lower**2) / (std**2 + sigma**2))


def binary_path(x, sigma, lower):
    """The exact ODE for +-1 in one dimension: it keeps the quantile of x, found by bisection."""

    def cdf(x, sigma):
        return torch.special.ndtr((x - 1) / sigma) + torch.special.ndtr((x + 1) / sigma)

    target = cdf(x, sigma)
    low, high = torch.full_like(x, -100.0), torch.full_like(x, 100.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = cdf(middle, lower) < target
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


# Some from the middle, which a binary source leaves undecided until late.
X = torch.tensor([-25.0, -5.0, -1.0, -0.3, 0.1, 0.4, 2.0, 20.0], dtype=torch.float64)[:, None]


def gaussian_case():
    source = GaussianSource(1, std=0.8)
    return source.denoise, gaussian_path(X, 0.8, HIGH, LOW)


def binary_case():
    source = BinarySource(1)
    return source.denoise, binary_path(X, HIGH, 0.3)


CASES = {"gaussian": (gaussian_case, LOW), "binary": (binary_case, 0.3)}


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


def test_a_factory_makes_a_new_solver_for_each_call():
    denoise, _ = gaussian_case()
    levels = karras_grid(6, LOW, HIGH)
    once = solve(denoise, X, levels, DPMSolverPP2M).x
    torch.testing.assert_close(solve(denoise, X, levels, "dpmpp-2m").x, once, rtol=0, atol=0)


class ExactStep:
    """The Gaussian ODE without error, so that only churn is left to see."""

    STD = 0.8

    def step(self, denoise, x, sigma, lower):
        return gaussian_path(x, self.STD, sigma, lower)


@pytest.mark.parametrize("s_noise", [1.0, 1.05])
def test_churn_keeps_the_gaussian_stationary(s_noise):
    n, gamma, levels = 100_000, 0.3, karras_grid(20, 0.1, 20.0)
    rng = torch.Generator().manual_seed(1)
    start = math.sqrt(ExactStep.STD**2 + 20.0**2) * torch.randn(n, 1, generator=rng)
    sample = solve(
        GaussianSource(1, std=ExactStep.STD).denoise,
        start,
        levels,
        ExactStep,
        churn=constant_churn(gamma, 0.5, 10.0),
        s_noise=s_noise,
        generator=rng,
    )
    # The variance by recursion: noise adds, the exact step multiplies. With s_noise 1 it is that of
    # the data; with 1.05 it is not, so a missing factor would show.
    variance = ExactStep.STD**2 + 20.0**2
    for sigma, lower in zip(levels.tolist(), [*levels.tolist()[1:], 0.0], strict=True):
        raised = sigma * (1 + gamma) if 0.5 <= sigma <= 10.0 else sigma
        variance += s_noise**2 * (raised**2 - sigma**2)
        variance *= (ExactStep.STD**2 + lower**2) / (ExactStep.STD**2 + raised**2)
    if s_noise == 1.0:
        assert variance == pytest.approx(ExactStep.STD**2)
    else:
        assert variance > 1.05 * ExactStep.STD**2
    # Standard error of a variance from n normals: sqrt(2/n) = 0.0045 of it; four of them.
    assert sample.x.var().item() == pytest.approx(variance, rel=4 * math.sqrt(2 / n))


@pytest.mark.parametrize("name", ["dpmpp-2m", "gradient-estimation"])
def test_fresh_noise_cuts_the_history(name):
    # The last value lies on another path, and above it in noise by less than nothing where the
    # raise exceeds the step: what is left is Euler.
    def run(name):
        rng = torch.Generator().manual_seed(2)
        levels = karras_grid(30, LOW, HIGH)
        return solve(BinarySource(1).denoise, X, levels, name, constant_churn(0.4), generator=rng)

    torch.testing.assert_close(run(name).x, run("euler").x)


@pytest.mark.parametrize("name", SOLVERS)
def test_history_starts_anew_after_fresh_noise(name):
    denoise, levels = BinarySource(1).denoise, karras_grid(30, LOW, HIGH)
    churn = constant_churn(0.4, HIGH - 1, HIGH + 1)
    churned = solve(denoise, X, levels, name, churn, 1.0, torch.Generator().manual_seed(3)).x
    raised = levels.clone()
    raised[0] *= 1.4
    eps = torch.randn(X.shape, generator=torch.Generator().manual_seed(3), dtype=X.dtype)
    by_hand = X + math.sqrt(1.4**2 - 1) * HIGH * eps
    torch.testing.assert_close(churned, solve(denoise, by_hand, raised, name).x)


def test_churn_draws_from_the_generator_alone():
    denoise = GaussianSource(2).denoise
    levels, x = karras_grid(5, 0.1, 10.0), torch.ones(3, 2)

    def run(seed):
        rng = torch.Generator().manual_seed(seed)
        return solve(denoise, x, levels, churn=constant_churn(0.2), generator=rng).x

    before = torch.get_rng_state()
    torch.testing.assert_close(run(3), run(3), rtol=0, atol=0)
    assert not torch.equal(run(3), run(4))
    assert torch.equal(before, torch.get_rng_state())


def test_churn_sees_levels_and_raises_them():
    asked, levels = [], karras_grid(4, 0.1, 10.0)

    def churn(sigmas):
        asked.append(sigmas)
        return torch.tensor([0.0, 0.1, 0.0, 0.4])

    seen = []

    def denoiser(x, sigma):
        seen.append(float(sigma[0]))
        return torch.zeros_like(x)

    solve(denoiser, torch.ones(1, 1, dtype=torch.float64), levels, "euler", churn)
    torch.testing.assert_close(asked[0], levels, rtol=0, atol=0)
    factors = torch.tensor([1.0, 1.1, 1.0, 1.4], dtype=torch.float64)
    torch.testing.assert_close(torch.tensor(seen, dtype=torch.float64), factors * levels)


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


@pytest.mark.gpu
def test_cpu_generator_serves_a_gpu():
    levels, churn = karras_grid(5, 0.1, 10.0), constant_churn(0.2)
    on = {}
    for device in ("cpu", "cuda"):
        rng = torch.Generator().manual_seed(0)
        x = torch.ones(4, 2, device=device)
        sample = solve(GaussianSource(2).denoise, x, levels.to(device), churn=churn, generator=rng)
        on[device] = sample.x.cpu()
    torch.testing.assert_close(on["cpu"], on["cuda"])


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


@pytest.mark.slow
def test_table_of_divergences():
    path = Path(__file__).parents[2] / "tools" / "bench" / "solvers.py"
    spec = importlib.util.spec_from_file_location("bench_solvers", path)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    rows = bench.solver_table()
    floor = {row["source"]: row["kl"] for row in rows if row["solver"] == "exact"}
    kl = {(r["source"], r["grid"], r["solver"], r["levels"]): r["kl"] for r in rows}
    assert set(floor) == {"gaussian", "mixture"}
    assert len(kl) == len(rows) == 2 * (1 + 6 * len(SOLVERS) * len(bench.BUDGETS))
    # A Gaussian's standard deviation s ends as s^2 / (s^2 + sigma_min^2)^(1/2): to first order
    # KL = (sigma_min / s)^4 / 4, off by a share of about (sigma_min / s)^2 = 0.4 % at the least s.
    expected = float((bench.SIGMA_MIN / bench.STDS).pow(4).sum() / 4)
    assert floor["gaussian"] == pytest.approx(expected, rel=0.01)
    for source, grid in {(key[0], key[1]) for key in kl} - {("gaussian", ""), ("mixture", "")}:
        # Order 1: eight times the levels divide the error by about 8, and KL by about 64; on these
        # grids 8 levels are too few to be at that rate, so less is asked.
        coarse, fine = (kl[source, grid, "euler", n] for n in (8, 64))
        assert floor[source] < fine < coarse / 10
        assert all(math.isfinite(kl[source, grid, name, 32]) for name in SOLVERS)
