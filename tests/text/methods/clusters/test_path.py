"""Two levels along a path: the bound is that of the tokens whatever the path, and text along it is
of the right law.
"""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.errors import InputError
from infonoise_core.sampling.grids import log_uniform_grid
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.codes.clusters import ClusterBook
from infonoise_text.data.spans import Given
from infonoise_text.methods.clusters.bound import PathBound
from infonoise_text.methods.clusters.model import make_cluster_denoiser
from infonoise_text.methods.clusters.path import (
    equal_path,
    generate_along,
    joint_churn,
    joint_path,
    tokens_path,
)
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import SIGMA_LAST
from infonoise_text.sampling.options import TextSampler
from infonoise_text.sampling.text import Generated

from .chain import BOOK, CHAIN, PairDenoiser

SIZES = TrunkConfig(width=16, blocks=1, heads=2)
HIGH, LOW = 80.0, SIGMA_LAST
PATHS = {
    "equal": [[HIGH, HIGH], [LOW, LOW]],
    "clusters first": [[HIGH, HIGH], [LOW, HIGH], [LOW, LOW]],
    "tokens first": [[HIGH, HIGH], [HIGH, LOW], [LOW, LOW]],
    "steps": [[HIGH, HIGH], [2.0, HIGH], [1.0, 1.5], [0.3, 1.5], [0.2, 0.3], [LOW, LOW]],
    "clusters stop early": [[HIGH, HIGH], [1.0, 1.0], [1.0, LOW]],
    "no clusters": [[HIGH, HIGH], [HIGH, LOW]],
}
SAMPLER = TextSampler(steps=40, grid="log-uniform", solver="euler", chunk=400)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def path_of(name: str) -> Tensor:
    return torch.tensor(PATHS[name], dtype=torch.float64)


def test_two_paths_have_a_function_of_their_own() -> None:
    assert torch.equal(equal_path(HIGH), path_of("equal"))
    assert torch.equal(tokens_path(HIGH), path_of("no clusters"))


# The bound


@pytest.mark.parametrize("name", PATHS)
def test_an_exact_denoiser_costs_the_entropy_of_tokens_along_any_path(name: str) -> None:
    """Clusters cost nothing on top, whichever goes first and wherever theirs ends."""
    ids = CHAIN.sample(400, 12, rng())
    found = PathBound(ids, BOOK, path_of(name))(PairDenoiser())
    assert abs(found.nats - CHAIN.entropy(12) / 12) < 4 * found.stderr
    assert found.stderr < 0.04


@pytest.mark.parametrize(
    ("name", "bits"), [("equal", 7), ("clusters first", 7), ("no clusters", 4)]
)
def test_random_tokens_cost_an_untrained_model_all_bits_that_it_takes_for_independent(
    name: str, bits: int
) -> None:
    """ln 2 each, to what chance at the lowest level leaves; clusters count where they are told."""
    tree = CodeBook(torch.randperm(16, generator=rng()), 4, 0, "semantic")
    book = ClusterBook(binary_codes(16), tree, 8)
    ids = torch.randint(0, 16, (60, 12), generator=rng())
    found = PathBound(ids, book, path_of(name))(make_cluster_denoiser((3, 4), SIZES, 0))
    assert found.nats == pytest.approx(bits * math.log(2), rel=2e-3)
    assert found.stderr < 2e-3 * bits * math.log(2)


class Mistaken(nn.Module):
    """The exact denoiser with the log-odds of one kind of bits moved."""

    def __init__(self, mistake: float, part: slice) -> None:
        super().__init__()
        self.exact, self.mistake, self.part = PairDenoiser(), mistake, part

    def forward(self, x: Tensor, sigma: Tensor, logits: bool = False) -> Tensor:
        log_odds = self.exact(x, sigma, logits=True)
        log_odds[..., self.part] += self.mistake
        return log_odds if logits else log_odds.sigmoid()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("equal", slice(0, 1)), ("equal", slice(1, 3)), ("clusters first", slice(0, 1)),
        ("clusters first", slice(1, 3)), ("tokens first", slice(1, 3)),
    ],
)  # fmt: skip
def test_a_mistake_about_either_kind_costs(name: str, part: slice) -> None:
    """More the greater it is, on the same noises: no denoiser gets below the entropy."""
    ids = CHAIN.sample(100, 12, rng())
    bound = PathBound(ids, BOOK, path_of(name), levels=16)
    found = [bound(Mistaken(m, part)).nats for m in (0.0, 1.0, 2.0, 4.0)]
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.01


