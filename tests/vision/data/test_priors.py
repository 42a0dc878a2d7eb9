"""What is known of images before training bounds what noise destroys of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from infonoise_core.analytic.exact import profile_on
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.processes.channel import VarianceExploding
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.priors import cosine_profile, cosines, pixel_profile


def test_pixels_alone_hold_their_own_entropy() -> None:
    """The profile's area is the entropy of each pixel's levels, up to the doubt of one image."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4, (4000, 1, 2, 2)).astype(np.uint8)
    pixels[:, 0, 0, 0] = 0
    discrete = ImageSet("four", pixels, 4)
    channel = VarianceExploding(0.002, 80.0)
    profile = pixel_profile(discrete, channel)
    assert profile is not None
    # Three uniform pixels; the constant one costs less than 0.01 nats for levels never seen.
    assert profile.entropy() == pytest.approx(3 * math.log(4), abs=0.02)
    bytes_ = ImageSet("bytes", pixels, 256)
    assert pixel_profile(bytes_, channel) is None


@pytest.mark.parametrize("side", [1, 2, 3, 8, 14])
def test_cosines_are_orthonormal_and_begin_with_the_mean(side: int) -> None:
    waves = cosines(side)
    torch.testing.assert_close(waves @ waves.T, torch.eye(side, dtype=torch.float64))
    torch.testing.assert_close(waves[0], torch.full((side,), side**-0.5, dtype=torch.float64))


def field(n: int, shape: tuple[int, int, int] = (3, 6, 5)) -> tuple[ImageSet, torch.Tensor]:
    """Gaussian images whose cosine coefficients are independent, and their variances."""
    rng = torch.Generator().manual_seed(0)
    variances = torch.rand(shape, generator=rng, dtype=torch.float64) ** 3
    coefficients = torch.randn(n, *shape, generator=rng, dtype=torch.float64) * variances.sqrt()
    bases = [cosines(side).T for side in shape]
    x0 = torch.einsum("nchw,ac,bh,dw->nabd", coefficients, *bases) + 0.3
    return ImageSet("field", x0.numpy().astype(np.float32), None), variances


def test_it_is_the_profile_of_a_gaussian_field() -> None:
    images, variances = field(6000)
    channel = VarianceExploding(0.002, 80.0)
    profile = cosine_profile(images, channel)
    assert profile is not None
    sigma = profile.sigma[:, None]
    exact = (variances.flatten() / (variances.flatten() + sigma**2)).sum(1)
    # A variance from 6,000 images is known within 1.8 %, and 90 of them average out to 0.2 %; the
    # middle of a bin 0.17 wide in log sigma stands for it within 0.2 %.
    torch.testing.assert_close(profile.rate, exact, rtol=0.01, atol=0)
    assert profile.dim == 90


def test_it_moves_with_the_scale_of_the_data() -> None:
    images, _ = field(50)
    low = cosine_profile(images, VarianceExploding(0.01, 10.0))
    high = cosine_profile(replace(images, scale=10.0), VarianceExploding(0.1, 100.0))
    assert low is not None
    assert high is not None
    torch.testing.assert_close(low.rate, high.rate, rtol=1e-4, atol=0)  # pixels are float32


def test_it_bounds_images_that_are_no_gaussians() -> None:
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(5, 1, 4, 4, generator=rng)
    which = torch.arange(2000) % 5
    images = ImageSet("five", centres[which].numpy(), None)
    channel = VarianceExploding(0.01, 50.0)
    bound = cosine_profile(images, channel)
    assert bound is not None
    true = profile_on(MixtureSource(centres.flatten(1), 0.0, torch.full((5,), 0.2)), bound.edges)
    assert (true.rate <= bound.rate + 4 * true.stderr).all()
    # Not without content: half of the dimensions' own at the data's scale.
    assert float(bound.rate[(bound.sigma - 1).abs().argmin()]) < 0.6 * 16


def test_images_that_are_all_alike_tell_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 5, 4)).astype(np.uint8)
    images = ImageSet("one", np.repeat(image, 7, axis=0), 256)
    assert cosine_profile(images, VarianceExploding(0.01, 50.0)) is None
