"""What is known of a set of images before anything is learned: bounds of its profile."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from infonoise_core.analytic.priors import independent_symbol_profile, linear_profile
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_vision.data.formats.source import chunks
from infonoise_vision.data.images import ImageSet

# Images with more grey levels count as continuous.
FEW_LEVELS = 64
# Numbers and images that variances are taken from, at most.
_NUMBERS, _IMAGES = 2**27, 8192


def reading_noise(levels: int, scale: float) -> float:
    """Noise under which so many grey levels are told apart: an eighth of their distance."""
    return 2 * scale / (levels - 1) / 8


def pixel_profile(images: ImageSet, channel: VarianceExploding) -> EntropyRateProfile | None:
    """The profile of independent pixels, each with its own frequencies of grey levels.

    None for real-valued images, and for so many levels that grey levels and real numbers hardly
    differ under noise.
    """
    if images.levels is None or images.levels > FEW_LEVELS:
        return None
    values = level_values(images.levels, images.scale)
    return independent_symbol_profile(channel, level_frequencies(images), values[:, None])


def level_frequencies(images: ImageSet) -> Tensor:
    """(dim, levels) float64: how often each grey level stands at each pixel, all above 0.

    Raises:
        InputError: For images without few grey levels.
    """
    n, levels = len(images), images.levels
    if levels is None or levels > FEW_LEVELS:
        found = "real numbers" if levels is None else f"{levels} grey levels"
        raise InputError(
            f"{images.name}: holds {found}, and a head of symbols needs at most {FEW_LEVELS}"
            " levels; give --head edm, or --binarize"
        )
    counts = np.zeros((images.dim, levels))
    for part in chunks(np.asarray(images.pixels, np.uint8)):
        flat = part.reshape(len(part), -1)
        for level in range(levels):
            counts[:, level] += (flat == level).sum(0)
    # One example's worth of doubt, so that a level which was never seen stays possible.
    return (torch.from_numpy(counts) + 1 / levels) / (n + 1)


def level_values(levels: int, scale: float = 1.0) -> Tensor:
    """(levels,) float64: what grey levels are to the model, evenly from -scale to scale."""
    return scale * torch.linspace(-1, 1, levels, dtype=torch.float64)


def deviation(images: ImageSet) -> float:
    """Standard deviation of all pixels around their mean, of at most 8192 images, evenly spaced."""
    number = min(len(images), _IMAGES, max(256, _NUMBERS // images.dim))
    rows = np.linspace(0, len(images) - 1, number).astype(np.int64)
    total = square = 0.0
    for start in range(0, number, 256):
        # Of scale 1, so that rounding is the same for any.
        x0 = replace(images, scale=1.0).x0(rows[start : start + 256]).double()
        total, square = total + float(x0.sum()), square + float(x0.square().sum())
    count = number * images.dim
    return images.scale * math.sqrt(max(0.0, square / count - (total / count) ** 2))


def cosine_profile(images: ImageSet, channel: VarianceExploding) -> EntropyRateProfile | None:
    """The profile of the best denoiser that shrinks each coefficient of the cosine transform.

    The transform goes over columns, rows and channels; each coefficient is shrunk by itself. An
    upper bound on the profile of the images, from the variances of at most 8192 of them, evenly
    spaced; None where they are all alike.
    """
    number = min(len(images), _IMAGES, max(256, _NUMBERS // images.dim))
    rows = np.linspace(0, len(images) - 1, number).astype(np.int64)
    bases = [cosines(side) for side in images.shape]
    total = square = torch.zeros(images.shape, dtype=torch.float64)
    for start in range(0, number, 256):
        x0 = images.x0(rows[start : start + 256]).double()
        coefficients = torch.einsum("nchw,ac,bh,dw->nabd", x0, *bases)
        total, square = total + coefficients.sum(0), square + coefficients.square().sum(0)
    mean, second = total / number, square / number
    variances = second - mean.square()
    # Less than that is rounding.
    variances[variances < 1e-10 * second] = 0
    return linear_profile(channel, variances.flatten()) if variances.any() else None


def cosines(side: int) -> Tensor:
    """(side, side) orthonormal: a row for each frequency of the cosine transform (DCT-II)."""
    places, frequency = torch.arange(side, dtype=torch.float64), torch.arange(side)[:, None]
    waves: Tensor = torch.cos(math.pi / side * (places + 0.5) * frequency)
    return functional.normalize(waves, dim=1)
