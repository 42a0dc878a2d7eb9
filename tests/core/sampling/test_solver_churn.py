"""Fresh noise on the way: its law, its generator, and what it does to a solver's history."""

import math

import pytest
import torch

from infonoise_core.analytic.exact import BinarySource, GaussianSource
from infonoise_core.errors import InputError
from infonoise_core.sampling.churn import constant_churn
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import SOLVERS, solve

from .exact_paths import HIGH, LOW, X, gaussian_path


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


@pytest.mark.parametrize("name", ["dpmpp-2m", "gradient-estimation", "deis", "unipc", "evodiff"])
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


def test_with_a_generator_for_each_example_nothing_depends_on_the_others():
    levels, source = karras_grid(8, LOW, HIGH), GaussianSource(3, std=0.8)

    def ends(seeds):
        rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
        start = torch.stack([HIGH * torch.randn(3, generator=rng) for rng in rngs])
        churn = constant_churn(0.3)
        return solve(source.denoise, start, levels, churn=churn, generator=rngs).x

    several = ends([4, 9, 2])
    assert len(several.unique(dim=0)) == 3
    torch.testing.assert_close(several[1:2], ends([9]))
    torch.testing.assert_close(several.flip(0), ends([2, 9, 4]))
    rng = torch.Generator()
    with pytest.raises(InputError, match="2 generators for 3 examples"):
        solve(source.denoise, several, levels, churn=constant_churn(0.3), generator=[rng, rng])
