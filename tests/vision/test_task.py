"""What the loop gets: images, their loss, a fresh network; and settings that make no sense."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.channel import VarianceExploding
from infonoise_core.errors import InputError
from infonoise_core.weighting import edm_weight
from infonoise_vision.data import ImageSet
from infonoise_vision.task import (
    HELD_OUT,
    ImageTask,
    Objective,
    describe,
    load_split,
    make_denoiser,
    pixel_profile,
)


def images(n: int = 20, levels: int | None = 17, shape: tuple[int, int, int] = (1, 4, 4)):
    rng = np.random.default_rng(0)
    if levels is None:
        return ImageSet("real", rng.standard_normal((n, *shape), np.float32), None)
    return ImageSet("grey", rng.integers(0, levels, (n, *shape), np.uint8), levels)


class Shrink(nn.Module):
    """D = half of what it is shown."""

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x / 2


@pytest.mark.parametrize("levels", [None, 2, 17])
def test_losses_are_the_weighted_mean_square_and_the_observed_error_its_plain_sum(
    levels: int | None,
) -> None:
    data = images(levels=levels)
    task = ImageTask(data, Shrink(), edm_weight(0.5))
    assert (len(task), task.dim) == (20, 16)
    batch = task.batch(np.array([3, 1, 3]))
    x0 = data.x0([3, 1, 3])
    assert torch.equal(batch.x0, x0)
    sigma = torch.tensor([0.1, 1.0, 10.0])
    eps = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = task.losses(task.denoiser, batch, sigma, eps)
    for i, s in enumerate(sigma.tolist()):
        error = ((x0[i] + s * eps[i]) / 2 - x0[i]).double().square().sum().item()
        # One float32 rounding per pixel and operation, far below 1e-5.
        assert found.squared_error[i].item() == pytest.approx(error, rel=1e-5)
        weight = (s**2 + 0.25) / (0.5 * s) ** 2
        assert found.loss[i].item() == pytest.approx(weight * error / 16, rel=1e-5)
    assert not found.squared_error.requires_grad


def test_a_fresh_network_is_a_function_of_the_seed_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = (make_denoiser((1, 4, 4), 0.5, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    d = make_denoiser((1, 4, 4), 0.5, 0)
    for key, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[key])
        assert torch.equal(value, d.state_dict()[key])
    assert any(not torch.equal(v, c.state_dict()[k]) for k, v in a.state_dict().items())


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"sigma_min": 80.0}, "--sigma-min 80 and --sigma-max 80"),
        ({"sigma_min": 2.0, "sigma_max": 1.0}, "--sigma-min 2 and --sigma-max 1"),
        ({"sigma_min": 0.0}, "--sigma-min 0"),
        ({"sigma_min": -1.0}, "--sigma-min -1"),
        ({"sigma_min": math.nan}, "--sigma-min nan"),
        ({"sigma_max": math.inf}, "--sigma-max inf"),
        ({"sigma_data": 0.0}, "--sigma-data 0"),
        ({"sigma_data": math.nan}, "--sigma-data nan"),
        ({"sigma_data": math.inf}, "--sigma-data inf"),
        ({"weight": "snr"}, "--weight snr"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(change: dict[str, float], option: str) -> None:
    with pytest.raises(InputError, match=option):
        Objective(**change)


def test_an_objective_says_what_schedules_are_made_for() -> None:
    objective = Objective(sigma_min=0.01, sigma_max=10.0, sigma_data=0.3)
    data = images()
    setting = objective.setting(100, data)
    assert (setting.channel.sigma_min, setting.channel.sigma_max) == (0.01, 10.0)
    assert (setting.updates, setting.dim) == (100, data.dim)
    sigma = torch.tensor([0.1, 1.0])
    assert torch.equal(setting.weight(sigma), edm_weight(0.3)(sigma))
    assert torch.equal(
        Objective(weight="unit").setting(1, data).weight(sigma), torch.ones_like(sigma)
    )
    assert objective.task(images(), 0).denoiser.sigma_data == 0.3


def test_the_split_is_the_same_every_time_and_shares_nothing() -> None:
    train, held_out = load_split("digits", None)
    again = load_split("digits", None)
    assert np.array_equal(train.pixels, again[0].pixels)
    assert np.array_equal(held_out.pixels, again[1].pixels)
    assert len(held_out) == round(HELD_OUT * 1797)
    content = [{image.tobytes() for image in part.pixels} for part in (train, held_out)]
    assert not content[0] & content[1]
    assert describe(train, held_out) == {
        "name": "digits", "shape": [1, 8, 8], "levels": 17, "train": 1438, "held_out": 359,
    }  # fmt: skip


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
