"""Clusters beside tokens: codes, a denoiser told both levels, a schedule and a loss for each."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.fixed import LogNormal
from infonoise_core.schedules.infonoise import InfoNoise
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engines.torch import TorchEngine
from infonoise_core.training.loop import train
from infonoise_core.training.meter import Meter
from infonoise_core.training.task import Batch
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.codes.clusters import ClusterBook, per_bit, per_kind
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.methods.clusters.bound import PathBound
from infonoise_text.methods.clusters.model import make_cluster_denoiser
from infonoise_text.methods.clusters.path import equal_path
from infonoise_text.methods.clusters.schedule import CLUSTERS_PROFILE, BothSchedules
from infonoise_text.methods.clusters.task import ClusterTask, make_schedules
from infonoise_text.methods.options import Objective
from infonoise_text.methods.prior import bit_profile
from infonoise_text.models.config import TrunkConfig

from .chain import BOOK, CHAIN

L = 6
SIZES = TrunkConfig(width=16, blocks=1, heads=2)
# Five tokens, in codes of 3 bits, and in a tree of which 2 levels are clusters.
TREE = CodeBook(torch.tensor([7, 1, 0, 4, 3]), 3, 0, "semantic")
FIVE = ClusterBook(CodeBook(torch.tensor([5, 0, 6, 3, 1]), 3, 2, "some"), TREE, 4)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def text(windows: int) -> Split:
    flat = CHAIN.sample(windows // 20, 20 * L, rng()).flatten().numpy().astype(np.uint16)
    return Split("train", flat, SplitCounts(1, len(flat), len(flat), ""))


# Codes


def test_a_clusters_bits_are_the_top_of_the_tree_and_tell_nothing_when_read_back() -> None:
    ids = torch.randint(0, 5, (20, L), generator=rng())
    bits = FIVE.encode(ids)
    assert bits.shape == (20, L, 5)
    assert torch.equal(bits[..., :2], TREE.encode(ids)[..., :2])
    assert torch.equal(bits[..., 2:], FIVE.tokens.encode(ids))
    found = FIVE.decode(bits)
    assert torch.equal(found.ids, ids)
    assert not found.invalid.any()
    bits[..., :2] = 1 - bits[..., :2]
    assert torch.equal(FIVE.decode(bits).ids, ids)
    # The code 2 is no token's.
    lost = FIVE.decode(torch.tensor([0, 0, 0, 1, 0]))
    assert (int(lost.ids), bool(lost.invalid)) == (2, True)


@pytest.mark.parametrize("clusters", [0, 1, 3, 8, -4])
def test_clusters_are_a_power_of_two_below_the_tree(clusters: int) -> None:
    with pytest.raises(InputError, match=rf"--clusters {clusters}: give a power of two, from 2 to"):
        ClusterBook(FIVE.tokens, TREE, clusters)
    with pytest.raises(ValueError, match="a tree of 5 tokens for codes of 4"):
        ClusterBook(binary_codes(4), TREE, 2)


def test_levels_meet_their_own_bits() -> None:
    levels = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    spread = per_bit(levels, (2, 3))
    assert spread.tolist() == [[[1, 1, 2, 2, 2]], [[3, 3, 4, 4, 4]]]
    assert per_kind(spread.expand(2, L, 5), (2, 3)).tolist() == [
        [2 * L, 6 * L],
        [6 * L, 12 * L],
    ]


# The denoiser


def test_untrained_it_is_exact_for_bits_alone_at_the_level_of_each() -> None:
    denoiser = make_cluster_denoiser((2, 3), SIZES, 0)
    sigma = torch.tensor([[0.3, 2.0], [1.5, 0.4], [0.7, 0.7]])
    x = 0.5 + torch.randn(3, L, 5, generator=rng())
    found = denoiser(x, sigma)
    for i, (cluster, token) in enumerate(sigma.tolist()):
        for part, level in ((slice(0, 2), cluster), (slice(2, 5), token)):
            exact = ((x[i, :, part] - 0.5) / level**2).clamp(-30, 30).sigmoid()
            torch.testing.assert_close(found[i, :, part], exact)
    # One level is that of both.
    assert torch.equal(denoiser(x, sigma[:, 0]), denoiser(x, sigma[:, :1].expand(3, 2)))


def scrambled() -> nn.Module:
    denoiser = make_cluster_denoiser((2, 3), SIZES, 0)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.3, generator=rng(1))
    return denoiser


@pytest.mark.parametrize("kind", [0, 1])
def test_the_network_is_told_both_levels(kind: int) -> None:
    """Where only one changes, and what the network sees of x does not, its answer does."""
    denoiser, sigma = scrambled(), torch.full((1, 2), 0.5)
    heard = []
    for level in (0.5, 1.0):
        sigma[0, kind] = level
        spread = (per_bit(sigma, (2, 3)).square() + 0.25).sqrt()
        x = 0.5 + spread * torch.ones(1, L, 5)
        own = (x - 0.5) / per_bit(sigma, (2, 3)).square()
        heard.append(denoiser(x, sigma, logits=True) - own)
    assert float((heard[0] - heard[1]).detach().abs().max()) > 1e-2


def test_given_tokens_come_with_their_clusters() -> None:
    denoiser, clean = scrambled(), torch.randint(0, 2, (2, L, 5), generator=rng()).float()
    known = torch.arange(L).expand(2, L) < 2
    x = torch.randn(2, L, 5, generator=rng(2))
    found = denoiser(x, torch.ones(2, 2), known=known, clean=clean)
    assert torch.equal(found[:, :2], clean[:, :2])
    moved = x + 9 * known[..., None]
    assert torch.equal(denoiser(moved, torch.ones(2, 2), known=known, clean=clean), found)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 2), (2, 1)])
def test_levels_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="give two noise levels per example"):
        scrambled()(torch.zeros(2, L, 5), torch.ones(shape))


# The schedules


def eager() -> InfoNoise:
    """A schedule that adapts at once."""
    channel = VarianceExploding(0.01, 50.0)
    return InfoNoise(channel, refresh_every=1, warmup_steps=1, min_count=1, bins=16, dim=4)


def test_each_kind_is_drawn_by_its_own_law_and_knows_nothing_of_the_other() -> None:
    channel = VarianceExploding(0.002, 80.0)
    both = BothSchedules(LogNormal(channel, 0.5, 0.5), LogNormal(channel, -1.0, 1.0), (8, 12))
    u = both.sample(4000, generator=rng())
    assert u.shape == (4000, 2)
    log = u.log().double()
    # Stratified: means and deviations are those of the laws, far closer than chance.
    torch.testing.assert_close(log.mean(0), torch.tensor([0.5, -1.0]).double(), atol=2e-3, rtol=0)
    torch.testing.assert_close(log.std(0), torch.tensor([0.5, 1.0]).double(), atol=5e-3, rtol=0)
    correlation = float(torch.corrcoef(log.T)[0, 1])
    assert abs(correlation) < 5 / math.sqrt(4000)
    sigma = torch.tensor([0.1, 1.0])
    assert torch.equal(both.density(sigma), both.tokens.density(sigma))


def test_each_profile_is_that_of_its_own_errors_alone() -> None:
    both, alone = BothSchedules(eager(), eager(), (4, 4)), (eager(), eager())
    meter = Meter(both, 8, refresh_every=1)
    assert meter.profiles() == {}
    for step in range(4):
        u = both.sample(256, generator=rng(step))
        errors = torch.stack([u[:, 0] ** 2, 1 / (1 + u[:, 1] ** 2)], 1) * u.square()
        both.observe(u, errors)
        meter.observe(u, errors)
        both.step()
        meter.step(step + 1)
        for kind, schedule in enumerate(alone):
            schedule.observe(u[:, kind], errors[:, kind])
            schedule.step()
    found = meter.profiles()
    assert list(found) == [CLUSTERS_PROFILE, PROFILE_FILE]
    for profile, schedule in zip(found.values(), alone, strict=True):
        assert torch.equal(profile.rate, schedule.profile().rate)
    assert "clusters adapting since" in both.status()
    assert "; tokens adapting since" in both.status()
    again = BothSchedules(eager(), eager(), (4, 4))
    again.load_state_dict(both.state_dict())
    assert torch.equal(again.sample(64, generator=rng(9)), both.sample(64, generator=rng(9)))


# Losses


class Spy(nn.Module):
    """Log-odds of 0.3 everywhere; notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    def forward(self, x: Tensor, sigma: Tensor, logits: bool = False, **condition: Any) -> Tensor:
        self.asked.append({"x": x, "sigma": sigma, **condition})
        out = torch.full_like(x, 0.3)
        return out if logits else out.sigmoid()


