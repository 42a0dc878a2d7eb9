"""Staged diffusion of Gaussian images, against what is known in closed form."""

import math

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import EDMDenoiser
from infonoise_core.sampling.churn import constant_churn
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.solvers import solve
from infonoise_vision.evaluation.births import lost_nats
from infonoise_vision.models.haar import coarse, halvings, join, split, stages_of
from infonoise_vision.models.staged import Birth, StagedDenoiser
from infonoise_vision.sampling.staged import solve_staged, staged_levels

from .gaussian_fields import (
    SHAPE,
    SIGMA_MAX,
    SIGMA_MIN,
    Gaussian,
    birth_kl,
    blurred,
    kl,
    model,
    sampled,
)


def test_the_transform_is_orthonormal_and_is_undone() -> None:
    x = torch.randn(3, 2, 8, 12, dtype=torch.float64)
    rough, details = split(x)
    assert details.shape == (3, 3, 2, 4, 6)
    torch.testing.assert_close(join(rough, details), x)
    torch.testing.assert_close(rough.square().sum() + details.square().sum(), x.square().sum())
    means = torch.nn.functional.avg_pool2d(x, 4)
    torch.testing.assert_close(coarse(x, 2), 4 * means)


def test_how_often_sides_are_halved() -> None:
    assert [halvings((1, side, side), None) for side in (16, 28, 32, 64)] == [1, 1, 2, 3]
    assert stages_of("none", (1, 7, 7)) == stages_of("0", (1, 7, 7)) == 0
    for option, side, words in (("auto", 14, "cannot be halved"), ("3", 28, "halved 2 times")):
        with pytest.raises(InputError, match=words):
            stages_of(option, (1, side, side))


