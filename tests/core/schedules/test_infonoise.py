"""InfoNoise: life cycle, draws, robustness, scale, state."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infonoise_core import (
    InfoNoise,
    InputError,
    LogNormal,
    LogUniform,
    RectifiedFlow,
    Schedule,
    VarianceExploding,
    edm_weight,
    fixed_gate,
    open_gate,
)
from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.schedules.gates import total_variation, training_density

Errors = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def feed(
    schedule: InfoNoise,
    source: BinarySource | GaussianSource,
    steps: int,
    batch: int = 500,
    scale: float = 1.0,
    seed: int = 0,
) -> None:
    """Training with an exact denoiser, on data multiplied by `scale`."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        u = schedule.sample(batch, generator=rng)
        sigma = schedule.channel.sigma(u) / scale
        x0 = source.sample(batch, rng)
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
        error = (source.denoise(x, sigma) - x0).square().sum(1)
        schedule.observe(u, scale**2 * error)
        schedule.step()


def moments(schedule: InfoNoise) -> tuple[float, float]:
    """Mean and standard deviation of log sigma under the learned density."""
    log_edges = schedule.edges.log()
    centres = (log_edges[1:] + log_edges[:-1]) / 2
    mass = schedule.density(centres.exp()) * log_edges.diff()
    mean = float((mass * centres).sum())
    return mean, math.sqrt(float((mass * (centres - mean).square()).sum()))


def test_life_cycle_in_words() -> None:
    channel = VarianceExploding(0.05, 20.0)
    schedule = InfoNoise(channel, refresh_every=5, warmup_steps=10, min_count=32, dim=8)
    assert isinstance(schedule, Schedule)
    assert schedule.status() == (
        "warming up under the warm-up distribution: step 0 of 10, 0 of 64 bins filled"
    )
    with pytest.raises(InputError, match="no observation"):
        schedule.profile()
    feed(schedule, BinarySource(8), 9)
    assert schedule.status().startswith(
        "warming up under the warm-up distribution: step 9 of 10, 64 of 64"
    )
    assert float(schedule.density(torch.tensor(1.0))) == pytest.approx(1 / math.log(400))
    feed(schedule, BinarySource(8), 1)
    assert schedule.status().startswith("adapting since step 10: 64 of 64 bins filled, total var")


def test_density_is_the_allocation_of_the_truth() -> None:
    """power, weight and floor each enter once; the exact profile says what must come out."""
    source, channel = BinarySource(16), VarianceExploding(0.05, 20.0)
    truth = exact_profile(source, 0.05, 20.0)
    for power in (1.0, 0.5):
        for weight in (None, edm_weight(0.5)):
            for compensate in (True, False):
                schedule = InfoNoise(
                    channel, weight=weight, power=power, floor=0.1, compensate=compensate,
                    refresh_every=10, warmup_steps=10, horizon=1e5, gate=open_gate(), dim=16,
                )  # fmt: skip
                feed(schedule, source, 100)
                divided = weight if compensate else None
                learned = training_density(truth, divided, open_gate(), power)
                assert learned is not None
                expected = 0.9 * learned + 0.1 / math.log(400)
                found = schedule.density(truth.sigma)
                # Sampling error of 50 k observations; a weight forgotten or used twice gives > 0.3.
                assert total_variation(found, expected, truth.width) < 0.03
                assert float((found * truth.width).sum()) == pytest.approx(1.0, abs=1e-9)


def test_draws_follow_the_density() -> None:
    channel = VarianceExploding(0.05, 20.0)
    schedule = InfoNoise(channel, refresh_every=10, warmup_steps=10, dim=4)
    feed(schedule, BinarySource(4), 20)
    sigma = schedule.sample(64_000, generator=torch.Generator().manual_seed(0)).double()
    counts = torch.histc(sigma.log(), 64, math.log(0.05), math.log(20.0)) / 64_000
    width = schedule.edges.log().diff()
    centres = (schedule.edges[1:] * schedule.edges[:-1]).sqrt()
    # Stratified: a cell's share is off by at most two strata at its edges, and float32 rounding
    # may move a draw over an edge.
    assert float((counts - schedule.density(centres) * width).abs().max()) < 4 / 64_000


