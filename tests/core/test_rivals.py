"""Adaptive laws of others: each ends at the law its paper defines, and keeps its head."""

import math
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core.allocation import fixed_gate, open_gate, total_variation, training_density
from infonoise_core.channel import VarianceExploding
from infonoise_core.channels_vp import DiscreteDDPM
from infonoise_core.errors import InputError
from infonoise_core.exact import BinarySource, GaussianSource, exact_profile, gaussian_quadrature
from infonoise_core.history import LossHistory
from infonoise_core.law import LogNormal, LogUniform, Schedule, UniformTime
from infonoise_core.profile import log_edges
from infonoise_core.rivals import AdaptiveLoss, FrozenProfile, LossSecondMoment, TimeWarp
from infonoise_core.schedule import InfoNoise
from infonoise_core.table import TableLaw
from infonoise_core.training.schedules import SCHEDULES, Setting, make_schedule
from infonoise_core.weighting import edm_weight, unit_weight

CHANNEL = VarianceExploding(0.02, 20.0)
DIM = 16
SOURCES = {"gaussian": GaussianSource(DIM), "binary": BinarySource(DIM)}
Source = GaussianSource | BinarySource
# Not the data's own spread, at which EDM's weight makes a Gaussian source's losses all equal.
WEIGHT = edm_weight(0.2)

LEARNERS: dict[str, Callable[[], LossSecondMoment | AdaptiveLoss | TimeWarp]] = {
    "loss-second-moment": lambda: LossSecondMoment(CHANNEL, WEIGHT, refresh_every=5),
    "adaptive-loss": lambda: AdaptiveLoss(CHANNEL, WEIGHT, refresh_every=5),
    "time-warp": lambda: TimeWarp(CHANNEL, refresh_every=5),
}
learners = pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS)
sources = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def squared_error(source: Source, sigma: Tensor, rng: torch.Generator) -> Tensor:
    x0 = source.sample(len(sigma), rng)
    x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
    return (source.denoise(x, sigma) - x0).square().sum(1)


def train(law: Schedule, source: Source, steps: int, seed: int = 0, batch: int = 512) -> None:
    """Steps of a training loop around an exact denoiser."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        u = law.sample(batch, generator=rng)
        law.observe(u, squared_error(source, law.channel.sigma(u), rng))
        law.step()


def distance(law: TableLaw, target: Tensor) -> float:
    """Total variation between the table and a density (K,) of any scale."""
    width = law.edges.log().diff()
    target = target / (target * width).sum()
    return float(0.5 * ((law._density - target).abs() * width).sum())


def centres(law: TableLaw) -> Tensor:
    return (law.edges[:-1] * law.edges[1:]).sqrt()


def second_moment(source: Source, sigma: Tensor) -> Tensor:
    """E[L^2] of the exact denoiser's error summed over independent dimensions."""
    mean = source.mmse(sigma)
    if isinstance(source, GaussianSource):
        # The posterior is Gaussian: its error is the posterior variance times chi^2 of DIM.
        return mean.square() * (1 + 2 / DIM)
    nodes, weights = gaussian_quadrature(256)
    root = 1 / sigma
    error = (1 - torch.tanh(root[:, None].square() + root[:, None] * nodes)).square()
    fourth = (error.square() * weights).sum(-1)
    return mean.square() * (1 - 1 / DIM) + DIM * fourth


# Tolerances below: a bin's target has a relative error of cv / sqrt(n), and the total variation
# is about 0.4 of its mean over bins. cv of a sum of 16 squared errors is about 0.35 where they are
# near Gaussian, more in the tail of the binary source, which has little mass.


@sources
def test_adaptive_loss_ends_at_weight_times_mmse(source: Source) -> None:
    law = AdaptiveLoss(CHANNEL, WEIGHT, refresh_every=10, floor=0.0)
    train(law, source, 300)
    sigma = centres(law)
    # n = 2048 effective: 0.4 * 0.35 / 45 = 0.3 %; mean of error / sigma^2 for that of error inside
    # bins of 0.11: 0.1 %.
    assert distance(law, WEIGHT(sigma) * source.mmse(sigma)) < 0.01
    assert "learning since step 10" in law.status()


def test_adaptive_loss_at_elbo_weight_is_the_entropy_rate() -> None:
    source = SOURCES["binary"]
    law = AdaptiveLoss(CHANNEL, lambda sigma: sigma**-2, refresh_every=10, floor=0.0)
    train(law, source, 300)
    rate = exact_profile(source, CHANNEL.sigma_min, CHANNEL.sigma_max).rate
    assert distance(law, rate) < 0.01


