"""Images as a denoising task: what core's loop trains on."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.channel import VarianceExploding
from infonoise_core.denoiser import Denoiser, EDMDenoiser
from infonoise_core.errors import InputError
from infonoise_core.prior_profile import independent_symbol_profile
from infonoise_core.profile import EntropyRateProfile
from infonoise_core.training.schedules import Setting
from infonoise_core.training.task import Batch, Losses, denoising_losses
from infonoise_core.weighting import Weight, edm_weight, unit_weight
from infonoise_vision.data import ImageSet, load_images
from infonoise_vision.model import UNet, preset

HELD_OUT = 0.2
# Images with more grey levels count as continuous.
FEW_LEVELS = 64


@dataclass(frozen=True)
class Objective:
    """Images and what is learned of them; the same in train and compare."""

    size: int | None = None
    """crop to a square and resize to this many pixels"""
    sigma_min: float = 0.002
    """lowest noise level, in the unit of images between -1 and 1"""
    sigma_max: float = 80.0
    """highest noise level"""
    sigma_data: float = 0.5
    """standard deviation the network's preconditioning assumes"""
    weight: str = "edm"
    """loss weight: edm or unit"""

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise InputError(
                f"--sigma-min {self.sigma_min:g} and --sigma-max {self.sigma_max:g} do not span a"
                " range: give 0 < sigma-min < sigma-max"
            )
        if not 0 < self.sigma_data < math.inf:
            raise InputError(f"--sigma-data {self.sigma_data:g}: give a standard deviation above 0")
        self.weighting()

    def weighting(self) -> Weight:
        weights = {"edm": edm_weight(self.sigma_data), "unit": unit_weight()}
        if self.weight not in weights:
            raise InputError(f"--weight {self.weight}: no such weight; give edm or unit")
        return weights[self.weight]

    def setting(self, updates: int, images: ImageSet) -> Setting:
        """What a schedule is made for."""
        channel = VarianceExploding(self.sigma_min, self.sigma_max)
        symbols = pixel_profile(images, channel)
        return Setting(channel, self.weighting(), updates, images.dim, symbols)

    def task(self, images: ImageSet, seed: int) -> "ImageTask":
        """The images, with a fresh network."""
        denoiser = make_denoiser(images.shape, self.sigma_data, seed)
        return ImageTask(images, denoiser, self.weighting())


def pixel_profile(images: ImageSet, channel: VarianceExploding) -> EntropyRateProfile | None:
    """The profile of pixels that know nothing of each other, each with its own frequencies of grey
    levels; None for real-valued images and for so many levels that noise hardly tells the two
    apart.
    """
    if images.levels is None or images.levels > FEW_LEVELS:
        return None
    n, levels = len(images), images.levels
    pixels = torch.from_numpy(images.pixels.reshape(n, -1).astype(np.int64))
    cells = pixels + levels * torch.arange(images.dim)
    counts = torch.bincount(cells.flatten(), minlength=levels * images.dim)
    # One example's worth of doubt, so that a level which was never seen stays possible.
    table = (counts.reshape(images.dim, levels).to(torch.float64) + 1 / levels) / (n + 1)
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)
    return independent_symbol_profile(channel, table, values[:, None])


class ImageTask:
    """Denoise images with EDM's objective: w(sigma) |D(x0 + sigma eps, sigma) - x0|^2 / dim."""

    def __init__(self, images: ImageSet, denoiser: nn.Module, weight: Weight) -> None:
        self.images, self.denoiser, self.weight = images, denoiser, weight
        self.dim = images.dim

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(self.images.x0(index))

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, batch, sigma, eps, self.weight)


def make_denoiser(shape: tuple[int, int, int], sigma_data: float, seed: int) -> EDMDenoiser:
    """A freshly initialised denoiser for images of shape (channels, height, width), the same for
    the same seed.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return EDMDenoiser(UNet(shape, **preset(shape)), sigma_data)


def load_split(data: str, size: int | None) -> tuple[ImageSet, ImageSet]:
    """Training and held-out images, the same ones for the same data."""
    return load_images(data, size=size).split(HELD_OUT)


def describe(images: ImageSet, held_out: ImageSet) -> dict[str, str | int | list[int] | None]:
    """What was trained on, as plain values: for the settings of a run and for results."""
    return {
        "name": images.name,
        "shape": list(images.shape),
        "levels": images.levels,
        "train": len(images),
        "held_out": len(held_out),
    }
