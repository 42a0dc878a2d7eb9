"""Several tasks at once: shares by closed forms, and linear-Gaussian tasks that are learned."""

import math
import pickle
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infonoise_core import (
    InfoNoise,
    InputError,
    TaskSchedule,
    VarianceExploding,
    edm_weight,
    linear_profile,
    open_gate,
)
from infonoise_core.analytic.exact import BinarySource, GaussianSource

CHANNEL = VarianceExploding(0.05, 20.0)
NAMES = ("a", "b", "c")


def schedule_of(variances: dict[str, Tensor], **more: object) -> TaskSchedule:
    priors = {name: linear_profile(CHANNEL, own) for name, own in variances.items()}
    made: TaskSchedule = InfoNoise(
        CHANNEL, prior=priors, ceiling=priors, tasks=tuple(variances), power=0.5,
        refresh_every=10, warmup_steps=0, **more,
    )  # fmt: skip
    made.step()
    return made


def left(schedule: TaskSchedule, variances: dict[str, Tensor], shares: dict[str, float]) -> float:
    """Sum over tasks and levels of rate / draws, for one draw in all.

    A coefficient whose gain is learned by least squares from n draws misses its mmse by mmse / n.
    """
    total = 0.0
    for name, own in variances.items():
        profile = linear_profile(CHANNEL, own)
        density = schedule.density(profile.sigma, name)
        total += float((profile.rate / density * profile.width).sum()) / shares[name]
    return total


scales = st.floats(-3, 3)


@settings(max_examples=20)
@given(st.lists(scales, min_size=2, max_size=3), st.integers(1, 40))
def test_shares_leave_least_to_learn(logs: list[float], dim: int) -> None:
    """Never more than even shares; and less where tasks differ, as far as the floor lets it."""
    variances = {
        name: torch.full((1 + i * dim,), math.exp(log), dtype=torch.float64)
        for i, (name, log) in enumerate(zip(NAMES, logs, strict=False))
    }
    schedule = schedule_of(variances)
    even = dict.fromkeys(variances, 1 / len(variances))
    ours, theirs = (left(schedule, variances, s) for s in (schedule.shares, even))
    assert ours <= theirs * (1 + 1e-9)
    roots = [share - 0.05 / len(variances) for share in schedule.shares.values()]
    spread = max(roots) / min(roots)
    # (sum of roots)^2 against the number times the sum of squares.
    best = sum(roots) ** 2 / (len(roots) * sum(r * r for r in roots))
    if spread > 1.5:
        assert ours < theirs * (1 - 0.5 * (1 - best))


def test_equal_tasks_get_equal_shares_and_every_task_its_floor() -> None:
    same = {name: torch.ones(4, dtype=torch.float64) for name in NAMES}
    assert list(schedule_of(same).shares.values()) == pytest.approx([1 / 3] * 3, abs=1e-12)
    unlike = {"a": torch.ones(1), "b": torch.ones(40_000)}
    shares = schedule_of(unlike).shares
    # The root of the number of coefficients, and the floor.
    assert shares["a"] == pytest.approx(0.95 / 201 + 0.025, abs=1e-6)
    assert sum(shares.values()) == pytest.approx(1)


def test_draws_follow_shares_and_densities() -> None:
    variances = {"a": torch.full((2,), 0.04), "b": torch.full((64,), 4.0)}
    schedule = schedule_of(variances, weight=edm_weight(0.5))
    n = 60_000
    task, u = schedule.sample(n, generator=torch.Generator().manual_seed(0))
    sigma = CHANNEL.sigma(u).double()
    for number, (name, share) in enumerate(schedule.shares.items()):
        own = sigma[task == number]
        # Stratified: a share is off by a draw at most.
        assert len(own) == pytest.approx(share * n, abs=2)
        edges = schedule.parts[number].estimator.edges
        width = edges.log().diff()
        counts = torch.histc(own.log(), 64, math.log(0.05), math.log(20.0)) / len(own)
        expected = schedule.density((edges[1:] * edges[:-1]).sqrt(), name) * width
        assert float((counts - expected).abs().max()) < 4 / len(own)
    centre = torch.tensor([0.1, 1.0])
    mixed = sum(s * schedule.density(centre, name) for name, s in schedule.shares.items())
    torch.testing.assert_close(schedule.density(centre), mixed)


