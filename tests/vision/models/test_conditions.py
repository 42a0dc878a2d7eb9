"""Conditions at a noise level of their own, against exact posteriors."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import LikelihoodBound
from infonoise_vision.methods.conditioning import conditioning_of
from infonoise_vision.methods.diffusion import ImageTask, make_task
from infonoise_vision.methods.options import Objective
from infonoise_vision.models.conditions import (
    ClassPlanes,
    Coarse,
    ConditionedDenoiser,
    Region,
    lower_half_hidden,
    make_condition,
    region,
)
from infonoise_vision.models.registry import NETWORKS, Inputs, make_network
from infonoise_vision.sampling.completion import null_space, replaced
from of_core.linear_gaussian import kl_to_posterior


def test_the_condition_must_not_be_noised_as_the_image_is() -> None:
    """Even with perfect denoisers. Of 20,000 draws the KL is known within about 1e-4."""
    assert kl_to_posterior(0.0) < 1e-3
    assert kl_to_posterior(0.1) < 1e-3
    assert 1e-3 < kl_to_posterior(0.3) < 0.1
    assert kl_to_posterior(1.0) > 0.4


def test_without_fresh_noise_a_noised_condition_costs_more() -> None:
    """Nothing mends what was decided under a wrong condition."""
    assert kl_to_posterior(0.0, churn=0.0) < 1e-3
    for c in (0.1, 1.0):
        assert kl_to_posterior(c, churn=0.0) > 2 * kl_to_posterior(c)


def images(n: int = 6, shape: tuple[int, int, int] = (2, 8, 6)) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(0))


def test_the_lower_half_is_hidden() -> None:
    x0 = images()
    seen = Region((2, 8, 6), box=False).observe(x0)
    assert torch.equal(seen["given"][:, :, :4], x0[:, :, :4])
    assert not seen["given"][:, :, 4:].any()
    assert seen["known"].shape == (6, 1, 8, 6)
    assert lower_half_hidden(7, 7).sum() == 3 * 7


def test_boxes_are_rectangles_of_all_places() -> None:
    rng = torch.Generator().manual_seed(0)
    seen = Region((2, 8, 6), box=True).observe(images(400), generator=rng)
    hidden = 1 - seen["known"][:, 0]
    rows, columns = hidden.amax(2), hidden.amax(1)
    assert torch.equal(hidden, rows[:, :, None] * columns[:, None])
    for side, line in ((8, rows), (6, columns)):
        length = line.sum(1)
        assert length.min() >= side // 4
        # A quarter goes all the way, as a hidden half does, and what is rounded up to the whole;
        # four standard errors of 400 draws.
        share = 0.25 + 0.5 / side
        assert (length == side).float().mean() == pytest.approx(share, abs=4 * 0.024)
        assert (line.diff(dim=1).abs().sum(1) + line[:, 0] + line[:, -1] == 2).all()
    assert (hidden.mean(0) > 0.02).all()
    again = Region((2, 8, 6), box=True).observe(
        images(400), generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(again["known"], seen["known"])


@pytest.mark.parametrize("kind", ["hidden-half", "hidden-box", "superres"])
def test_projection_agrees_with_what_is_known_and_moves_no_more(kind: str) -> None:
    condition = make_condition(kind, (2, 8, 6), 2, 0)
    x0, other = images(), images().flip(0)
    seen = condition.observe(x0, generator=torch.Generator().manual_seed(0))
    moved = condition.project(other, seen)
    again = condition.observe(moved, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again["given"], seen["given"])
    torch.testing.assert_close(condition.project(moved, seen), moved)
    torch.testing.assert_close(condition.project(x0, seen), x0)
    # The shortest way: what is moved is orthogonal to what is left to choose.
    left = condition.project(images(6).roll(1, 0), seen) - moved
    across = ((moved - other) * left).flatten(1).sum(1)
    torch.testing.assert_close(across, torch.zeros(6), atol=1e-4, rtol=0)


def test_noise_is_that_of_what_is_given() -> None:
    rng = torch.Generator().manual_seed(0)
    coarse = Coarse((1, 8, 8), 4)
    noise = coarse.noise(torch.zeros(4000, 1, 8, 8), rng)
    cells = functional.avg_pool2d(noise, 4)
    torch.testing.assert_close(coarse.enlarge(cells), noise)
    # 16,000 numbers: their variance is 1 within 4.5 standard errors of 0.011.
    assert float(cells.var()) == pytest.approx(1, abs=0.05)
    planes = ClassPlanes((1, 8, 8), 3)
    given = planes.observe(torch.zeros(5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]))["given"]
    assert given[1, 1].all()
    assert given.sum() == 5 * 64
    noise = planes.noise(given, rng)
    assert torch.equal(noise, noise[:, :, :1, :1].expand_as(noise))
    assert len(noise[:, :, 0, 0].unique()) == 15


class Recorder(nn.Module):
    """A network that keeps what it was shown."""

    def forward(self, x: Tensor, c_noise: Tensor, given: Tensor, **rest: Tensor) -> Tensor:
        self.x, self.given = x, given
        return x.cos()


def conditioned(c: float) -> tuple[ConditionedDenoiser, Recorder]:
    network = Recorder()
    return ConditionedDenoiser(network, 0.5, c), network


def test_a_network_sees_the_condition_at_its_own_level() -> None:
    x0, sigma = images(), torch.linspace(0.1, 3, 6)
    seen = Region((2, 8, 6), box=False).observe(x0)
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    for c in (0.0, 0.1, 1.0):
        denoiser, network = conditioned(c)
        denoised = denoiser(images(6).flip(0), sigma, **seen, given_noise=eps)
        level = (c * sigma)[:, None, None, None]
        expected = (seen["given"] + level * eps) / (level.square() + 0.25).sqrt() * seen["known"]
        torch.testing.assert_close(network.given[:, :2], expected)
        assert torch.equal(network.given[:, 2:], seen["known"])
        assert not network.x[:, :, :4].any()
        assert torch.equal(denoised[:, :, :4], x0[:, :, :4])


def test_known_pixels_of_the_state_tell_nothing() -> None:
    denoiser, _ = conditioned(0.0)
    x0, sigma = images(), torch.ones(6)
    seen = Region((2, 8, 6), box=False).observe(x0)
    first, second = images().flip(0), images().flip(0)
    second[:, :, :4] = 7
    assert torch.equal(denoiser(first, sigma, **seen), denoiser(second, sigma, **seen))


def test_a_withheld_condition_is_not_shown() -> None:
    denoiser, network = conditioned(0.0)
    seen = Coarse((2, 8, 6), 2).observe(images())
    withheld = torch.tensor([True, False] * 3)
    denoiser(images(), torch.ones(6), **seen, withheld=withheld)
    assert not network.given[withheld].any()
    assert network.given[~withheld, -1].all()


def test_a_condition_that_is_missing_is_asked_for() -> None:
    denoiser, _ = conditioned(0.0)
    with pytest.raises(InputError, match="give the condition"):
        denoiser(images(), torch.ones(6))
    denoiser, _ = conditioned(0.1)
    seen = Coarse((2, 8, 6), 2).observe(images())
    with pytest.raises(InputError, match="give the noise of its condition"):
        denoiser(images(), torch.ones(6), **seen)


@pytest.mark.parametrize("name", ["small", "dit-tiny", "ddpmpp-small"])
def test_networks_take_a_given_image(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make_network(name, Inputs((1, 8, 8), given=2)).eval()
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.1)
    x, c_noise = torch.randn(3, 1, 8, 8), torch.zeros(3)
    given = torch.randn(3, 2, 8, 8)
    with torch.no_grad():
        told = network(x, c_noise, given=given)
        assert told.shape == x.shape
        assert not torch.equal(told, network(x, c_noise, given=0 * given))
        assert torch.equal(network(x, c_noise), network(x, c_noise, given=0 * given))
        with pytest.raises(InputError, match="2 such channels"):
            network(x, c_noise, given=given[:, :1])
    assert name in NETWORKS


def uniform_images(n: int, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    pixels = rng.integers(0, 2, (n, 1, 4, 4), np.uint8)
    return ImageSet("uniform", pixels, 2, labels, ("a", "b", "c"))


@pytest.mark.parametrize("kind", ["hidden-half", "hidden-box", "superres", "label"])
@pytest.mark.parametrize("c", [0.0, 0.5])
def test_a_task_counts_the_errors_of_hidden_pixels(kind: str, c: float) -> None:
    objective = Objective(condition=kind, condition_noise=c, factor=2, condition_dropout=0.5)
    task = make_task(objective, uniform_images(20), seed=0)
    assert isinstance(task, ImageTask)
    batch = task.batch(np.arange(8))
    sigma, eps = torch.full((8,), 2.0), torch.zeros(8, 1, 4, 4)
    torch.manual_seed(3)
    losses = task.losses(task.denoiser, batch, sigma, eps)
    torch.manual_seed(3)
    varied = task.vary(batch)
    # A fresh network gives c_skip x, and eps is 0.
    skip = 0.25 / (0.25 + 4)
    hidden = 1 - varied.condition.get("known", torch.zeros(8, 1, 4, 4))
    expected = ((1 - skip) * batch.x0 * hidden).flatten(1).square().sum(1)
    torch.testing.assert_close(losses.squared_error, expected)
    assert set(varied.condition) >= {"given", "given_noise", "withheld"}
    assert losses.loss.requires_grad


class ExactBits(nn.Module):
    """The posterior mean of pixels that are -1 or 1, equally often; known ones as given."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, sigma: Tensor, given: Tensor, known: Tensor) -> Tensor:
        return torch.where(known > 0, given, torch.tanh(x / sigma.reshape(-1, 1, 1, 1) ** 2))


