"""Generated images: the right distribution, the same for a seed, and shown pixel by pixel."""

import io
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.data.images import to_bytes
from infonoise_vision.sampling.images import png_grid

GRID = karras_grid(20, 0.002, 80.0)


class Gaussian(nn.Module):
    """The exact denoiser of pixels N(mean, std^2)."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = nn.Parameter(torch.tensor(mean)), std
        self.modes: list[bool] = []

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.modes.append(self.training)
        share = self.std**2 / (self.std**2 + sigma.reshape(-1, 1, 1, 1) ** 2)
        return self.mean + share * (x - self.mean)


def gaussian_ratio(solver: str, std: float) -> float:
    """Where a solver carries x - mean = 1 at the top of GRID, by its step's factor on the linear
    flow dx/dsigma = (x - mean) sigma / (sigma^2 + std^2).
    """
    x = 1.0
    for sigma, lower in pairwise([*GRID.tolist(), 0.0]):
        slope = x * sigma / (sigma**2 + std**2)
        ahead = x + (lower - sigma) * slope
        if solver == "heun" and lower > 0:
            slope = (slope + ahead * lower / (lower**2 + std**2)) / 2
        x += (lower - sigma) * slope
    return x


@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_an_exact_denoiser_gives_its_distribution(solver: str) -> None:
    """Pure noise of size sigma_max, from the seed's own stream, carried down the exact flow.

    The exact ratio is std / sqrt(sigma_max^2 + std^2): Heun is within 5 % of it on 20 levels.
    """
    denoiser = Gaussian(0.3, 0.5)
    x = generate(denoiser, (3, 2, 2), 30, GRID, solver=solver, seed=1).x
    noise = torch.randn(30, 3, 2, 2, generator=generator(1, Stream.SAMPLE, 0))
    ratio = gaussian_ratio(solver, 0.5)
    # Floats of the order of 80 are rounded to 80 * 2^-24 at the start, less and less later.
    torch.testing.assert_close(x, 0.3 + ratio * (80 * noise - 0.3), atol=1e-5, rtol=1e-5)
    if solver == "heun":
        assert ratio == pytest.approx(0.5 / math.sqrt(80**2 + 0.5**2), rel=0.05)
    assert not any(denoiser.modes)


def test_the_number_of_calls_is_told() -> None:
    for solver, calls in (("euler", 20), ("heun", 39), ("dpmpp-2m", 20)):
        denoiser = Gaussian(0.0, 0.5)
        found = generate(denoiser, (1, 2, 2), 5, GRID, solver=solver, chunk=2)
        assert found.nfe == calls
        assert len(denoiser.modes) == 3 * calls  # three chunks


def test_a_seed_gives_the_same_images_and_more_of_them() -> None:
    denoiser = Gaussian(0.0, 0.5)
    some = generate(denoiser, (1, 2, 2), 4, GRID, seed=3, chunk=4).x
    more = generate(denoiser, (1, 2, 2), 8, GRID, seed=3, chunk=4).x
    other = generate(denoiser, (1, 2, 2), 4, GRID, seed=4, chunk=4).x
    assert torch.equal(more[:4], some)
    assert not torch.equal(other, some)
    # Every image of every chunk has noise of its own.
    assert len(more.flatten(1).unique(dim=0)) == 8


def test_progress_counts_images() -> None:
    told: list[tuple[int, int]] = []
    generate(
        Gaussian(0.0, 0.5), (1, 2, 2), 7, GRID, chunk=3,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert [total for _, total in told] == [7] * 3
    assert sum(done for done, _ in told) == 7


def opened(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_stands_in_its_cell(n: int, channels: int) -> None:
    rng = torch.Generator().manual_seed(n)
    x0 = 2 * torch.rand(n, channels, 3, 4, generator=rng) - 1
    shown = opened(png_grid(x0, zoom=1))
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    assert shown.shape[:2] == (4 * rows + 1, 5 * columns + 1)
    sheet = shown.reshape(*shown.shape[:2], channels)
    outside = np.ones(sheet.shape[:2], bool)
    for i, image in enumerate(to_bytes(x0)):
        top, left = 4 * (i // columns) + 1, 5 * (i % columns) + 1
        assert np.array_equal(sheet[top : top + 3, left : left + 4], image)
        outside[top : top + 3, left : left + 4] = False
    assert (sheet[outside] == 128).all()


def test_small_images_are_enlarged_without_blur() -> None:
    x0 = torch.tensor([[[[-1.0, 1.0]]]])
    plain, large = opened(png_grid(x0, zoom=1)), opened(png_grid(x0, zoom=7))
    assert np.array_equal(large, plain.repeat(7, 0).repeat(7, 1))
    assert opened(png_grid(x0)).shape[1] > 500
    assert opened(png_grid(torch.zeros(1, 1, 700, 700))).shape == (702, 702)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_channels_that_are_no_colours_stand_in_a_row(channels: int) -> None:
    x0 = 2 * torch.rand(2, channels, 3, 4, generator=torch.Generator().manual_seed(0)) - 1
    shown = opened(png_grid(x0, zoom=1, columns=1))
    assert shown.shape == (9, 4 * channels + 2)
    for i in range(2):
        for c in range(channels):
            cell = shown[4 * i + 1 : 4 * i + 4, 4 * c + 1 : 4 * c + 5]
            assert np.array_equal(cell, to_bytes(x0[i : i + 1, c : c + 1])[0, ..., 0])