@sources
def test_loss_second_moment_ends_at_base_times_root_mean_square(source: Source) -> None:
    base = LogNormal(CHANNEL, mean=-0.5, std=1.0)
    law = LossSecondMoment(CHANNEL, WEIGHT, base, history=400, floor=0.0, refresh_every=10)
    train(law, source, 40)
    assert law.status() == "LossSecondMoment: draws from the base law, step 40"
    sigma = centres(law)
    observe_evenly(law, source, 500)
    # cv of L^2 is about twice that of L, halved by the root: 0.35 / sqrt(400) * 0.4 = 0.7 %.
    target = law._base * WEIGHT(sigma) * second_moment(source, sigma).sqrt()
    assert distance(law, target) < 0.02


def observe_evenly(law: LossSecondMoment, source: Source, times: int) -> None:
    """`times` losses in every bin, log-uniform inside."""
    rng = torch.Generator().manual_seed(5)
    low, width = law.edges.log()[:-1], law.edges.log().diff()
    for _ in range(times // 10):
        inside = torch.rand(10, len(width), generator=rng, dtype=torch.float64)
        sigma = (low + inside * width).exp().float().flatten()
        law.observe(sigma, squared_error(source, sigma, rng))
        law.step()


def test_loss_second_moment_waits_until_every_bin_is_full() -> None:
    law = LossSecondMoment(CHANNEL, refresh_every=1, bins=8)
    middle = centres(law).float()
    for _ in range(9):
        law.observe(middle, torch.ones(8))
        law.step()
        assert torch.equal(law._density, law._base)
    law.observe(middle[:-1], torch.ones(7))
    law.step()
    assert torch.equal(law._density, law._base)
    law.observe(middle[-1:], 4 * torch.ones(1))
    law.step()
    # Nine losses of 1 and one of 4 in the last bin: root mean square (25 / 10)^(1/2).
    share = law._density / law._density[0]
    torch.testing.assert_close(share[:-1], torch.ones(7).double())
    assert share[-1] == pytest.approx(math.sqrt(2.5), rel=0.01)


@sources
def test_time_warp_ends_at_the_slope_of_the_loss(source: Source) -> None:
    law = TimeWarp(CHANNEL, refresh_every=10, floor=0.0)
    train(law, source, 300)
    slope = source.mmse(law.edges).diff() / law.edges.log().diff()
    if isinstance(source, GaussianSource):
        # In closed form 2 sigma^2 / (1 + sigma^2)^2, a logistic law of log sigma.
        sigma = centres(law)
        closed = DIM * 2 * sigma**2 / (1 + sigma**2) ** 2
        torch.testing.assert_close(slope, closed, rtol=0.01, atol=0)
    # A slope is the difference of two bin means: over the estimator's smoothing window of +-0.6,
    # (11 bins of 0.11), 0.35 / sqrt(2048 * 11) * mmse / (slope * 0.6) = 0.4 % * mmse / slope,
    # which is below 0.1 where the law has mass and grows where the loss levels off.
    assert distance(law, slope) < 0.05


def test_equal_losses_leave_the_base_law() -> None:
    law = LossSecondMoment(CHANNEL, refresh_every=1, history=1)
    law.observe(centres(law).float(), torch.full((64,), 3.0))
    law.step()
    torch.testing.assert_close(law._density, law._base)


# Frozen profile


@pytest.mark.parametrize(("gate", "power"), [(open_gate(), 1.0), (fixed_gate(0.2), 0.5)])
def test_frozen_profile_is_the_training_density(gate: Any, power: float) -> None:
    profile = exact_profile(SOURCES["binary"], 0.02, 20.0)
    law = FrozenProfile(CHANNEL, profile, WEIGHT, gate, power)
    exact = training_density(profile, WEIGHT, gate, power)
    assert exact is not None
    torch.testing.assert_close(law.density(profile.sigma), exact, rtol=1e-12, atol=0)
    train(law, SOURCES["gaussian"], 3)
    torch.testing.assert_close(law.density(profile.sigma), exact, rtol=1e-12, atol=0)
    assert law.profile().entropy() == profile.entropy()
    assert "never learns" in law.status()


def test_frozen_profile_draws_by_its_density() -> None:
    law = FrozenProfile(CHANNEL, exact_profile(SOURCES["binary"], 0.02, 20.0))
    n = 100_000
    sigma = law.sample(n, generator=torch.Generator().manual_seed(0)).double()
    counts = torch.histogram(sigma.log(), law.edges.log()).hist
    mass = law._density * law.edges.log().diff()
    # Stratified: a bin's count is off by at most one at either end, and by float32's rounding.
    assert (counts - n * mass).abs().max() <= 3


def test_frozen_profile_reads_other_grids() -> None:
    profile = exact_profile(SOURCES["binary"], 0.005, 80.0, bins=200)
    law = FrozenProfile(CHANNEL, profile)
    rate = exact_profile(SOURCES["binary"], 0.02, 20.0, bins=200).rate
    # Linear between centres 0.05 apart: h^2 / 8 * r'' / r is 1e-3 on the steep side.
    assert distance(law, rate) < 2e-3


def test_a_profile_of_zeros_gives_no_law() -> None:
    profile = exact_profile(SOURCES["binary"], 0.02, 20.0)
    with pytest.raises(InputError, match="no density"):
        FrozenProfile(CHANNEL, profile, gate=lambda profile: torch.zeros_like(profile.rate))


# What every learner must bear


@learners
def test_state_round_trip_is_bit_for_bit(make: Callable[[], TableLaw]) -> None:
    whole, first = make(), make()
    source = SOURCES["binary"]
    for law in (whole, first):
        # 13 steps: the state is taken between two refreshes.
        train(law, source, 13, seed=1)  # type: ignore[arg-type]
    resumed = make()
    resumed.load_state_dict(first.state_dict())  # type: ignore[attr-defined]
    for law in (whole, resumed):
        train(law, source, 12, seed=2)  # type: ignore[arg-type]
    assert torch.equal(whole._density, resumed._density)
    assert torch.equal(whole._lines, resumed._lines)
    assert not torch.equal(whole._density, first._density)
    draws = [law.sample(64, generator=torch.Generator().manual_seed(0)) for law in (whole, resumed)]
    assert torch.equal(*draws)


@learners
def test_saved_state_is_a_copy(make: Callable[[], TableLaw]) -> None:
    law = make()
    train(law, SOURCES["binary"], 13)  # type: ignore[arg-type]
    state = law.state_dict()  # type: ignore[attr-defined]
    before = repr(state)
    train(law, SOURCES["gaussian"], 13)  # type: ignore[arg-type]
    assert repr(state) == before


def test_states_of_other_laws_and_grids_are_refused() -> None:
    second, loss = LossSecondMoment(CHANNEL), AdaptiveLoss(CHANNEL)
    with pytest.raises(InputError, match=r"AdaptiveLoss.*LossSecondMoment"):
        second.load_state_dict(loss.state_dict())
    with pytest.raises(InputError, match="grid"):
        second.load_state_dict(LossSecondMoment(CHANNEL, bins=32).state_dict())
    with pytest.raises(InputError, match="resume with the same history"):
        second.load_state_dict(LossSecondMoment(CHANNEL, history=20).state_dict())
    with pytest.raises(InputError, match="32 bins"):
        loss.load_state_dict(AdaptiveLoss(CHANNEL, bins=32).state_dict())
    with pytest.raises(InputError, match="None version None"):
        loss.load_state_dict({})
    profile = exact_profile(SOURCES["binary"], 0.02, 20.0)
    frozen = FrozenProfile(CHANNEL, profile, WEIGHT)
    other = FrozenProfile(CHANNEL, profile)
    other.load_state_dict(frozen.state_dict())
    assert torch.equal(other._density, frozen._density)
    wider = exact_profile(SOURCES["binary"], 0.02, 20.0, bins=32)
    with pytest.raises(InputError, match="another grid"):
        other.load_state_dict(FrozenProfile(CHANNEL, wider).state_dict())


@learners
def test_non_finite_losses_leave_no_trace(make: Callable[[], TableLaw]) -> None:
    clean, dirty = make(), make()
    source = SOURCES["gaussian"]
    bad = torch.tensor([math.nan, math.inf, -math.inf]).repeat(20)
    for law in (clean, dirty):
        rng = torch.Generator().manual_seed(0)
        for _ in range(30):
            u = law.sample(512, generator=rng)
            error = squared_error(source, u, rng)
            if law is dirty:
                u, error = torch.cat([u[:60], u]), torch.cat([bad, error])
            law.observe(u, error)  # type: ignore[attr-defined]
            law.step()  # type: ignore[attr-defined]
    # The same sums in another order.
    torch.testing.assert_close(dirty._density, clean._density, rtol=1e-9, atol=0)
    assert distance(dirty, LogUniform(CHANNEL).density(centres(dirty))) > 0.2


@learners
def test_a_window_of_nan_alone_leaves_the_law_usable(make: Callable[[], TableLaw]) -> None:
    law = make()
    for seed in range(3):
        if seed != 1:
            train(law, SOURCES["gaussian"], 20, seed)  # type: ignore[arg-type]
        else:
            before = law._density.clone()
            for _ in range(20):
                law.observe(law.sample(64), torch.full((64,), math.nan))  # type: ignore[attr-defined]
                law.step()  # type: ignore[attr-defined]
            torch.testing.assert_close(law._density, before, rtol=1e-12, atol=0)
        total = (law._density * law.edges.log().diff()).sum()
        assert float(total) == pytest.approx(1, abs=1e-12)
    # From the very first step on nothing but NaN: the base law stays.
    law = make()
    for _ in range(20):
        law.observe(law.sample(64), torch.full((64,), math.nan))  # type: ignore[attr-defined]
        law.step()  # type: ignore[attr-defined]
    assert torch.equal(law._density, law._base)


def test_bins_without_losses_keep_the_base_mass() -> None:
    law = AdaptiveLoss(CHANNEL, refresh_every=1, floor=0.0)
    half = centres(law)[:32].float()
    law.observe(half, half)
    law.step()
    assert torch.equal(law._density[32:], law._base[32:])
    mass = (law._density * law.edges.log().diff())[:32].sum()
    assert float(mass) == pytest.approx(0.5, abs=1e-12)


@learners
def test_nothing_waits_for_the_device_between_refreshes(make: Callable[[], TableLaw]) -> None:
    law = make()
    train(law, SOURCES["gaussian"], 5)  # type: ignore[arg-type]
    # Fake tensors have no values: whatever reads one on the host raises.
    with FakeTensorMode(allow_non_fake_inputs=True):
        u = law.sample(32)
        law.importance_weight(u)
        law.observe(u, torch.ones(32))  # type: ignore[attr-defined]
        law.step()  # type: ignore[attr-defined]
        assert type(u).__name__ == "FakeTensor"


RANK = """
import sys, torch
from infonoise_core.channel import VarianceExploding
from infonoise_core.rivals import AdaptiveLoss, LossSecondMoment, TimeWarp

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
for law in (LossSecondMoment, AdaptiveLoss, TimeWarp):
    schedule = law(VarianceExploding(0.02, 20.0), refresh_every=5)
    rng = torch.Generator().manual_seed(rank)
    for _ in range(20):
        u = schedule.sample(256, generator=rng)
        schedule.observe(u, u**2 / (1 + u**2) * torch.rand(256, generator=rng))
        schedule.step()
    tables = [torch.zeros_like(schedule._density) for _ in range(2)]
    torch.distributed.all_gather(tables, schedule._density)
    assert torch.equal(*tables), law
    assert not torch.equal(schedule._density, schedule._base), law
"""


@pytest.mark.slow
def test_two_ranks_hold_one_table(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), (tmp_path / "store").as_uri()],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors


