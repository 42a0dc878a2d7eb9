"""Staged diffusion of Gaussian images, whose every number is known in closed form."""

import math
from collections.abc import Sequence
from itertools import pairwise

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
from infonoise_vision.models.lead import BandLevels
from infonoise_vision.models.staged import Birth, StagedDenoiser
from infonoise_vision.sampling.staged import solve_staged, solve_whole, staged_levels

SIDE = 8
SHAPE = (1, SIDE, SIDE)
SIGMA_MIN, SIGMA_MAX = 0.01, 40.0


def field(side: int = SIDE, power: float = 2.0) -> Tensor:
    """(n, n) covariance of a periodic field whose spectrum falls as 1/f^power, float64."""
    f = torch.fft.fftfreq(side, dtype=torch.float64)
    square = (f[:, None].square() + f.square()) * side**2
    spectrum = 1 / (0.5 + square) ** (power / 2)
    basis = torch.eye(side * side, dtype=torch.float64).reshape(-1, side, side)
    rows = torch.fft.ifft2(torch.fft.fft2(basis) * spectrum).real.flatten(1)
    return rows / rows.diagonal().mean()


def haar_matrix(side: int) -> tuple[Tensor, Tensor]:
    """Rows that give the coarse part (n/4, n) and the details (3n/4, n) of a flat image."""
    basis = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    rough, details = split(basis)
    return rough.flatten(1).T, details.flatten(1).T


class Gaussian:
    """The exact denoiser of every stage of a Gaussian field."""

    def __init__(self, side: int = SIDE) -> None:
        self.side, covariance = side, field(side)
        self.covariances = {side: covariance}
        while side > 2:
            rough, _ = haar_matrix(side)
            covariance = rough @ covariance @ rough.T
            side //= 2
            self.covariances[side] = covariance

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        covariance = self.covariances[x.shape[2]]
        noisy = covariance + self.noise(x.shape[2], float(sigma[0]))
        gain = torch.linalg.solve(noisy, covariance)
        return (x.flatten(1) @ gain).reshape(x.shape)

    def noise(self, side: int, sigma: float) -> Tensor:
        """(n, n) covariance of the noise of a stage's state."""
        return sigma**2 * torch.eye(side * side, dtype=torch.float64)

    def band(self, level: int) -> tuple[Tensor, Tensor, Tensor]:
        """Covariances of the coarse part, with the details, and of these, of one halving."""
        side = self.side >> level
        rough, fine = haar_matrix(side)
        whole = self.covariances[side]
        return rough @ whole @ rough.T, fine @ whole @ rough.T, fine @ whole @ fine.T


class Leading(Gaussian):
    """The same where details have noise of their own."""

    def __init__(self, side: int, levels: BandLevels) -> None:
        super().__init__(side)
        self.levels = levels

    def noise(self, side: int, sigma: float) -> Tensor:
        basis = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
        shaped = self.levels.shaped(basis, basis.new_full((len(basis),), sigma)).flatten(1)
        return sigma**2 * shaped.T @ shaped


def kl(truth: Tensor, model: Tensor) -> float:
    """Of two centred Gaussians, from the truth to the model."""
    gap = torch.linalg.slogdet(model)[1] - torch.linalg.slogdet(truth)[1]
    return 0.5 * float(torch.trace(torch.linalg.solve(model, truth)) - len(truth) + gap)


def birth_kl(gaussian: Gaussian, level: int, noise: float, beside: float | None = None) -> float:
    """What a white newborn loses, exactly: KL of y_d given y_c, averaged over y_c.

    Args:
        beside: Noise of the coarse part, where it is another.
    """
    rough, cross, fine = gaussian.band(level)
    eye = torch.eye(len(rough), dtype=torch.float64) * (beside or noise) ** 2
    conditional = fine - cross @ torch.linalg.solve(rough + eye, cross.T)
    own = torch.eye(len(fine), dtype=torch.float64) * noise**2
    # One size for each orientation.
    square = fine.diagonal().reshape(3, -1).mean(1).repeat_interleave(len(fine) // 3)
    model = torch.diag(square) + own
    gap = torch.linalg.slogdet(model)[1] - torch.linalg.slogdet(conditional + own)[1]
    return 0.5 * float(torch.trace(torch.linalg.solve(model, fine + own)) - len(fine) + gap)


def model(
    births: Sequence[float], gaussian: Gaussian, *, exact: bool, lead: float = 1.0
) -> StagedDenoiser:
    """Births of a field: white details, or such as have the exact mean and covariance."""
    staged = StagedDenoiser(
        torch.nn.Identity(), (1, gaussian.side, gaussian.side), len(births), lead=lead,
        start=SIGMA_MIN,
    )  # fmt: skip
    found = []
    for level, noise in enumerate(births):
        rough, _, fine = gaussian.band(level)
        rms = fine.diagonal().reshape(3, -1).mean(1).sqrt()
        found.append(
            Birth(
                noise, rough.diagonal().mean().sqrt(), rms,
                torch.zeros(3, 1, 5, 5), torch.diag(rms.square()),
            )
        )  # fmt: skip
    staged.set_births(found)
    if exact:
        exact_births(staged, gaussian, births)
    return staged


def exact_births(staged: StagedDenoiser, gaussian: Gaussian, births: Sequence[float]) -> None:
    """Let details be born from their exact posterior."""

    def born(x: Tensor, level: int, noise: Tensor) -> Tensor:
        rough, cross, fine = gaussian.band(level)
        square, own = births[level] ** 2, (staged.lead * births[level]) ** 2
        gain = torch.linalg.solve(rough + square * torch.eye(len(rough)), cross.T)
        left = fine - cross @ gain + own * torch.eye(len(fine))
        details = x.flatten(1) @ gain + noise.flatten(1) @ torch.linalg.cholesky(left).T
        return join(x, details.reshape(len(x), 3, 1, *x.shape[2:]))

    staged.born = born  # type: ignore[method-assign]


def sampled(staged: StagedDenoiser, gaussian: Gaussian, steps: int) -> Tensor:
    """Covariance of what the sampler makes, by its linear map of the noise."""
    births = staged.births.tolist()
    levels = staged_levels(steps, SIGMA_MIN, SIGMA_MAX, births, karras_grid)
    n, used = gaussian.side**2, 0

    def noise(shape: tuple[int, ...]) -> Tensor:
        nonlocal used
        size = math.prod(shape)
        rows = torch.zeros(n, size, dtype=torch.float64)
        rows[used : used + size] = torch.eye(size, dtype=torch.float64)
        used += size
        return rows.reshape(n, *shape)

    made = solve_staged(gaussian, staged, levels, noise).x.flatten(1)
    assert used == n
    return made.T @ made


def blurred(gaussian: Gaussian) -> Tensor:
    """The truth: a last step to noise 0 leaves the denoised image at SIGMA_MIN."""
    return gaussian.covariances[gaussian.side]


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
