"""The measures of quality, against sources whose entropy is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import LikelihoodBound, bound_of_many, fixed_part, pixel_nats
from infonoise_vision.evaluation.held_out import ImageEvaluation
from infonoise_vision.methods.diffusion import load
from infonoise_vision.methods.options import Objective

SHAPE = (1, 4, 4)


def uniform_images(n: int, levels: int, seed: int = 0) -> ImageSet:
    """Pixels that are independent and equally often of each grey level."""
    rng = np.random.default_rng(seed)
    return ImageSet("uniform", rng.integers(0, levels, (n, *SHAPE), np.uint8), levels)


def gaussian_images(n: int, mean: float, std: float, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    pixels = (mean + std * rng.standard_normal((n, *SHAPE))).astype(np.float32)
    return ImageSet("gaussian", pixels, None)


class Exact(nn.Module):
    """The posterior mean, plus a mistake of a given size in units of the noise level."""

    def __init__(self, mistake: float = 0.0) -> None:
        super().__init__()
        self.mistake = nn.Parameter(torch.tensor(mistake))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        s = sigma.reshape(-1, 1, 1, 1)
        # Of the size of the signal where noise is larger than it, else of the noise.
        return self.mean(x, s) + self.mistake * torch.sin(3 * x) * s / (1 + s)

    def mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        raise NotImplementedError


class ExactUniform(Exact):
    def __init__(self, levels: int, mistake: float = 0.0) -> None:
        super().__init__(mistake)
        self.values = torch.linspace(-1, 1, levels)

    def mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        logits = -(x[..., None] - self.values).square() / (2 * sigma[..., None] ** 2)
        return logits.softmax(-1) @ self.values


class Blind(Exact):
    """Knows the mean of the pixels and no more, so it generates grey images."""

    def mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        return torch.zeros_like(x)


class ExactGaussian(Exact):
    def __init__(self, centre: float, std: float, mistake: float = 0.0) -> None:
        super().__init__(mistake)
        self.centre, self.std = centre, std

    def mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.centre + self.std**2 / (self.std**2 + sigma**2) * (x - self.centre)


# What is left to say of one pixel


@pytest.mark.parametrize("sigma", [0.25, 0.3, 0.5, 0.7, 1.0, 2.0, 5.0, 50.0])
def test_two_levels_against_adaptive_quadrature(sigma: float) -> None:
    """Levels -1 and 1: E log(1 + exp(-2/sigma^2 - 2 z/sigma)) over z ~ N(0, 1).

    64 nodes of Gauss-Hermite miss the kink of the integrand by less than 1e-6 nats, of which no
    table shows a trace.
    """

    def integrand(z: float) -> float:
        return np.logaddexp(0, -2 / sigma**2 - 2 * z / sigma) * math.exp(-z * z / 2)

    kink = max(-11.9, -1 / sigma)
    exact = quad(integrand, -12, 12, points=[kink], limit=500)[0] / math.sqrt(2 * math.pi)
    assert pixel_nats(2, sigma).tolist() == pytest.approx([exact, exact], abs=1e-6)


@pytest.mark.parametrize(
    ("levels", "sigma"), [(3, 0.5), (17, 0.05), (17, 0.2), (17, 3.0), (256, 0.004), (256, 0.1)]
)
def test_many_levels_against_simulation(levels: int, sigma: float) -> None:
    """Level by level within 5 standard errors: the largest of up to 256 deviations passes 4 about
    once in 60 times, 5 once in 7000."""
    rng, draws = np.random.default_rng(0), 40_000 // levels
    values = np.linspace(-1, 1, levels)
    x = values[:, None] + sigma * rng.standard_normal((levels, draws))
    logits = -((x[..., None] - values) ** 2) / (2 * sigma**2)
    own = logits[np.arange(levels), :, np.arange(levels)]
    nats = np.logaddexp.reduce(logits, axis=2) - own
    error = nats.std(1) / math.sqrt(draws)
    assert (np.abs(pixel_nats(levels, sigma).numpy() - nats.mean(1)) < 5 * error + 1e-6).all()


@pytest.mark.parametrize("levels", [2, 5, 17, 256])
def test_limits_of_little_and_much_noise(levels: int) -> None:
    """Nothing is left to say at a twentieth of the levels' distance. At large sigma all but the
    information I = Var/(2 sigma^2), up to terms of the order (Var/sigma^2)^2, is left."""
    distance = 2 / (levels - 1)
    assert pixel_nats(levels, distance / 20).max() < 1e-12
    values = torch.linspace(-1, 1, levels, dtype=torch.float64)
    ratio = float(values.var(correction=0)) / 10**2
    left = float(pixel_nats(levels, 10.0).mean())
    assert left == pytest.approx(math.log(levels) - ratio / 2, abs=ratio**2)


@given(st.integers(2, 64), st.floats(-4, 1), st.floats(0.05, 2))
@settings(max_examples=30)
def test_more_noise_leaves_more_to_say(levels: int, log_sigma: float, more: float) -> None:
    low, high = (
        float(pixel_nats(levels, math.exp(x)).mean()) for x in (log_sigma, log_sigma + more)
    )
    assert -1e-9 <= low <= high + 1e-6
    assert high <= math.log(levels) + 1e-6


# The bound


def bound_on_uniform(levels: int, sigma_min: float, seed: int, mistake: float = 0.0):
    held_out, train = uniform_images(150, levels, 1), uniform_images(50, levels, 2)
    bound = LikelihoodBound(held_out, train, sigma_min, 80.0, seed)
    return bound(ExactUniform(levels, mistake))


@pytest.mark.parametrize(
    ("levels", "sigma_min"), [(2, 0.002), (2, 0.25), (2, 0.8), (3, 0.002), (17, 0.01), (17, 0.2)]
)
def test_the_exact_denoiser_of_independent_pixels_pays_their_entropy(
    levels: int, sigma_min: float
) -> None:
    """log2(levels) bits per dim, wherever the lowest level lies. Ten sets of noises average to it
    within 4 of their standard errors; the Gaussian taken for the marginal at sigma_max costs
    (Var/sigma_max^2)^2, which is nothing beside them."""
    found = [bound_on_uniform(levels, sigma_min, seed) for seed in range(10)]
    values = [b.value for b in found]
    mean, error = np.mean(values), np.std(values, ddof=1) / math.sqrt(len(values))
    assert abs(mean - math.log2(levels)) < 4 * error
    assert error < 0.03
    # The error bar that is told covers what the choice of noises does to the value.
    assert np.std(values, ddof=1) < 2 * np.mean([b.stderr for b in found])
    assert abs(values[0] - math.log2(levels)) < 4 * found[0].stderr


@pytest.mark.parametrize(
    ("std", "sigma_min", "sigma_max"),
    [(0.5, 0.01, 80), (3.0, 0.05, 80), (0.05, 0.05, 80), (0.5, 0.02, 0.5), (3.0, 0.05, 1)],
)
def test_the_exact_denoiser_of_gaussian_pixels_pays_their_differential_entropy(
    std: float, sigma_min: float, sigma_max: float
) -> None:
    """log2(2 pi e (std^2 + sigma_min^2)) / 2 bits per dim: that of the data blurred by sigma_min.

    Wherever the highest level lies, for the marginal there is the Gaussian that it is taken for;
    its mean and variance are estimates from 1600 pixels, which costs about 1/1600 nats per dim.
    The bar covers the images at hand as well as the noises."""
    held_out, train = gaussian_images(400, 0.2, std, 1), gaussian_images(100, 0.2, std, 2)
    found = LikelihoodBound(held_out, train, sigma_min, sigma_max)(ExactGaussian(0.2, std))
    exact = 0.5 * math.log2(2 * math.pi * math.e * (std**2 + sigma_min**2))
    assert abs(found.value - exact) < 4 * found.stderr
    assert found.stderr < 0.07


@given(st.floats(-2, 2), st.integers(0, 1000))
@settings(max_examples=25)
def test_no_denoiser_pays_less_than_the_entropy(mistake: float, seed: int) -> None:
    found = bound_on_uniform(2, 0.002, seed, mistake)
    assert found.value > 1 - 4 * found.stderr


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_worse_denoiser_pays_more(sign: int) -> None:
    """On the same noises; a mistake grows, and its square with it."""
    values = [bound_on_uniform(2, 0.002, 0, sign * m).value for m in (0.0, 0.2, 0.4, 0.8, 1.6)]
    assert values == sorted(values)
    assert values[1] < values[-1] - 0.5


def test_the_bound_is_the_same_every_time_and_blind_to_the_order_of_calls() -> None:
    held_out, train = uniform_images(20, 2, 1), uniform_images(20, 2, 2)
    bound = LikelihoodBound(held_out, train, 0.002, 80.0)
    torch.manual_seed(0)
    first = bound(ExactUniform(2))
    bound(ExactUniform(2, 1.0))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert bound(ExactUniform(2)) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_a_span_below_the_lowest_level_of_the_bound_is_refused() -> None:
    images = uniform_images(20, 2)
    with pytest.raises(InputError, match=r"--sigma-max 0\.2: 2 grey levels"):
        LikelihoodBound(images, images, 0.002, 0.2)


# Both together


def test_an_evaluation_has_the_measures_it_names() -> None:
    train, held_out = uniform_images(60, 2, 1), uniform_images(40, 2, 2)
    evaluation = ImageEvaluation(train, held_out, 0.002, 80.0, samples=30)
    exact = evaluation(ExactUniform(2))
    bits, distance = (measure.name for measure in evaluation.measures())
    assert set(exact) == {bits, f"{bits}_stderr", distance}
    assert distance == evaluation.distance == "energy_30"
    assert exact == evaluation(ExactUniform(2))
    assert abs(exact[bits] - 1) < 4 * exact[f"{bits}_stderr"]
    assert float(evaluation.by_example(ExactUniform(2)).mean()) == pytest.approx(exact[bits])
    # Independent pixels, 30 images a side: the distance of equal distributions is a few hundredths.
    assert abs(exact[distance]) < 0.1
    assert abs(evaluation.floors[evaluation.distance]) < 0.1
    worse = evaluation(Blind())
    assert worse[bits] > exact[bits]
    assert worse[distance] > exact[distance]


@pytest.mark.parametrize(("train", "held_out", "samples"), [(60, 40, 40), (20, 40, 20)])
def test_no_more_samples_than_there_are_real_images(
    train: int, held_out: int, samples: int
) -> None:
    evaluation = ImageEvaluation(
        uniform_images(train, 2), uniform_images(held_out, 2, 1), 0.002, 80.0
    )
    assert evaluation.samples == samples
    assert evaluation.distance == f"energy_{samples}"


@pytest.mark.parametrize(("train", "held_out"), [(1, 9), (9, 1)])
def test_too_few_images_are_refused(train: int, held_out: int) -> None:
    with pytest.raises(InputError, match=f"uniform: {train} images to train on and {held_out}"):
        ImageEvaluation(uniform_images(train, 2), uniform_images(held_out, 2, 1), 0.002, 80.0)


def test_the_bound_of_scaled_discrete_images_is_the_same() -> None:
    """A grey level is told as easily from data times ten at noise times ten."""
    images, held_out = load(Objective(sigma_min=0.01, sigma_max=20.0), "digits").both
    small = LikelihoodBound(held_out, images, 0.01, 20.0)
    factor = 10.0
    large = LikelihoodBound(
        replace(held_out, scale=factor), replace(images, scale=factor), 0.1, 200.0
    )
    assert large.sigma_0 == pytest.approx(factor * small.sigma_0)
    torch.testing.assert_close(large._bound._ends, small._bound._ends, rtol=1e-5, atol=1e-5)


def test_no_more_held_out_images_than_the_limit_are_charged() -> None:
    images, held_out = load(Objective(), "digits").both
    evaluation = ImageEvaluation(images, held_out, 0.01, 20.0, samples=8, limit=10)
    assert len(evaluation.bound.hidden) == 10


def test_the_bound_of_few_images_is_the_one_of_training() -> None:
    images, held_out = load(Objective(), "digits").both
    denoiser = ExactUniform(17)
    small = ImageEvaluation(images, held_out, 0.01, 20.0, samples=8, limit=10)
    found = bound_of_many(fixed_part(held_out, 10), images, 0.01, 20.0, denoiser)
    assert found == small.bound(denoiser)


def test_the_bound_of_many_images_is_that_of_its_parts_with_noises_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """log2(2) bits within 4 of its errors, which are those of so many images; and no two parts of
    equal images cost the same, as they would with the same noises."""
    held_out, train = uniform_images(150, 2, 1), uniform_images(50, 2, 2)
    whole = LikelihoodBound(held_out, train, 0.002, 80.0)(ExactUniform(2))
    monkeypatch.setattr("infonoise_vision.evaluation.bound.LIMIT", 40)
    found = bound_of_many(held_out, train, 0.002, 80.0, ExactUniform(2))
    assert abs(found.value - 1) < 4 * found.stderr
    # An error of 150 images is itself known to a relative sqrt(2 / 150), about 0.12; four of them.
    assert found.stderr == pytest.approx(whole.stderr, rel=0.5)
    twice = held_out.take(np.tile(np.arange(20), 2))
    monkeypatch.setattr("infonoise_vision.evaluation.bound.LIMIT", 20)
    first = LikelihoodBound(held_out.take(np.arange(20)), train, 0.002, 80.0)(ExactUniform(2))
    assert bound_of_many(twice, train, 0.002, 80.0, ExactUniform(2)).value != first.value