@pytest.mark.gpu
@learners
def test_nothing_waits_for_the_gpu_between_refreshes(make: Callable[[], TableLaw]) -> None:
    law, cuda = make(), torch.device("cuda")
    rng = torch.Generator(cuda).manual_seed(0)
    error = torch.ones(32, device=cuda)
    # The first call moves the tables.
    law.observe(law.sample(32, cuda, rng), error)  # type: ignore[attr-defined]
    torch.cuda.set_sync_debug_mode("error")
    try:
        u = law.sample(32, cuda, rng)
        law.importance_weight(u)
        law.observe(u, error)  # type: ignore[attr-defined]
        law.step()  # type: ignore[attr-defined]
    finally:
        torch.cuda.set_sync_debug_mode("default")


# Importance weights


@pytest.mark.parametrize(
    "make", [*LEARNERS.values(), lambda: InfoNoise(CHANNEL, warmup_steps=5, refresh_every=10)]
)
def test_importance_weights_restore_the_base_objective(make: Callable[[], TableLaw]) -> None:
    law = make()
    train(law, SOURCES["gaussian"], 60)  # type: ignore[arg-type]
    n = 200_000
    u = law.sample(n, generator=torch.Generator().manual_seed(0))
    weight = law.importance_weight(u).double()
    for value in (torch.ones(n), u.log(), u.log().square()):
        drawn = weight * value
        expected = float(law.base.cdf(law.edges).diff() @ _bin_means(law, value, u))
        # Stratified draws do better than independent ones.
        assert float(drawn.mean()) == pytest.approx(expected, abs=4 * float(drawn.std()) / n**0.5)
    # The law has moved, so the weights say something.
    assert weight.std() > 0.1


