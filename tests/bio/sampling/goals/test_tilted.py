"""The tilted law, where it is known: made-up sequences, all of them counted."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.encoding import Encoding, make_encoding
from infonoise_bio.models.options import NetworkConfig
from infonoise_bio.sampling.constraints import allowed_by
from infonoise_bio.sampling.goals.designs import Outcome
from infonoise_bio.sampling.goals.goal import Goal
from infonoise_bio.sampling.goals.tilted import Tilt, tilted
from infonoise_bio.sampling.goals.weights import systematic
from infonoise_bio.synthetic import Planted, PlantedDna
from infonoise_core import InputError
from infonoise_core.sampling.grids import log_uniform_grid

SOURCE = PlantedDna(6, (Planted("TATA", 1, prob=0.6, purity=0.85),))
EVERY = torch.tensor(list(itertools.product(range(4), repeat=SOURCE.length)))
LEVELS = log_uniform_grid(60, 0.15, 12.0)
PARTICLES = 1500


class Exact(nn.Module):
    """The exact denoiser of made-up sequences, with what sampling takes of a trained one."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding
        network = NetworkConfig(width=8, depth=1)
        self.config = ModelConfig(SOURCE.length, network, frequencies=SOURCE.background)
        self.nothing = nn.Parameter(torch.zeros(1))

    def logits(self, x: Tensor, sigma: Tensor, **_: Tensor) -> Tensor:
        return SOURCE.posterior(self.encoding, x, sigma).clamp_min(1e-30).log()


def population(tilt: Tilt, name: str = "one-hot", seed: int = 0, particles: int = PARTICLES):
    rng = torch.Generator().manual_seed(seed)
    denoiser = Exact(make_encoding(name))
    return tilted(denoiser, LEVELS, particles, tilt, generator=rng)  # type: ignore[arg-type]


def shares(codes: Tensor, weights: Tensor | None = None) -> Tensor:
    """(L, 4) of bases, and with them (16,) of the pair in the middle."""
    if weights is None:
        weights = torch.full((len(codes),), 1 / len(codes), dtype=torch.float64)
    hot = nn.functional.one_hot(codes.long(), 4).double()
    pairs = torch.zeros(16, dtype=torch.float64)
    pairs.scatter_add_(0, codes[:, 2].long() * 4 + codes[:, 3].long(), weights)
    return torch.cat([(hot * weights[:, None, None]).sum(0).flatten(), pairs])


def law(score: Tensor | None = None, kept: Tensor | None = None) -> Tensor:
    weights = SOURCE.log_prob(EVERY)
    weights = weights if score is None else weights + score
    weights = weights if kept is None else weights.masked_fill(~kept, -torch.inf)
    return shares(EVERY, torch.softmax(weights, 0))


def assert_near(found, expected: Tensor) -> None:
    """Of 40 shares, of as many independent draws as there are families, the largest error is below
    3.5 of their largest standard errors, but for one in fifty such sets; the seed is fixed."""
    assert found.families > PARTICLES / 8
    error = (shares(found.codes) - expected).abs().max()
    assert error < 3.5 * (0.25 / found.families) ** 0.5


@pytest.mark.parametrize("name", ["one-hot", "bits"])
def test_without_a_goal_it_is_the_model_itself(name):
    found = population(Tilt(None), name)
    assert_near(found, law())
    assert found.sizes == pytest.approx([PARTICLES] * (len(LEVELS) + 1))


LINEAR = torch.sin(5.0 * torch.arange(4 * SOURCE.length)).reshape(SOURCE.length, 4).T


def linear(hot: Tensor) -> Tensor:
    return (hot.float() * LINEAR).sum((1, 2))


def test_a_smooth_goal_with_and_without_gradients():
    every = linear(nn.functional.one_hot(EVERY, 4).transpose(1, 2)).double()
    expected, untilted = law(1.5 * every), law()
    assert (expected - untilted).abs().max() > 0.3
    sizes = []
    for gradient in (True, False):
        found = population(Tilt(Goal(linear), 1.5, gradient))
        assert_near(found, expected)
        assert found.scores == pytest.approx(linear(hot(found.codes)).double())
        sizes.append(min(found.sizes))
    assert sizes[0] > sizes[1]  # gradients leave more of the population