def test_transition_is_a_linear_mixture() -> None:
    channel = VarianceExploding(0.05, 20.0)
    schedule = InfoNoise(channel, refresh_every=10, warmup_steps=10, transition=40, dim=4, floor=0)
    distances = []
    for _ in range(6):
        feed(schedule, BinarySource(4), 10)
        width = schedule.edges.log().diff()
        centres = (schedule.edges[1:] * schedule.edges[:-1]).sqrt()
        base = torch.full_like(centres, 1 / math.log(400))
        distances.append(total_variation(schedule.density(centres), base, width))
    final = distances[-1]
    for share, distance in zip((0.25, 0.5, 0.75, 1.0), distances, strict=False):
        # The profile itself moves a little between refreshes.
        assert distance == pytest.approx(share * final, rel=0.15)


@pytest.mark.parametrize("k", [0.01, 0.1, 10.0, 100.0])
def test_scaling_discrete_data_shifts_the_density_on_a_fixed_grid(k: float) -> None:
    """Untouched settings, a grid that holds them all: log k, to a tenth of a bin width per nat."""
    found = {}
    for scale in (1.0, k):
        schedule = InfoNoise(
            VarianceExploding(1e-4, 1e4), refresh_every=10, warmup_steps=20, floor=0.0, bins=128,
            dim=16,
        )  # fmt: skip
        feed(schedule, BinarySource(16), 100, scale=scale)
        found[scale] = moments(schedule)
    # The density's own spread is about 0.7; its mean has a sampling error of 0.7/sqrt(50k draws),
    # grid and smoothing leave up to a tenth of a bin (0.14).
    assert found[k][0] - found[1.0][0] == pytest.approx(math.log(k), abs=0.02)
    assert found[k][1] == pytest.approx(found[1.0][1], rel=0.02)


@pytest.mark.parametrize("k", [0.01, 100.0])
def test_scaling_data_and_grid_shifts_the_density_exactly(k: float) -> None:
    """Continuous data, whose information does not end at low noise: the grid's span moves along."""
    found = {}
    for scale in (1.0, k):
        schedule = InfoNoise(
            VarianceExploding(0.01 * scale, 100.0 * scale), refresh_every=10, warmup_steps=20, dim=8
        )
        feed(schedule, GaussianSource(8, rank=3), 60, scale=scale)
        found[scale] = moments(schedule)
    # Equal draws but for rounding: float32 levels may fall into a neighbouring bin.
    assert found[k][0] - found[1.0][0] == pytest.approx(math.log(k), abs=2e-3)
    assert found[k][1] == pytest.approx(found[1.0][1], rel=2e-3)


def test_a_prior_needs_no_warm_up_and_yields_to_data() -> None:
    channel = VarianceExploding(0.02, 50.0)
    prior = exact_profile(BinarySource(4), 0.02, 50.0)
    schedule = InfoNoise(channel, prior=prior, warmup_steps=0, refresh_every=10, dim=4, floor=0.0)
    expected = training_density(prior, None, open_gate())
    assert expected is not None
    width = prior.width
    assert total_variation(schedule.density(prior.sigma), expected, width) < 0.02
    # The data are really three times as large.
    feed(schedule, BinarySource(4), 200, scale=3.0)
    truth = exact_profile(BinarySource(4, -3.0, 3.0), 0.02, 50.0)
    expected = training_density(truth, None, open_gate())
    assert expected is not None
    assert total_variation(schedule.density(prior.sigma), expected, width) < 0.1
    other = exact_profile(BinarySource(4), 0.001, 500.0, bins=100)
    moved = InfoNoise(channel, prior=other, dim=4, floor=0.0)
    first = training_density(prior, None, open_gate())
    assert first is not None
    assert total_variation(moved.density(prior.sigma), first, width) < 0.05


def test_bins_that_never_fill_do_not_block() -> None:
    """Under EDM's law sigma above 20 is drawn once in 500 draws, above 60 almost never."""
    channel = VarianceExploding(0.002, 80.0)
    schedule = InfoNoise(
        channel, LogNormal(channel), edm_weight(0.5), refresh_every=10, warmup_steps=20, dim=8
    )
    feed(schedule, GaussianSource(8, std=0.5), 60, batch=256)
    assert schedule.status().startswith("adapting since step")