@pytest.mark.parametrize("kind", ["hidden-half", "hidden-box"])
def test_the_bound_is_paid_for_hidden_pixels_alone(kind: str) -> None:
    """Independent bits: one bit for each that is hidden, within 4 standard errors."""
    objective = Objective(condition=kind)
    held_out, train = uniform_images(600, 1), uniform_images(50, 2)
    bound = LikelihoodBound(
        held_out, train, 0.01, 80.0, conditioning=partial(conditioning_of, objective)
    )
    found = bound(ExactBits())
    assert abs(found.value - 1) < 4 * found.stderr
    assert found.stderr < 0.05


class Gaussian(nn.Module):
    """The exact denoiser of independent pixels N(0.3, 0.5^2)."""

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return 0.3 + 0.25 / (0.25 + sigma.reshape(-1, 1, 1, 1) ** 2) * (x - 0.3)


@pytest.mark.parametrize("method", ["ddnm", "replace"])
def test_without_training_known_pixels_stand_and_independent_ones_keep_their_distribution(
    method: str,
) -> None:
    condition = Region((1, 4, 4), box=False)
    known = lower_half_hidden(4, 4).expand(2000, 1, 4, 4)
    seen = region(torch.full((2000, 1, 4, 4), 0.9), known)
    wrapped = null_space(Gaussian(), condition)
    if method == "replace":
        wrapped = replaced(Gaussian(), condition, 0)
    x = generate(wrapped, (1, 4, 4), 2000, karras_grid(40, 0.002, 80.0), condition=seen).x
    torch.testing.assert_close(x[:, :, :2], torch.full((2000, 1, 2, 4), 0.9))
    # 16,000 numbers, each moment within 4 standard errors, and Heun's error of 40 steps.
    assert float(x[:, :, 2:].mean()) == pytest.approx(0.3, abs=0.017)
    assert float(x[:, :, 2:].std()) == pytest.approx(0.5, abs=0.02)


def test_a_coarse_image_is_met_without_training() -> None:
    condition = Coarse((1, 4, 4), 2)
    truth = 0.3 + 0.5 * images(500, (1, 4, 4))
    seen = condition.observe(truth)
    x = generate(
        null_space(Gaussian(), condition), (1, 4, 4), 500, karras_grid(20, 0.002, 80.0),
        condition=seen,
    ).x  # fmt: skip
    torch.testing.assert_close(condition.observe(x)["given"], seen["given"], atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="known pixels"):
        replaced(Gaussian(), condition, 0)(x, torch.ones(500), **seen)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"condition": "hidden-cat"}, "hidden-half, hidden-box, superres, label"),
        ({"condition": "label", "condition_noise": -1.0}, "--condition-noise -1"),
        ({"condition": "label", "condition_dropout": 2.0}, "--condition-dropout 2"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Objective(**options)


def test_conditions_that_do_not_fit_the_images() -> None:
    with pytest.raises(InputError, match="--factor 3"):
        make_condition("superres", (1, 8, 8), 3, 0)
    with pytest.raises(InputError, match="no labels"):
        make_condition("label", (1, 8, 8), 4, 0)
