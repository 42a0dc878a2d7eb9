"""Images as a denoising task: what core's loop trains on."""

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.denoiser import Denoiser, EDMDenoiser
from infonoise_core.training.task import Batch, Losses, denoising_losses
from infonoise_core.weighting import Weight
from infonoise_vision.data import ImageSet
from infonoise_vision.model import UNet, preset


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