def _bin_means(law: TableLaw, value: Tensor, u: Tensor) -> Tensor:
    bins = torch.bucketize(u.double().log(), law.edges.log()[1:-1], right=True)
    sums = torch.zeros(len(law.edges) - 1).double().index_add_(0, bins, value.double())
    return sums / torch.bincount(bins, minlength=len(sums)).clamp_min(1)


def test_importance_weight_on_steps_is_that_of_the_paper() -> None:
    steps = 20
    channel = DiscreteDDPM(torch.linspace(0.98, 0.02, steps, dtype=torch.float64))
    law = LossSecondMoment(channel, base=UniformTime(channel), refresh_every=1, history=1, bins=500)
    # One bin per step, so that the table holds each step's probability.
    assert len(law.edges) == steps + 1
    t = torch.arange(steps)
    loss = 1 + t.float()
    law.observe(t, loss)
    law.step()
    probability = loss.double() / loss.sum() * (1 - law.floor) + law.floor / steps
    mass = law._density * law.edges.log().diff()
    torch.testing.assert_close(mass, probability)
    torch.testing.assert_close(
        law.importance_weight(t), (1 / (steps * probability)).float(), rtol=1e-5, atol=0
    )


# Loss history


@settings(max_examples=50)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.one_of(st.floats(0, 1e6, width=32), st.just(math.nan), st.just(math.inf)),
            ),
            min_size=1,
            max_size=20,
        ),
        max_size=6,
    ),
    st.integers(1, 4),
)
def test_loss_history_is_a_deque_per_bin(
    batches: list[list[tuple[int, float]]], depth: int
) -> None:
    edges = log_edges(0.1, 10.0, 4)
    middle = (edges[:-1] * edges[1:]).sqrt()
    history = LossHistory(edges, depth)
    exact = [deque[float](maxlen=depth) for _ in range(4)]
    for batch in batches:
        bins, losses = zip(*batch, strict=True)
        history.observe(middle[list(bins)], torch.tensor(losses))
        for b, loss in batch:
            if math.isfinite(loss):
                exact[b].append(loss)
    history.merge()
    assert history.count.tolist() == [len(ring) for ring in exact]
    squares = [sum(loss**2 for loss in ring) / max(len(ring), 1) for ring in exact]
    torch.testing.assert_close(
        history.second_moment.nan_to_num(0), torch.tensor(squares, dtype=torch.float64)
    )


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="floor"):
        AdaptiveLoss(CHANNEL, floor=1.5)
    with pytest.raises(InputError, match="refresh_every"):
        TimeWarp(CHANNEL, refresh_every=0)
    with pytest.raises(InputError, match="2 bins"):
        TimeWarp(CHANNEL, bins=1)
    with pytest.raises(InputError, match="history of 0"):
        LossSecondMoment(CHANNEL, history=0)
    with pytest.raises(InputError, match="one shape"):
        LossSecondMoment(CHANNEL).observe(torch.ones(3), torch.ones(3, 2))


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_name_makes_a_schedule(name: str) -> None:
    symbols = exact_profile(SOURCES["binary"], 0.02, 20.0) if name == "iid-oracle" else None
    law = make_schedule(name, Setting(CHANNEL, unit_weight(), 100, DIM, symbols))
    assert isinstance(law, Schedule)
    train(law, SOURCES["gaussian"], 20, batch=64)
    sigma = torch.logspace(math.log10(0.02), math.log10(20.0), 4001, dtype=torch.float64)
    sigma = sigma.clamp(0.02, 20.0)
    total = float(torch.trapezoid(law.density(sigma), sigma.log()))
    # Steps of 1.7e-3 across 64 jumps of a table, or a smooth density.
    assert total == pytest.approx(1, abs=0.01)
    assert law.status()


def test_the_oracle_wants_discrete_data() -> None:
    with pytest.raises(InputError, match="iid-oracle needs discrete data"):
        make_schedule("iid-oracle", Setting(CHANNEL, unit_weight(), updates=100, dim=DIM))


def test_discrete_data_start_from_their_symbols_and_keep_the_weight() -> None:
    symbols = exact_profile(SOURCES["binary"], 0.02, 20.0)
    law = make_schedule("infonoise", Setting(CHANNEL, edm_weight(0.5), 100, DIM, symbols))
    frozen = FrozenProfile(CHANNEL, symbols)
    sigma = symbols.sigma
    mixed = 0.95 * frozen.density(sigma) + 0.05 * LogUniform(CHANNEL).density(sigma)
    # The gate takes a little of the lowest, nearly empty bins.
    assert total_variation(law.density(sigma), mixed, symbols.width) < 0.02