def test_a_dead_window_changes_nothing() -> None:
    channel = VarianceExploding(0.05, 20.0)
    schedule = InfoNoise(channel, refresh_every=5, warmup_steps=5, dim=4)
    feed(schedule, BinarySource(4), 20)
    before = schedule.density(schedule.edges)
    for _ in range(5):
        u = schedule.sample(100)
        schedule.observe(u, torch.full((100,), math.nan))
        if schedule._steps % 5 < 4:
            schedule.step()
    with pytest.warns(UserWarning, match="500 were not finite"):
        schedule.step()
    assert torch.equal(schedule.density(schedule.edges), before)


def feed_errors(schedule: InfoNoise, error: Callable[[Tensor], Tensor], steps: int = 20) -> None:
    rng = torch.Generator().manual_seed(0)
    for _ in range(steps):
        u = schedule.sample(500, generator=rng)
        schedule.observe(u, error(u.to(torch.float64)))
        schedule.step()


def test_losses_without_information_hold_the_warm_up_law_and_say_so() -> None:
    """A denoiser that answers with the mean: the error is flat, there is nothing to go by."""
    schedule = InfoNoise(VarianceExploding(0.05, 20.0), refresh_every=5, warmup_steps=5)
    feed_errors(schedule, lambda u: torch.full_like(u, 4.0))
    assert schedule.status().endswith("held: the losses show no information anywhere that the gate"
                                      " lets through")  # fmt: skip
    assert float(schedule.density(torch.tensor(0.06))) == pytest.approx(1 / math.log(400))


@pytest.mark.parametrize("std", [0.2, 1.0, 5.0])
def test_a_flat_error_still_tells_the_scale(std: float) -> None:
    """An error of dim * std^2 at every level puts the draws around std."""
    schedule = InfoNoise(VarianceExploding(1e-3, 1e3), refresh_every=5, warmup_steps=5, dim=4,
                         floor=0.0)  # fmt: skip
    feed_errors(schedule, lambda u: torch.full_like(u, 4 * std**2))
    sigma = schedule.edges.log().lerp(schedule.edges.log().roll(-1), 0.5)[:-1]
    mass = schedule.density(sigma.exp()) * schedule.edges.log().diff()
    mean = float((mass * sigma).sum())
    # The bump is symmetric in log sigma; its mean is off by less than half of a bin.
    assert mean == pytest.approx(math.log(std), abs=0.5 * float(schedule.edges.log().diff()[0]))
    assert f"around the data's scale, sigma {std:.2g}" in schedule.status()
    assert "warming up" in schedule.status()


def test_a_scale_is_forgotten_for_what_is_learned() -> None:
    """First a network that knows nothing, then the exact one."""
    schedule = InfoNoise(VarianceExploding(0.05, 20.0), refresh_every=5, warmup_steps=5, dim=16,
                         horizon=200.0)  # fmt: skip
    feed_errors(schedule, lambda u: torch.full_like(u, 4.0), steps=10)
    assert "scale" in schedule.status()
    feed(schedule, BinarySource(16), 60)
    assert "adapting" in schedule.status()
    assert "held" not in schedule.status()


def test_errors_of_the_input_itself_hold_and_name_the_reason() -> None:
    schedule = InfoNoise(VarianceExploding(0.05, 20.0), refresh_every=5, warmup_steps=5, dim=4)
    before = schedule.density(schedule.edges)
    feed_errors(schedule, lambda u: 4 * u.square())
    assert "returns its input; if it does not, the data are wider than sigma_max" in (
        schedule.status()
    )
    assert torch.equal(schedule.density(schedule.edges), before)