@pytest.mark.parametrize("ratio", [2.0, 4.0, 6.0])
def test_what_a_white_newborn_loses(ratio: float) -> None:
    """Half of what its rate exceeds the band's own by, given the coarse part at the same noise."""
    gaussian = Gaussian()
    rough, cross, fine = gaussian.band(0)
    noise = ratio * float(fine.diagonal().mean().sqrt())
    exact = birth_kl(gaussian, 0, noise)
    white = fine.diagonal().reshape(3, -1).mean(1)
    newborn = float((white / (white + noise**2)).sum()) * (len(fine) // 3)
    # The band's own rate: the error of its best estimate from all that is seen.
    joint = torch.cat([torch.cat([rough, cross.T], 1), torch.cat([cross, fine], 1)])
    noisy = joint + noise**2 * torch.eye(len(joint), dtype=torch.float64)
    left = joint - joint @ torch.linalg.solve(noisy, joint)
    own = float(torch.trace(left[len(rough) :, len(rough) :])) / noise**2
    assert 0.98 * exact <= lost_nats(newborn, own) <= 1.25 * exact
    # The loss is what these shortfalls add up to, upwards: they are its derivative.
    step = 1e-3
    up, down = (birth_kl(gaussian, 0, noise * math.exp(d), noise) for d in (step, -step))
    assert (down - up) / (2 * step) == pytest.approx(newborn - own, rel=1e-4)


def test_a_birth_loses_less_the_higher_it_is() -> None:
    losses = [lost_nats(100.0, 50.0 / k) for k in (1, 2, 4)]
    assert losses == sorted(losses)
    assert lost_nats(3.0, 3.0) == 0


@pytest.mark.parametrize("stages", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_with_exact_births_samples_are_of_the_true_law(stages: int) -> None:
    gaussian = Gaussian(8 * stages)
    sizes = [float(gaussian.band(k)[2].diagonal().mean().sqrt()) for k in range(stages)]
    births = [6 * size for size in sizes]
    truth = blurred(gaussian)
    exact = kl(truth, sampled(model(births, gaussian, exact=True), gaussian, 72))
    white = kl(truth, sampled(model(births, gaussian, exact=False), gaussian, 72))
    lost = sum(birth_kl(gaussian, k, level) for k, level in enumerate(births))
    assert exact < 0.05
    assert white == pytest.approx(lost + exact, abs=0.3 * lost + 0.01)
    coarse_steps = kl(truth, sampled(model(births, gaussian, exact=True), gaussian, 24))
    assert exact < coarse_steps


def test_one_stage_is_the_plain_sampler_bit_for_bit() -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 1, 3, padding=1)

    class Raw(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
            return self.inner(x)

    plain = EDMDenoiser(Raw(), 0.5)
    staged = StagedDenoiser(Raw(), SHAPE, 0)
    levels = staged_levels(6, SIGMA_MIN, SIGMA_MAX, [], karras_grid)
    torch.testing.assert_close(levels.all, karras_grid(6, SIGMA_MIN, SIGMA_MAX), rtol=0, atol=0)
    start = torch.randn(2, *SHAPE)
    made = solve_staged(plain, staged, levels, lambda shape: start).x
    x = float(levels.all[0]) * start
    assert torch.equal(made, solve(plain, x, levels.all).x)


def test_levels_are_divided_and_meet_at_births() -> None:
    levels = staged_levels(18, 0.002, 80.0, [0.9, 2.3], karras_grid)
    assert [len(part) for part in levels.stages] == [7, 4, 7]
    assert [float(part[0]) for part in levels.stages[1:]] == [2.3, 0.9]
    assert bool((levels.all.diff() < 0).all())
    assert float(levels.all[-1]) == pytest.approx(0.002)
    assert [len(part) for part in staged_levels(1, 0.002, 80.0, [0.9], karras_grid).stages] == [
        1,
        1,
    ]


def small(stages: int) -> StagedDenoiser:
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
            return self.inner(x) * (1 + c_noise.reshape(-1, 1, 1, 1))

    staged = StagedDenoiser(Net(), (2, 16, 16), stages)
    staged.set_births(
        [
            Birth(
                2.0 * (k + 1), torch.tensor(1.5), torch.tensor([0.3, 0.4, 0.2]),
                torch.zeros(6, 2, 5, 5), 0.1 * torch.eye(6),
            )
            for k in range(stages)
        ]
    )  # fmt: skip
    return staged


def test_whole_images_are_denoised_in_the_stage_of_their_noise() -> None:
    staged, x = small(2), torch.randn(3, 2, 16, 16)
    sigma = torch.tensor([1.0, 3.0, 9.0])
    together = staged(x, sigma)
    for i in range(3):
        torch.testing.assert_close(together[i], staged(x[i : i + 1], sigma[i : i + 1])[0])
    # The coarse part is what the network makes of it, details are shrunk.
    rough, details = split(x[1:2])
    expected = staged(rough, sigma[1:2])
    found, shrunk = split(together[1:2])
    torch.testing.assert_close(found, expected)
    square = staged.detail_rms[0].square().reshape(1, 3, 1, 1, 1)
    torch.testing.assert_close(shrunk, details * square / (square + 9))
    # At a birth's own level the finer stage answers, but for an image that is coarse already.
    assert staged.stage_of(torch.tensor([2.0, 4.0, 4.1])).tolist() == [0, 1, 2]
    assert staged(rough, torch.tensor([2.0])).shape == rough.shape


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_target_of_the_network_is_of_unit_size(level: int) -> None:
    """Of white bands of the sizes that the denoiser assumes, at any noise."""
    staged = small(2)
    generator = torch.Generator().manual_seed(0)
    n, side = 400, 16 >> level
    sigma = torch.full((n,), [0.5, 3.0, 6.0][level])
    if level == 2:
        x0 = 1.5 * torch.randn(n, 2, side, side, generator=generator)
    else:
        rms = torch.tensor([0.3, 0.4, 0.2]).reshape(1, 3, 1, 1, 1)
        half = side // 2
        x0 = join(
            1.5 * torch.randn(n, 2, half, half, generator=generator),
            rms * torch.randn(n, 3, 2, half, half, generator=generator),
        )
    staged.network = Zero()
    noisy = x0 + sigma.reshape(-1, 1, 1, 1) * torch.randn(x0.shape, generator=generator)
    target = staged.unit_error(staged(noisy, sigma) - x0, sigma)
    # Five standard errors of a mean square of so many values.
    assert float(target.square().mean()) == pytest.approx(1, abs=5 * math.sqrt(2 / target.numel()))


class Zero(torch.nn.Module):
    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        return torch.zeros_like(x)


def test_an_image_with_churn_does_not_depend_on_its_neighbours() -> None:
    staged = small(1)
    levels = staged_levels(6, 0.01, 20.0, staged.births.tolist(), karras_grid)

    def made(seeds: list[int]) -> Tensor:
        rngs = [torch.Generator().manual_seed(seed) for seed in seeds]

        def noise(shape: tuple[int, ...]) -> Tensor:
            return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])

        return solve_staged(staged, staged, levels, noise, churn=constant_churn(0.2)).x

    torch.testing.assert_close(made([1, 2, 3])[1], made([2])[0])