def hot(codes: Tensor) -> Tensor:
    return nn.functional.one_hot(codes.long(), 4).transpose(1, 2)


def has_gc(shares: Tensor) -> np.ndarray:
    """A black box, by way of numpy."""
    codes = shares.numpy().argmax(1)
    return ((codes[:, :-1] == 2) & (codes[:, 1:] == 1)).any(1).astype(float)


def test_a_black_box():
    every = torch.from_numpy(has_gc(hot(EVERY)))
    expected = law(2.0 * every)
    assert (expected - law()).abs().max() > 0.1
    found = population(Tilt(Goal(has_gc), 2.0))
    assert_near(found, expected)
    assert float(found.scores.mean()) > 2 * float(law_of(every, None))


@pytest.mark.parametrize("draws", [1, 4])
def test_the_law_is_the_same_by_any_number_of_draws_and_more_leave_more_of_the_population(draws):
    """Judged by random sequences of the posterior: weights of random size, whose mean is right."""
    every = torch.from_numpy(has_gc(hot(EVERY)))
    found = population(Tilt(Goal(has_gc), 2.0, draws=draws), particles=4000)
    error = (shares(found.codes) - law(2.0 * every)).abs().max()
    assert error < 3.5 * (0.25 / found.families) ** 0.5
    assert min(found.sizes) > (1200 if draws == 4 else 400)


def law_of(every: Tensor, score: Tensor | None) -> Tensor:
    weights = SOURCE.log_prob(EVERY) + (0 if score is None else score)
    return (torch.softmax(weights, 0) * every).sum()


def test_letters_that_are_allowed():
    allowed = torch.from_numpy(allowed_by("NNWRYN", "template")).T
    kept = hot(EVERY).bool().logical_and(allowed).any(1).all(1)
    found = population(Tilt(None, allowed=allowed))
    assert_near(found, law(kept=kept))
    assert bool(hot(found.codes).bool().logical_and(allowed).any(1).all())


def test_the_same_seed_is_the_same_population():
    first, second, other = (population(Tilt(Goal(linear)), seed=s, particles=32) for s in (1, 1, 2))
    assert torch.equal(first.codes, second.codes)
    assert not torch.equal(first.codes, other.codes)


def test_systematic_draws_are_within_one_of_their_mean():
    probs = torch.tensor([0.5, 0.26, 0.2, 0.04], dtype=torch.float64)
    drawn = torch.bincount(systematic(probs, None), minlength=4)
    assert ((drawn - 4 * probs).abs() < 1).all()


@pytest.mark.parametrize(
    ("score", "match"),
    [
        (lambda x: x.sum((1, 2))[:1], "gives shape"),
        (lambda x: x.sum((1, 2)) / 0, "not finite"),
        (lambda x: x.sum(), r"gives shape \(\) for"),
        (lambda x: {"gc": x.sum((1, 2))}, "gives a dict; give numbers"),
        (lambda x: x @ torch.zeros(7, 7), "does not take sequences of shape"),
        (lambda x: float(x[:, 0].sum(1)), r"\(test_tilted.py, line \d+: .*converted"),
        (lambda x: {}["CTCF"], r"\(test_tilted.py, line \d+: KeyError: 'CTCF'\)"),
    ],
)
def test_scores_that_make_no_sense(score, match):
    with pytest.raises(InputError, match=match) as caught:
        population(Tilt(Goal(score)))
    assert "\n" not in str(caught.value)


def test_one_population_is_said_in_the_singular():
    one = Outcome(particles=32, sizes=[20.0], families=[1])
    assert one.lines() == ["effective sample size 20 of 32; 1 family"]
    two = Outcome(particles=32, sizes=[20.0, 10.0], families=[4, 8])
    assert two.lines() == [
        "effective sample size 10 of 32 at the lowest, 15 on average over 2 populations;"
        " 6 families in each"
    ]