def test_state_goes_on_bit_for_bit() -> None:
    def make() -> InfoNoise:
        return InfoNoise(VarianceExploding(0.05, 20.0), refresh_every=7, warmup_steps=10, dim=4)

    whole, first, second = make(), make(), make()
    feed(whole, BinarySource(4), 24, seed=3)
    feed(first, BinarySource(4), 24, seed=3)
    # Mid-window: the increments since the last refresh are part of the state.
    second.load_state_dict(first.state_dict())
    feed(whole, BinarySource(4), 30, seed=4)
    feed(second, BinarySource(4), 30, seed=4)
    assert second.status() == whole.status()
    assert torch.equal(second.density(second.edges), whole.density(whole.edges))
    assert torch.equal(second.profile().rate, whole.profile().rate)
    rng = [torch.Generator().manual_seed(9) for _ in range(2)]
    assert torch.equal(second.sample(50, generator=rng[0]), whole.sample(50, generator=rng[1]))
    with pytest.raises(InputError, match="32 bins"):
        InfoNoise(VarianceExploding(0.05, 20.0), bins=32).load_state_dict(whole.state_dict())
    with pytest.raises(InputError, match="version None"):
        make().load_state_dict({})


def test_groups_add_up_and_find_their_own_scale() -> None:
    channel = VarianceExploding(0.02, 50.0)
    schedule = InfoNoise(
        channel, groups=("small", "large"), refresh_every=10, warmup_steps=10, dim=16, floor=0.2
    )
    small, large = BinarySource(8, -0.3, 0.3), BinarySource(8, -3.0, 3.0)
    rng = torch.Generator().manual_seed(0)
    for _ in range(100):
        u = schedule.sample(500, generator=rng)
        parts = []
        for source in (small, large):
            x0 = source.sample(500, rng)
            x = x0 + u[:, None] * torch.randn(x0.shape, generator=rng)
            parts.append((source.denoise(x, u) - x0).square().sum(1))
        schedule.observe(u, torch.stack(parts, 1))
        schedule.step()
    profile = schedule.profile()
    total = profile.groups["small"] + profile.groups["large"]
    torch.testing.assert_close(total, profile.rate)
    for name, source in (("small", small), ("large", large)):
        nats = float((profile.groups[name] * profile.width).sum())
        assert nats == pytest.approx(source.dim * math.log(2), rel=0.03)
    with pytest.raises(InputError, match=r"\(n, 2\), one column per group"):
        schedule.observe(schedule.sample(10), torch.ones(10))


@pytest.mark.parametrize("noise_at", [0.0, 1.0])
def test_flow_time_and_velocity_errors_give_the_same_profile(noise_at: float) -> None:
    source = BinarySource(16)
    flow = InfoNoise(RectifiedFlow(noise_at, 0.05, 20.0), refresh_every=10, warmup_steps=10, dim=16)
    rng = torch.Generator().manual_seed(0)
    for _ in range(60):
        t = flow.sample(500, generator=rng)
        x0, eps = source.sample(500, rng), torch.randn(500, 16, generator=rng)
        x_t = flow.channel.corrupt(x0, t, eps)
        sigma = flow.channel.sigma(t)
        denoised = source.denoise(x_t / flow.channel.signal(t)[:, None], sigma)
        # The velocity that belongs to this x0-prediction, and its error.
        implied_eps = (x_t - flow.channel.signal(t)[:, None] * denoised) / flow.channel.noise(t)[
            :, None
        ]
        sign = 1 if noise_at == 1.0 else -1
        error = (sign * (implied_eps - denoised) - sign * (eps - x0)).square().sum(1)
        flow.observe(t, flow.channel.x0_squared_error(t, error, "velocity"))
        flow.step()
    truth = exact_profile(source, 0.05, 20.0)
    assert flow.profile().entropy() == pytest.approx(truth.entropy(), rel=0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"floor": 1.5}, "floor 1.5"),
        ({"power": 0.0}, "power 0"),
        ({"refresh_every": 0}, "refresh_every 0"),
        ({"bins": 1}, "bins 1"),
        ({"horizon": 0.0}, "horizon 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        InfoNoise(VarianceExploding(), **arguments)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"sigma_min 80 and sigma_max 0\.002"):
        VarianceExploding(80.0, 0.002)


def test_draws_of_log_uniform_and_fixed_gate_stay_in_the_span() -> None:
    channel = VarianceExploding(0.5, 0.6)
    schedule = InfoNoise(channel, LogUniform(channel), gate=fixed_gate(0.55))
    sigma = schedule.sample(1000)
    assert float(sigma.min()) >= 0.5
    assert float(sigma.max()) <= 0.6