def made(n: int, **change: Any) -> tuple[ClusterTask, Batch]:
    objective = Objective(**{"length": L, "infill": 0.0, "self_cond": 0.0, **change})
    task = ClusterTask(text(200), BOOK, nn.Identity(), objective)
    return task, task.batch(np.arange(n)).to(torch.device("cpu"))


@pytest.mark.parametrize("loss", ["edm", "bce"])
def test_each_kinds_error_is_told_apart_and_weighted_for_its_own_level(loss: str) -> None:
    task, batch = made(3, loss=loss)
    assert (task.dim, batch.x0.shape) == (3 * L, (3, L, 3))
    denoiser = Spy()
    sigma = torch.tensor([[0.1, 3.0], [1.0, 0.2], [10.0, 10.0]])
    eps = torch.randn(batch.x0.shape, generator=rng())
    found = task.losses(denoiser, batch, sigma, eps)
    assert torch.equal(denoiser.asked[0]["x"], batch.x0 + per_bit(sigma, (1, 2)) * eps)
    p = 1 / (1 + math.exp(-0.3))
    for i in range(3):
        expected = 0.0
        for kind, part in enumerate((batch.x0[i, :, :1], batch.x0[i, :, 1:])):
            ones, size, s = float(part.sum()), part.numel(), float(sigma[i, kind])
            error = ones * (1 - p) ** 2 + (size - ones) * p**2
            assert float(found.squared_error[i, kind]) == pytest.approx(error, rel=1e-5)
            nats = -ones * math.log(p) - (size - ones) * math.log(1 - p)
            expected += (s**2 + 0.25) / (0.5 * s) ** 2 * error if loss == "edm" else nats
        assert float(found.loss[i]) == pytest.approx(expected / (3 * L), rel=1e-5)
    assert not found.squared_error.requires_grad