def test_where_all_bits_have_one_level_it_is_the_bound_of_one_kind() -> None:
    """Of bits alone: the integral of their rate, in closed form, and the prior's share."""
    ids = torch.randint(0, 4, (300, 8), generator=rng())
    path = torch.tensor([[3.0, 3.0], [0.5, 0.5]])
    found = PathBound(ids, BOOK, path)(make_cluster_denoiser((1, 2), SIZES, 0))
    exact = 3 * exact_profile(BinarySource(1, 0.0, 1.0), 0.5, 3.0, bins=256).entropy()
    prior = 3 * 0.5 * math.log1p((0.5 / 3.0) ** 2)
    # The cross entropy of two fair bits at 0.5, by quadrature over the noise.
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    density = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    nats = nn.functional.softplus(-(0.5 + 0.5 * x) / 0.25)
    last = 2 * float(torch.trapezoid(density * nats, x))
    assert abs(found.nats - (exact + prior + last)) < 4 * found.stderr


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ([[80.0, 80.0]], "k at least 2"),
        ([[80.0], [1.0]], r"shape \(2, 1\)"),
        ([[80.0, 1.0], [70.0, 2.0]], "never rise"),
        ([[80.0, 80.0], [0.0, 1.0]], "above 0"),
    ],
)
def test_what_is_no_path_is_refused(path: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PathBound(torch.zeros(3, 4, dtype=torch.long), BOOK, torch.tensor(path))
    with pytest.raises(InputError, match=r"--sigma-max 0\.05: bits are already certain"):
        equal_path(0.05)
    with pytest.raises(InputError, match="fewer than 2 held-out windows"):
        PathBound(torch.zeros(1, 4, dtype=torch.long), BOOK, equal_path(HIGH))


# Paths


def profiles() -> tuple:
    clusters = exact_profile(BinarySource(1, 0.0, 4.0), LOW, HIGH, bins=64)
    return clusters, exact_profile(BinarySource(1, 0.0, 1.0), LOW, HIGH, bins=64)


def test_each_kind_goes_by_equal_shares_of_its_own_entropy() -> None:
    sampler = TextSampler(steps=9, grid="entropic", solver="euler")
    path = joint_path(sampler, HIGH, profiles())
    assert path.shape == (9, 2)
    for kind, profile in enumerate(profiles()):
        assert path[0, kind] == HIGH
        assert path[-1, kind] == pytest.approx(LOW)
        edges = profile.edges.log()
        left = torch.cat([torch.zeros(1).double(), (profile.rate * profile.width).cumsum(0)])
        found = [
            float(left[torch.searchsorted(edges, s.log()).clamp_max(64)]) for s in path[:, kind]
        ]
        # Read at a bin's edge, of 64.
        share = torch.tensor(found).diff() / found[0]
        assert float((share + 1 / 8).abs().max()) < 0.1
    # Bits four times as far apart are told at four times the noise.
    assert (path[1:-1, 0] > 2 * path[1:-1, 1]).all()


def test_a_lead_is_how_far_clusters_are_when_tokens_begin() -> None:
    sampler = TextSampler(steps=31, grid="entropic", solver="euler", lead=0.5)
    path, whole = (joint_path(replace(sampler, lead=lead), HIGH, profiles()) for lead in (0.5, 0.0))
    assert (path.diff(dim=0) <= 0).all()
    begun = int((path[:, 1] < HIGH).nonzero()[0])
    # A third of the time, and by then half of the clusters' way.
    assert begun == 11
    assert float(path[begun - 1, 0]) == pytest.approx(float(whole[15, 0]))
    first = joint_path(replace(sampler, lead=1.0), HIGH, profiles())
    resting = (first[:, 0] > LOW * 1.0001) & (first[:, 1] < HIGH * 0.9999)
    assert not resting.any()
    for bad in (-0.1, 1.5, math.nan):
        with pytest.raises(InputError, match="--lead"):
            TextSampler(lead=bad)
    with pytest.raises(InputError, match="--grid entropic needs a profile"):
        joint_path(sampler, HIGH, (None, None))


# Text along them


def made(sampler: TextSampler, n: int, length: int, given: Given | None = None) -> Generated:
    path = joint_path(sampler, 20.0, (None, None))
    gammas = joint_churn(sampler, path, (None, None))
    denoiser = PairDenoiser()
    return generate_along(denoiser, BOOK, n, length, path, gammas, sampler, given=given)


@pytest.mark.parametrize(("lead", "churn"), [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 0.3)])
def test_the_exact_denoiser_gives_the_source_along_any_path(lead: float, churn: float) -> None:
    """Frequencies of pairs of tokens within 5 standard errors, and 0.02 for the steps."""
    sampler = replace(SAMPLER, steps=64, lead=lead, churn=churn, churn_gate="constant", s_noise=1.0)
    found = made(sampler, 400, 8)
    assert found.nfe == 64
    assert not found.invalid.any()
    pairs = 4 * found.ids[:, :-1] + found.ids[:, 1:]
    share = torch.bincount(pairs.flatten(), minlength=16).reshape(4, 4) / pairs.numel()
    expected = CHAIN.stationary[:, None] * CHAIN.transition
    # Pairs of one window depend on each other; windows do not.
    error = (expected * (1 - expected) / 400).sqrt() / 2
    assert ((share - expected).abs() < 5 * error + 0.02).all()


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_given_tokens_stay_and_steer_the_rest(guidance: float) -> None:
    given = Given(torch.tensor([1, 0, 0]), torch.tensor([1, 0, 0]).bool())
    found = made(replace(SAMPLER, guidance=guidance), 400, 3, given)
    assert found.nfe == 40 * (1 if guidance == 1 else 2)
    assert (found.ids[:, 0] == 1).all()
    share = torch.bincount(found.ids[:, 1], minlength=4) / 400
    law = CHAIN.transition[1]
    if guidance == 1:
        assert ((share - law).abs() < 5 * (law * (1 - law) / 400).sqrt() + 0.02).all()
    else:
        assert share[2] > law[2]


