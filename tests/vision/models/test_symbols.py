"""The head of symbols: exact before training, cross entropy and squared error of one posterior."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.weighting import unit_weight
from infonoise_core.training.task import Batch
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.priors import level_frequencies, level_values
from infonoise_vision.evaluation.bound import LikelihoodBound
from infonoise_vision.methods.diffusion import fresh_denoiser, make_task
from infonoise_vision.methods.options import Objective
from infonoise_vision.models.conditions import ConditionedSymbols, region
from infonoise_vision.models.symbols import (
    SymbolDenoiser,
    mean_level,
    nearest_level,
    outputs,
    symbol_losses,
)

SHAPE = (1, 4, 4)


def images(n: int, levels: int, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> ImageSet:
    """Independent pixels, each with frequencies of its own, the same for every seed."""
    chances = np.random.default_rng(7).dirichlet(np.ones(levels), shape)
    draws = np.random.default_rng(seed).random((n, *shape, 1))
    pixels = (draws > chances.cumsum(-1)).sum(-1).clip(max=levels - 1)
    return ImageSet("grey", pixels.astype(np.uint8), levels)


def entropy_bits(frequencies: Tensor) -> float:
    return float(-(frequencies * frequencies.log2()).sum(-1).mean())


class Anything(nn.Module):
    """A network whose output is a fixed function of what it is shown, of about unit size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels, self.nothing = channels, nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, c_noise: Tensor, given: Tensor, **condition: Tensor) -> Tensor:
        self.seen, self.c_noise, self.given = x, c_noise, given
        rows = torch.sin(3 * x + given[:, :1] + c_noise[:, None, None, None]) + self.nothing
        return torch.cat([torch.roll(rows, i, -1) for i in range(self.channels)], 1)


@pytest.mark.parametrize("network", ["small", "dit-tiny", "ddpmpp-small"])
@pytest.mark.parametrize("levels", [2, 4])
def test_before_training_every_pixel_gets_its_own_posterior(network: str, levels: int) -> None:
    data = images(200, levels)
    denoiser = fresh_denoiser(Objective(head="symbols", network=network), data, 0).eval()
    x, sigma = torch.randn(3, *SHAPE), torch.tensor([0.3, 1.0, 3.0])
    values, frequencies = level_values(levels), level_frequencies(data).reshape(*SHAPE, levels)
    distance = (x.double()[..., None] - values) / sigma.double()[:, None, None, None, None]
    chance = frequencies * (-distance.square() / 2).exp()
    exact = (chance / chance.sum(-1, keepdim=True) * values).sum(-1)
    with torch.no_grad():
        found = denoiser(x, sigma)
    # A few float32 roundings of numbers of unit size.
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize("levels", [2, 3, 16])
def test_before_training_images_cost_the_entropy_of_their_pixels(levels: int) -> None:
    train, held_out = images(4000, levels), images(500, levels, 1)
    denoiser = fresh_denoiser(Objective(head="symbols"), train, 0)
    found = LikelihoodBound(held_out, train, 0.002, 80.0)(denoiser)
    frequencies = torch.from_numpy(np.random.default_rng(7).dirichlet(np.ones(levels), SHAPE))
    # Counted frequencies cost (levels - 1) / (2 n) nats a pixel more than the true ones.
    more = (levels - 1) / (2 * len(train)) / math.log(2)
    assert abs(found.value - entropy_bits(frequencies) - more) < 4 * found.stderr
    assert found.stderr < 0.05


@pytest.mark.parametrize("levels", [2, 5])
def test_loss_is_cross_entropy_and_what_is_observed_its_squared_error(levels: int) -> None:
    data = images(20, levels)
    denoiser = SymbolDenoiser(Anything(outputs(SHAPE, levels)), SHAPE, levels)
    x0, sigma = data.x0(slice(6)), torch.linspace(0.2, 2, 6)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    values = level_values(levels)
    found = symbol_losses(denoiser, Batch(x0), sigma, eps, lambda s: s, values)
    x = x0 + sigma[:, None, None, None] * eps
    logits = denoiser(x, sigma, logits=True).double()
    pixels = torch.from_numpy(data.pixels[:6]).long()
    own = logits.gather(1, pixels[:, None])[:, 0]
    cost = (logits.exp().sum(1).log() - own).flatten(1).sum(1).float() / 16
    # Float32 sums of 16 numbers.
    torch.testing.assert_close(found.loss, sigma * cost, rtol=1e-5, atol=1e-6)
    error = (denoiser(x, sigma) - x0).flatten(1).square().sum(1)
    torch.testing.assert_close(found.squared_error, error, rtol=1e-5, atol=1e-6)
    assert found.loss.requires_grad
    assert not found.squared_error.requires_grad