def test_profiles_are_those_of_their_own_examples() -> None:
    """Reports in one table, whatever order the examples have; no task sees another's."""
    sources = [BinarySource(8, -0.3, 0.3), GaussianSource(16, 2.0)]
    schedule: TaskSchedule = InfoNoise(
        CHANNEL, tasks=("bits", "values"), dim={"bits": 8, "values": 16}, warmup_steps=10,
        refresh_every=10, horizon=1e5,
    )  # fmt: skip
    feed(schedule, sources, 80)
    bits, values = (schedule.profile(name) for name in ("bits", "values"))
    assert bits.entropy() == pytest.approx(8 * math.log(2), rel=0.03)
    # Of a Gaussian: half the log of (1 + v / s^2) between the ends, by coefficient.
    exact = 8 * math.log((1 + 4 / 0.05**2) / (1 + 4 / 20**2))
    assert values.entropy() == pytest.approx(exact, rel=0.03)
    assert "bits 3" in schedule.status() or "bits 2" in schedule.status()
    assert schedule.status().count("adapting since step 10") == 2


def feed(
    schedule: TaskSchedule, sources: list[BinarySource | GaussianSource], steps: int, seed: int = 0
) -> None:
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        task, u = schedule.sample(500, generator=rng)
        sigma, error = CHANNEL.sigma(u), torch.zeros(500)
        for number, source in enumerate(sources):
            x0 = source.sample(500, rng)
            x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
            own = (source.denoise(x, sigma) - x0).square().sum(1)
            error = torch.where(task == number, own, error)
        schedule.observe(task, u, error)
        schedule.step()


def test_state_goes_on_bit_for_bit() -> None:
    def make() -> TaskSchedule:
        made: TaskSchedule = InfoNoise(
            CHANNEL, tasks=("a", "b"), warmup_steps=10, refresh_every=7, dim=8
        )
        return made

    sources = [BinarySource(8, -0.3, 0.3), BinarySource(8, -3.0, 3.0)]
    whole, first, second = make(), make(), make()
    feed(whole, sources, 24)
    feed(first, sources, 24)
    second.load_state_dict(first.state_dict())
    feed(whole, sources, 20, seed=1)
    feed(second, sources, 20, seed=1)
    assert second.status() == whole.status()
    assert second.shares == whole.shares
    rng = [torch.Generator().manual_seed(9) for _ in range(2)]
    for one, other in zip(second.sample(50, generator=rng[0]), whole.sample(50, generator=rng[1]),
                          strict=True):  # fmt: skip
        assert torch.equal(one, other)
    with pytest.raises(InputError, match="is of tasks"):
        InfoNoise(CHANNEL, tasks=("a", "c"), dim=8).load_state_dict(whole.state_dict())


@pytest.mark.parametrize("tasks", [(), ("a", "b")])
def test_a_pickled_schedule_goes_on_as_the_other(tasks: tuple[str, ...]) -> None:
    """Views of tables are views again."""
    schedule = InfoNoise(CHANNEL, tasks=tasks, warmup_steps=10, refresh_every=7, dim=8)
    other = pickle.loads(pickle.dumps(schedule))
    sources = [BinarySource(8, -0.3, 0.3), BinarySource(8, -3.0, 3.0)]
    for one in (schedule, other):
        if tasks:
            feed(one, sources, 24)
            continue
        rng = torch.Generator().manual_seed(0)
        for _ in range(24):
            u = one.sample(500, generator=rng)
            x0 = sources[0].sample(500, rng)
            x = x0 + u[:, None] * torch.randn(x0.shape, generator=rng)
            one.observe(u, (sources[0].denoise(x, u) - x0).square().sum(1))
            one.step()
    assert other.status() == schedule.status()
    draws = [
        one.sample(64, generator=torch.Generator().manual_seed(1)) for one in (schedule, other)
    ]
    if tasks:
        assert all(torch.equal(a, b) for a, b in zip(*draws, strict=True))
    else:
        assert torch.equal(*draws)
    centre = torch.tensor([0.3])
    assert torch.equal(schedule.density(centre), other.density(centre))


