"""A likelihood bound of held-out images in bits per dim, whatever schedule trained the denoiser."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import gaussian_quadrature
from infonoise_core.errors import InputError
from infonoise_core.evaluation import likelihood
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.evaluation.likelihood import Bits, per_unit, prior_nats
from infonoise_core.training.task import Batch
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.priors import reading_noise
from infonoise_vision.evaluation.options import LIMIT

# Images and rows of them -> what the denoiser is given beside these (`diffusion.conditioning_of`).
Conditioning = Callable[[ImageSet, np.ndarray], Mapping[str, Tensor]]


def unconditional(images: ImageSet, rows: np.ndarray) -> Mapping[str, Tensor]:
    """Nothing is given beside the images at `rows` (n,)."""
    return {}


class LikelihoodBound:
    """Upper bound on the negative log-likelihood of held-out images, in bits per dim.

    That of `infonoise_core.evaluation.likelihood` between sigma_max and sigma_0, with what pixels
    cost at both ends. Discrete images are read off x at sigma_0 = an eighth of the distance between
    grey levels (or sigma_min where that is larger), by the exact posterior of one pixel under a
    uniform prior; below that level nothing is left to learn, and a denoiser is not charged for it.
    Real-valued images get the density of the data blurred by sigma_0 = sigma_min, as it is at scale
    1: where the noise levels follow the scale, the bound is the same at any.

    Args:
        conditioning: What the denoiser is given beside each image; pixels that are among it cost
            nothing, and bits are counted per dim of the others.

    Attributes:
        hidden: (n,) the number of these in each image.
    """

    def __init__(
        self,
        held_out: ImageSet,
        train: ImageSet,
        sigma_min: float,
        sigma_max: float,
        seed: int = 0,
        conditioning: Conditioning = unconditional,
    ) -> None:
        rows = np.arange(len(held_out))
        x0, given = held_out.x0(rows), conditioning(held_out, rows)
        hidden = 1 - given["known"] if "known" in given else torch.ones(1)
        self.hidden = hidden.expand_as(x0).flatten(1).to(torch.float64).sum(1)
        self.sigma_0 = sigma_min
        if held_out.levels is not None:
            self.sigma_0 = max(sigma_min, reading_noise(held_out.levels, held_out.scale))
        if not self.sigma_0 < sigma_max:
            raise InputError(
                f"--sigma-max {sigma_max:g}: {held_out.levels} grey levels are already apart"
                f" below {self.sigma_0:g}; give a higher one"
            )
        ends = _prior_nats(x0, train, sigma_max) + self._terminal_nats(held_out, x0.shape)
        error = HeldOutError(Batch(x0, given), self.sigma_0, sigma_max, levels=8, seed=seed)
        self._bound = likelihood.LikelihoodBound(
            error, self.hidden, (ends * hidden).flatten(1).sum(1)
        )

    def __call__(self, denoiser: nn.Module) -> Bits:
        """Evaluate on the fixed set of levels and noises."""
        return self._bound(denoiser).in_bits()

    def nats(self, denoiser: nn.Module) -> Tensor:
        """(n,) what each image costs."""
        return self._bound.nats(denoiser)

    def by_example(self, denoiser: nn.Module) -> Tensor:
        """(n,) bits per dim of each image, of which the bound is the mean."""
        return self._bound.by_example(denoiser) / math.log(2)

    def _terminal_nats(self, images: ImageSet, shape: torch.Size) -> Tensor:
        if images.levels is None:
            sigma = self.sigma_0 / images.scale
            gaussian = 0.5 * math.log(2 * math.pi * math.e * sigma**2)
            return torch.full(shape, gaussian, dtype=torch.float64)
        cost = pixel_nats(images.levels, self.sigma_0 / images.scale)
        return cost[torch.from_numpy(np.asarray(images.pixels, np.int64))]


def bound_of_many(
    held_out: ImageSet,
    train: ImageSet,
    sigma_min: float,
    sigma_max: float,
    denoiser: nn.Module,
    conditioning: Conditioning = unconditional,
) -> Bits:
    """`LikelihoodBound` of any number of held-out images, in flat memory.

    They are taken in parts of at most LIMIT, each with noises of its own.
    """
    costs, dims = [], []
    parts = np.array_split(np.arange(len(held_out)), math.ceil(len(held_out) / LIMIT))
    for seed, rows in enumerate(parts):
        part = held_out.take(rows)
        bound = LikelihoodBound(part, train, sigma_min, sigma_max, seed, conditioning)
        costs.append(bound.nats(denoiser))
        dims.append(bound.hidden)
    return per_unit(torch.cat(costs), torch.cat(dims)).in_bits()


def pixel_nats(levels: int, sigma: float) -> Tensor:
    """(levels,) expected -log posterior of a pixel's own grey level after noise sigma, in nats.

    Uniform prior over grey levels 2k/(levels-1) - 1; by quadrature, float64.
    """
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)
    z, weight = gaussian_quadrature(64)
    x = values[:, None] + sigma * z
    logits = -(x[..., None] - values).square() / (2 * sigma**2)
    own = logits.diagonal(dim1=0, dim2=2).T
    return ((torch.logsumexp(logits, -1) - own) * weight).sum(-1)


def _prior_nats(x0: Tensor, train: ImageSet, sigma_max: float) -> Tensor:
    """(n, c, h, w) KL of each pixel of x at sigma_max from one Gaussian, in nats.

    It has the mean of the training pixels, and their variance added to the noise's.
    """
    pixels = train.x0(np.arange(min(len(train), 4096))).to(torch.float64)
    mean, variance = float(pixels.mean()), float(pixels.var())
    return prior_nats((x0.to(torch.float64) - mean).square(), variance, sigma_max)


def fixed_part(held_out: ImageSet, limit: int, seed: int = 0) -> ImageSet:
    """The `limit` held-out images, or all, that a bound is computed on: always the same ones."""
    if len(held_out) <= limit:
        return held_out
    rows = np.random.default_rng(seed).permutation(len(held_out))[:limit]
    return held_out.take(np.sort(rows))