def test_given_tokens_take_no_part_with_either_kind() -> None:
    task, batch = made(40, infill=1.0, self_cond=1.0)
    denoiser = Spy()
    torch.manual_seed(0)
    found = task.losses(denoiser, batch, torch.full((40, 2), 0.5), torch.zeros_like(batch.x0))
    first, second = denoiser.asked
    assert first["sigma"].shape == (40, 2)
    p = torch.tensor(0.3).sigmoid()
    counted = (p - batch.x0).square() * ~second["known"][..., None]
    torch.testing.assert_close(found.squared_error, per_kind(counted, (1, 2)))


def test_each_kind_starts_from_what_its_own_bits_would_tell() -> None:
    """The sum of both is what all bits would tell that knew nothing of each other."""
    objective, split = Objective(length=L, sigma_min=0.02), text(500)
    both = make_schedules("infonoise", objective, split, BOOK, 100)
    assert isinstance(both.clusters, InfoNoise)
    assert isinstance(both.tokens, InfoNoise)
    priors = both.clusters.prior, both.tokens.prior
    assert priors[0] is not None
    assert priors[1] is not None
    whole = bit_profile(split, BOOK, L, VarianceExploding(0.02, 80.0))
    rates = [whole.at(p.sigma) for p in priors]
    torch.testing.assert_close(priors[0].rate + priors[1].rate, rates[0])
    assert (both.clusters.estimator.dim, both.tokens.estimator.dim) == (L, 2 * L)


# Runs


def trained(out: Path, config: TrainConfig, seed: int = 0, **options: Any) -> nn.Module:
    objective = Objective(length=L, infill=0.0)
    denoiser = make_cluster_denoiser(BOOK.widths, TrunkConfig(24, 2, 2), seed)
    task = ClusterTask(text(3000), BOOK, denoiser, objective)
    schedule = make_schedules("infonoise", objective, text(3000), BOOK, config.steps)
    engine = TorchEngine("cpu")
    return train(task, schedule, config, out, engine=engine, **options).denoiser


@pytest.mark.slow
def test_a_run_learns_that_clusters_follow_from_tokens(tmp_path: Path) -> None:
    """Its bound falls below what the token's bits alone cost, so the cluster's bits are nearly
    free, and stays above the entropy of the source, both beyond 4 standard errors."""
    config = TrainConfig(steps=250, batch_size=64, lr=1e-2, lr_warmup=10, eval_every=0)
    denoiser = trained(tmp_path, config)
    ids = CHAIN.sample(1000, L, rng(9))
    found = PathBound(ids, BOOK, equal_path(80.0))(denoiser)
    alone = bit_profile(text(3000), binary_codes(4), L, VarianceExploding(0.002, 80.0))
    assert found.nats < alone.entropy() / L - 4 * found.stderr
    assert found.nats > CHAIN.entropy(L) / L - 4 * found.stderr


def test_a_run_that_was_cut_short_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Weights and both profiles."""
    config = TrainConfig(steps=8, batch_size=16, lr_warmup=2, save_every=4, eval_every=6)

    def fail(denoiser: nn.Module) -> dict[str, float]:
        raise KeyboardInterrupt

    def fine(denoiser: nn.Module) -> dict[str, float]:
        return {"loss": 0.0}

    whole = trained(tmp_path / "a", config, evaluate=fine)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b", config, evaluate=fail)
    again = trained(tmp_path / "b", config, seed=5, evaluate=fine)
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    for file in (PROFILE_FILE, CLUSTERS_PROFILE):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