def test_text_is_the_same_for_the_same_seed_in_chunks_and_not_for_another() -> None:
    sampler = replace(SAMPLER, steps=6, chunk=4)
    first = made(sampler, 10, 5)
    assert first.ids.shape == (10, 5)
    assert torch.equal(made(sampler, 10, 5).ids, first.ids)
    assert torch.equal(made(sampler, 6, 5).ids[:4], first.ids[:4])
    assert not torch.equal(made(replace(sampler, seed=1), 10, 5).ids, first.ids)


def test_with_equal_levels_and_no_lead_the_path_is_the_grid() -> None:
    sampler = replace(SAMPLER, steps=12)
    grid = log_uniform_grid(12, SIGMA_LAST, 20.0)
    path = joint_path(sampler, 20.0, (None, None))
    assert torch.equal(path, torch.stack([grid, grid], 1))
    assert not joint_churn(sampler, path, (None, None)).any()


def test_other_solvers_and_guidance_by_nothing_are_refused() -> None:
    with pytest.raises(InputError, match=r"--solver heun: .* euler alone"):
        made(replace(SAMPLER, solver="heun"), 2, 3)
    with pytest.raises(InputError, match="--guidance 2 without given tokens"):
        made(replace(SAMPLER, guidance=2.0), 2, 3)
