"""What is reported of pairs, against pairs of Gaussians, of which all is known."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.pairs import Pairs
from infonoise_vision.evaluation.pairs import figures, pair_information, pair_table, spread
from infonoise_vision.methods.conditioning import conditioning_of
from infonoise_vision.methods.options import Objective

SIDE, N = 4, 512
D = SIDE**2


class GaussianPairs(nn.Module):
    """x = A y / 2 + B z, y and z standard: its posterior mean of x, with y and without."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(3)
        self.from_pair = torch.randn(D, D, generator=rng) / D**0.5 / 2
        own = torch.randn(D, D, generator=rng) / D**0.5
        self.own = 0.4 * own + 0.3 * torch.eye(D)
        self.register_buffer("left", self.own @ self.own.T)
        self.weight = nn.Parameter(torch.zeros(1))

    @property
    def whole(self) -> Tensor:
        """Covariance of x (d, d) where nothing is known."""
        left: Tensor = self.left
        return left + self.from_pair @ self.from_pair.T

    def drawn(self, n: int, seed: int) -> tuple[Tensor, Tensor]:
        """Images and pairs (n, 1, 4, 4)."""
        rng = torch.Generator().manual_seed(seed)
        y, z = torch.randn(2, n, D, generator=rng)
        x = y @ self.from_pair.T + z @ self.own.T
        return x.reshape(n, 1, SIDE, SIDE), y.reshape(n, 1, SIDE, SIDE)

    def again(self, y: Tensor, k: int) -> Tensor:
        """Draws (n, k, 1, 4, 4) of the posterior, given pairs (n, 1, 4, 4)."""
        z = torch.randn(len(y), k, D, generator=torch.Generator().manual_seed(9))
        x = (y.flatten(1) @ self.from_pair.T)[:, None] + z @ self.own.T
        return x.reshape(len(y), k, 1, SIDE, SIDE)

    def forward(
        self, x: Tensor, sigma: Tensor, given: Tensor, withheld: Tensor | None = None, **rest: Any
    ) -> Tensor:
        with_pair = self._mean(x, sigma, self.left, given.flatten(1) @ self.from_pair.T)
        if withheld is None:
            return with_pair
        without = self._mean(x, sigma, self.whole, torch.zeros(1))
        return torch.where(withheld[:, None, None, None], without, with_pair)

    def _mean(self, x: Tensor, sigma: Tensor, covariance: Tensor, mean: Tensor) -> Tensor:
        noise = sigma.reshape(-1, 1, 1).square() * torch.eye(D)
        off = (x.flatten(1) - mean)[..., None]
        moved = covariance @ torch.linalg.solve(covariance + noise, off)
        return (mean + moved[..., 0]).reshape(x.shape)


def image_set(model: GaussianPairs, n: int, seed: int) -> ImageSet:
    x, y = model.drawn(n, seed)
    return ImageSet("pairs", x.numpy(), None, pairs=Pairs(y.numpy(), None))


def test_information_is_half_a_log_determinant() -> None:
    model = GaussianPairs()
    train, held_out = image_set(model, N, 0), image_set(model, N, 1)
    known = 0.5 * (torch.logdet(model.whole) - torch.logdet(model.left))
    conditioning = partial(conditioning_of, Objective(condition="pair"))
    null = {"withheld": torch.ones(1, dtype=torch.bool)}
    found = pair_information(model, held_out, train, (0.002, 80.0), conditioning, null)
    assert 5 < float(known) < 20
    assert found.value == pytest.approx(float(known), abs=4 * found.stderr)
    assert found.stderr < 0.05 * float(known)


def test_distances_of_draws_are_those_of_the_posterior() -> None:
    model = GaussianPairs()
    x, y = model.drawn(N, 1)
    k = 4
    drawn = generate(
        model, (1, SIDE, SIDE), N * k, karras_grid(24, 0.002, 80.0),
        solver="heun", condition={"given": y.repeat_interleave(k, 0)},
    ).x.reshape(N, k, 1, SIDE, SIDE)  # fmt: skip
    of, exact = (figures(spread(draws, x)) for draws in (drawn, model.again(y, k)))
    # Two independent draws of one posterior, of which the truth is one.
    known = (2 * float(model.left.trace()) / D) ** 0.5
    for number in (of.one, of.apart):
        assert number == pytest.approx(known, rel=0.03)
    assert of.best == pytest.approx(exact.best, rel=0.03)
    assert of.best < 0.9 * of.one
    assert of.psnr_best == pytest.approx(exact.psnr_best, abs=0.3)
    # Nothing but the mean: nearer to the truth, and all alike.
    mean = (y.flatten(1) @ model.from_pair.T).reshape(x.shape)
    alike = figures(spread(mean[:, None].expand(-1, k, -1, -1, -1), x))
    assert alike.one == pytest.approx(known / 2**0.5, rel=0.03)
    assert alike.best == pytest.approx(alike.one)
    assert alike.apart == 0


def test_the_table_says_how_many() -> None:
    model = GaussianPairs()
    x, y = model.drawn(32, 1)
    drawn = model.again(y, 3)

    def features_of(images: Tensor) -> Tensor:
        return images.flatten(1)

    table = pair_table(drawn, x, None, features_of)
    values = {row.name: row.values for row in table.rows}
    assert [*values] == [
        "rmse_one_32", "rmse_best_of_3_32", "apart_32", "psnr_one_32", "psnr_best_of_3_32",
        "feature_paired_clf_32",
    ]  # fmt: skip
    of_features = values["feature_paired_clf_32"]
    own = float((drawn[:, 0] - x).square().mean()) ** 0.5
    assert of_features["value"] == pytest.approx(own)
    assert of_features["real to real"] > own
    single = pair_table(drawn[:, :1], x, None, None)
    assert [row.name for row in single.rows] == ["rmse_one_32", "psnr_one_32"]
    assert np.isfinite([row.values["value"] for row in single.rows]).all()