def test_known_pixels_cost_nothing_and_stay_as_they_are() -> None:
    data, levels = images(20, 4), 4
    denoiser = ConditionedSymbols(Anything(4), SHAPE, levels, noise=0.0)
    x0, sigma = data.x0(slice(5)), torch.ones(5)
    known = torch.zeros(5, 1, 4, 4)
    known[:, :, :2] = 1
    condition = region(x0, known)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    values = level_values(levels)
    found = symbol_losses(denoiser, Batch(x0, condition), sigma, eps, unit_weight(), values)
    denoised = denoiser(x0 + eps, sigma, **condition)
    assert torch.equal(denoised[:, :, :2], x0[:, :, :2])
    error = (denoised - x0).flatten(1).square().sum(1)
    torch.testing.assert_close(found.squared_error, error)
    # All of it known: nothing to pay.
    whole = region(x0, torch.ones(5, 1, 4, 4))
    nothing = symbol_losses(denoiser, Batch(x0, whole), sigma, eps, unit_weight(), values)
    assert nothing.loss.eq(0).all()
    assert nothing.squared_error.eq(0).all()


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_the_scale_of_the_data_is_nothing_to_learn(scale: float) -> None:
    plain, scaled = (
        SymbolDenoiser(
            Anything(3), SHAPE, 3, sigma_data=0.8 * k, scale=k, unit=1.6 * k
        )
        for k in (1.0, scale)
    )  # fmt: skip
    x, sigma = torch.randn(4, *SHAPE), torch.tensor([0.1, 0.5, 2.0, 30.0])
    # Float32 roundings of numbers of unit size.
    torch.testing.assert_close(
        scaled(scale * x, scale * sigma), scale * plain(x, sigma), rtol=1e-4, atol=1e-5 * scale
    )
    for name in ("seen", "c_noise", "given"):
        ours, theirs = getattr(scaled.network, name), getattr(plain.network, name)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("levels", [2, 17, 64])
def test_pixels_find_their_level_again(levels: int) -> None:
    data = images(50, levels)
    for scale in (1.0, 0.1, 30.0):
        values = level_values(levels, scale)
        index = nearest_level(scale * data.x0(slice(None)), values.float())
        assert torch.equal(index, torch.from_numpy(data.pixels).long())
    # What is far from all of them has the first or the last.
    assert nearest_level(torch.tensor([-9.0, 9.0]), level_values(levels)).tolist() == [
        0,
        levels - 1,
    ]


def test_the_lowest_noise_leaves_no_doubt_and_nothing_that_is_not_finite() -> None:
    data = images(20, 64)
    denoiser = SymbolDenoiser(Anything(64), SHAPE, 64)
    x0, sigma = data.x0(slice(4)), torch.full((4,), 0.002)
    logits = denoiser(x0 + 0.002 * torch.randn(4, *SHAPE), sigma, logits=True)
    assert logits.isfinite().all()
    torch.testing.assert_close(mean_level(logits, denoiser.values), x0, atol=1e-4, rtol=0)
    far = denoiser(torch.full((4, *SHAPE), 300.0), sigma)
    assert torch.equal(far, torch.ones_like(far))


def test_weights_carry_the_prior() -> None:
    data = images(100, 3)
    objective = Objective(head="symbols")
    trained = make_task(objective, data, 0).denoiser
    again = SymbolDenoiser(trained.network, SHAPE, 3)
    assert not torch.equal(again.log_prior, trained.log_prior)
    again.load_state_dict(trained.state_dict())
    assert torch.equal(again.log_prior, trained.log_prior)


def test_images_without_few_levels_are_refused() -> None:
    objective = Objective(head="symbols")
    with pytest.raises(InputError, match=r"holds 256 grey levels.*--head edm"):
        make_task(objective, ImageSet("photos", np.zeros((9, *SHAPE), np.uint8), 256), 0)
    with pytest.raises(InputError, match=r"holds real numbers.*--head edm"):
        make_task(objective, ImageSet("real", np.zeros((9, *SHAPE), np.float32), None), 0)
    with pytest.raises(InputError, match="one noise level per image"):
        fresh_denoiser(objective, images(9, 2), 0)(torch.zeros(2, *SHAPE), torch.ones(3))
    with pytest.raises(InputError, match="give a positive one for each pixel and level"):
        SymbolDenoiser(Anything(1), SHAPE, 2, torch.zeros(*SHAPE, 2))
