"""Gaussian images of which every number of staged diffusion is known in closed form."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.models.haar import join, split
from infonoise_vision.models.lead import BandLevels
from infonoise_vision.models.staged import Birth, StagedDenoiser
from infonoise_vision.sampling.staged import solve_staged, staged_levels

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
