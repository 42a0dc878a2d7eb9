"""Pairs as networks and newborn details see them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.pairs import Pairs
from infonoise_vision.methods.diffusion import make_task
from infonoise_vision.methods.options import Objective
from infonoise_vision.methods.stages import Band, births_of
from infonoise_vision.models.augment import Transforms, apply
from infonoise_vision.models.haar import coarse, join, split
from infonoise_vision.models.pairs import coefficients_at, planes_at
from infonoise_vision.models.staged import StagedDenoiser

N, SIDE = 300, 16


def fields(n: int = N, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Grey pairs, and coloured images whose details are half of theirs and noise of .05."""
    rng = torch.Generator().manual_seed(seed)
    pair = torch.randn(n, 1, SIDE, SIDE, generator=rng) / 3
    rough, details = split(pair)
    own = 0.05 * torch.randn(n, 3, 3, SIDE // 2, SIDE // 2, generator=rng)
    colours = torch.randn(n, 3, SIDE // 2, SIDE // 2, generator=rng)
    return pair, join(rough + colours, details / 2 + own)


def paired(n: int = N) -> ImageSet:
    pair, x = fields(n)
    return ImageSet("fields", x.numpy(), None, pairs=Pairs(pair.numpy(), None))


def test_a_stage_sees_means_of_cells() -> None:
    pair = fields(5)[0]
    withheld = torch.tensor([False, True, False, False, True])
    planes = planes_at(pair, 2, 0.5, withheld)
    assert planes.shape == (5, 2, 4, 4)
    torch.testing.assert_close(planes[0, :1], functional.avg_pool2d(pair[0], 4) / 0.5)
    assert not planes[withheld].any()
    assert planes[~withheld, 1].all()


def test_newborn_details_know_those_of_the_pair() -> None:
    pair, x = fields()
    rough, details = split(x)
    with_pair = Band(rough, details, coefficients_at(pair, 0))
    alone = Band(rough, details)
    level = 0.3
    left, before = (band.newborn(level)[1].diagonal().mean() for band in (with_pair, alone))
    # What is left is the noise that pairs say nothing of; a ridge keeps a little more.
    assert float(left) == pytest.approx(0.05**2, rel=0.05)
    assert float(before) > 5 * float(left)
    # There is nothing that the best linear denoiser knows and the newborn does not.
    assert with_pair.shortfall(level) < 0.1 * alone.shortfall(level)


class Recorder(nn.Module):
    """A network that keeps the planes that it was shown."""

    def forward(self, x: Tensor, c_noise: Tensor, given: Tensor) -> Tensor:
        self.given = given
        return torch.zeros_like(x)


def test_births_and_stages_of_a_denoiser() -> None:
    images = paired()
    network = Recorder()
    model = StagedDenoiser(network, (3, SIDE, SIDE), 1, pair=1)
    model.set_births(births_of(images, "1", 4.0, (0.002, 80.0)))
    pair, x = fields(40, 1)
    level = float(model.births[0])
    noise = torch.randn(40, 9, SIDE // 2, SIDE // 2, generator=torch.Generator().manual_seed(2))
    born = split(model.born(coarse(x, 1), 0, noise, pair))[1].flatten(1, 2)
    silent = split(model.born(coarse(x, 1), 0, torch.zeros_like(noise), pair))[1]
    # The mean is what pairs say of details, the rest of the birth's level and what is left.
    error = silent - split(x)[1]
    assert float(error.square().mean()) ** 0.5 == pytest.approx(0.05, rel=0.1)
    spread = float((born - silent.flatten(1, 2)).square().mean()) ** 0.5
    assert spread == pytest.approx((level**2 + 0.05**2) ** 0.5, rel=0.03)

    sigma = torch.tensor([level / 2, level * 2]).repeat(20)
    model(x, sigma, given=pair, withheld=sigma > level, given_noise=pair)
    # The coarse stage came last: half the side, and withheld.
    assert network.given.shape == (20, 2, SIDE // 2, SIDE // 2)
    assert not network.given.any()
    with pytest.raises(InputError, match="trained with pairs"):
        model(x, sigma)
    with pytest.raises(InputError, match="trained with pairs"):
        model.born(coarse(x, 1), 0, noise)


def test_both_are_turned_alike() -> None:
    images = paired(64)
    task = make_task(
        Objective(condition="pair", augment=0.5, condition_dropout=0.0, network="tiny"), images, 0
    )
    batch = task.batch(np.arange(64))
    torch.manual_seed(0)
    seen = task.vary(batch)
    label = seen.condition["augment"]
    still = torch.zeros(64)
    only_mirrored = (label[:, 1:] == 0).all(1)
    assert only_mirrored.any()
    turned = Transforms(
        mirror=label[:, 0], flip=still, scale=still, angle=still, stretch=still, direction=still,
        shift=torch.zeros(64, 2),
    )  # fmt: skip
    for was, now in ((batch.condition["pair"], seen.condition["given"]), (batch.x0, seen.x0)):
        assert torch.equal(apply(was, turned)[only_mirrored], now[only_mirrored])
    moved = (seen.condition["given"] != batch.condition["pair"]).flatten(1).any(1)
    assert torch.equal(moved, (seen.x0 != batch.x0).flatten(1).any(1))