def test_mistakes_name_the_task() -> None:
    with pytest.raises(InputError, match="stands there twice"):
        InfoNoise(CHANNEL, tasks=("a", "a"))
    with pytest.raises(InputError, match="dim has no value for the task b"):
        InfoNoise(CHANNEL, tasks=("a", "b"), dim={"a": 1})
    schedule: TaskSchedule = InfoNoise(CHANNEL, tasks=("a", "b"))
    with pytest.raises(InputError, match="there are a, b"):
        schedule.profile("c")
    with pytest.raises(InputError, match="number of a task for each level"):
        schedule.observe(torch.zeros(2), torch.ones(3), torch.ones(3))


@dataclass
class Learner:
    """A gain for every level and coefficient of one linear-Gaussian task, by least squares."""

    variance: Tensor
    bins: int = 64

    def __post_init__(self) -> None:
        self.xx = torch.zeros(self.bins, len(self.variance), dtype=torch.float64)
        self.xy = torch.zeros_like(self.xx)

    @property
    def gain(self) -> Tensor:
        """0, the mean, before there is anything to go by."""
        return torch.where(self.xx > 0, self.xy / self.xx.clamp_min(1e-300), 0)

    def learn(self, bins: Tensor, sigma: Tensor, rng: torch.Generator) -> Tensor:
        """Errors (n,) before the step, then the step."""
        shape = (len(sigma), len(self.variance))
        x0 = self.variance.sqrt() * torch.randn(shape, generator=rng, dtype=torch.float64)
        x = x0 + sigma[:, None] * torch.randn(shape, generator=rng, dtype=torch.float64)
        error = (self.gain[bins] * x - x0).square().sum(1)
        self.xx.index_add_(0, bins, x.square())
        self.xy.index_add_(0, bins, x * x0)
        return error

    def bound(self, edges: Tensor) -> float:
        """Nats above the entropy, by the error that these gains have in expectation."""
        sigma = (edges[1:] * edges[:-1]).sqrt()[:, None]
        best = self.variance / (self.variance + sigma**2)
        excess = (self.gain - best).square() * (self.variance + sigma**2)
        return float((excess / sigma**2 * edges.log().diff()[:, None]).sum())


def budget(variances: list[Tensor], even: bool, seed: int) -> float:
    """The summed bound of tasks after a fixed number of draws."""
    names = NAMES[: len(variances)]
    schedule: TaskSchedule = InfoNoise(
        CHANNEL, tasks=names, dim={n: len(v) for n, v in zip(names, variances, strict=True)},
        power=0.5, warmup_steps=20, refresh_every=10, floor=1.0 if even else 0.05,
        gate=open_gate(),
    )  # fmt: skip
    for part in schedule.parts:
        part.floor = 0.05
    learners = [Learner(variance) for variance in variances]
    edges = schedule.parts[0].estimator.edges
    rng = torch.Generator().manual_seed(seed)
    for _ in range(200):
        task, u = schedule.sample(256, generator=rng)
        sigma = CHANNEL.sigma(u).double()
        bins = torch.bucketize(sigma, edges[1:-1], right=True)
        error = torch.zeros(256, dtype=torch.float64)
        for number, learner in enumerate(learners):
            own = task == number
            error[own] = learner.learn(bins[own], sigma[own], rng)
        schedule.observe(task, u, error)
        schedule.step()
    return sum(learner.bound(edges) for learner in learners)


@pytest.mark.parametrize(
    ("sizes", "ratio"),
    # 4 and 64 coefficients: even shares leave 68 / 2, those by the root 10^2 / 4: 0.74 of it, with
    # a floor and a warm-up of a tenth 0.75. Equal tasks: the noise of the shares, in their squares.
    [((4, 64), 0.82), ((8, 8), 1.03)],
)
def test_linear_gaussian_tasks_are_learned_better_for_the_same_budget(
    sizes: tuple[int, ...], ratio: float
) -> None:
    """Of unequal difficulty: a lower summed bound than under even shares; of equal: the same."""
    variances = [torch.full((size,), 1.0, dtype=torch.float64) for size in sizes]
    pairs = [[budget(variances, even, seed) for even in (False, True)] for seed in range(2)]
    mean = sum(ours / theirs for ours, theirs in pairs) / len(pairs)
    assert mean < ratio
