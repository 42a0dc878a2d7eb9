"""Details of Gaussian images that have noise of their own, against what is known in closed form."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from infonoise_core.sampling.churn import constant_churn
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.sampling.staged import solve_whole

from .gaussian_fields import (
    SIGMA_MAX,
    SIGMA_MIN,
    Gaussian,
    Leading,
    birth_kl,
    blurred,
    kl,
    model,
    sampled,
)


@pytest.mark.parametrize("stages", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("lead", [2.0, 4.0])
def test_details_that_lead_are_of_the_true_law(stages: int, lead: float) -> None:
    """With noise of their own, born at 6 times their size into an image of less."""
    plain = Gaussian(8 * stages)
    sizes = [float(plain.band(k)[2].diagonal().mean().sqrt()) for k in range(stages)]
    births = [6 * size / lead for size in sizes]
    found = {}
    for exact in (True, False):
        staged = model(births, plain, exact=exact, lead=lead)
        gaussian = Leading(plain.side, staged.levels)
        found[exact] = kl(blurred(plain), sampled(staged, gaussian, 72))
    lost = sum(birth_kl(plain, k, lead * level, level) for k, level in enumerate(births))
    assert found[True] < 0.05
    assert found[False] == pytest.approx(lost + found[True], abs=0.3 * lost + 0.01)
    # Nothing else: with white noise instead, the sampler is far off.
    staged = model(births, plain, exact=True, lead=lead)
    assert kl(blurred(plain), sampled(staged, plain, 72)) > 10 * found[True]


@pytest.mark.parametrize("lead", [1.0, 3.0])
def test_rates_along_the_path_are_what_noise_destroys(lead: float) -> None:
    """Their integral is the difference of what is known at both ends, I-MMSE band by band."""
    plain = Gaussian(8)
    sizes = [float(plain.band(k)[2].diagonal().mean().sqrt()) for k in range(2)]
    staged = model([6 * size / lead for size in sizes], plain, exact=False, lead=lead)
    gaussian, truth = Leading(8, staged.levels), plain.covariances[8]
    basis = torch.eye(64, dtype=torch.float64).reshape(-1, 1, 8, 8)

    def rate(sigma: float) -> float:
        noisy = truth + gaussian.noise(8, sigma)
        left = truth - truth @ torch.linalg.solve(noisy, truth)
        counted = staged.counted(basis, basis.new_full((64,), sigma)).flatten(1)
        return float(torch.trace(counted.T @ left @ counted)) / sigma**2

    def known(sigma: float) -> float:
        noise = gaussian.noise(8, sigma)
        return 0.5 * float(torch.linalg.slogdet(truth + noise)[1] - torch.linalg.slogdet(noise)[1])

    # By the middle of cells, whose edges are the levels where rates jump.
    ends = [SIGMA_MIN, *staged.births.tolist(), SIGMA_MAX]
    total = 0.0
    for low, high in pairwise(ends):
        edges = torch.linspace(math.log(low), math.log(high), 41, dtype=torch.float64)
        middle = ((edges[1:] + edges[:-1]) / 2).exp().tolist()
        total += sum(rate(sigma) for sigma in middle) * float(edges[1] - edges[0])
    assert total == pytest.approx(known(SIGMA_MIN) - known(SIGMA_MAX), rel=1e-3)


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_whole_images_are_drawn_along_the_path(gamma: float) -> None:
    """At the full side all the way, as completions are; with churn at some levels on it."""
    plain = Gaussian(8)
    size = float(plain.band(0)[2].diagonal().mean().sqrt())
    staged = model([3 * size], plain, exact=False, lead=2.0)
    gaussian, low, high = Leading(8, staged.levels), 0.1, 1.0
    levels = karras_grid(48, SIGMA_MIN, SIGMA_MAX)
    slots = 1 + int(((levels >= low) & (levels <= high)).sum()) * (gamma > 0)
    used = 0

    def noise(shape: tuple[int, ...]) -> Tensor:
        nonlocal used
        rows = torch.zeros(64 * slots, 64, dtype=torch.float64)
        rows[64 * used : 64 * (used + 1)] = torch.eye(64)
        used += 1
        return rows.reshape(-1, *shape)

    churn = constant_churn(gamma, low, high) if gamma else None
    made = solve_whole(gaussian, staged, levels, noise, churn=churn, s_noise=1.0).x.flatten(1)
    assert used == slots
    assert kl(blurred(plain), made.T @ made) < 0.05
