"""Channels: maps and inverses, scales of signal and noise, and errors of every prediction type."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel, Prediction, RectifiedFlow, VarianceExploding
from infonoise_core.processes.discrete import DiscreteDDPM
from infonoise_core.processes.variance_preserving import (
    CosineCurve,
    LinearBetaCurve,
    VariancePreserving,
)
from infonoise_core.schedules.adaptive import AdaptiveLoss
from infonoise_core.schedules.fixed import LogUniform, UniformTime
from infonoise_core.schedules.infonoise import InfoNoise

HALF_ULP = 2.0**-24


def _table(betas: Tensor) -> Tensor:
    return torch.cumprod(1 - betas.to(torch.float64), 0)


LINEAR = _table(torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
SCALED = _table(torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square())
ANGLE = (torch.arange(1001, dtype=torch.float64) / 1000 + 0.008) / 1.008 * math.pi / 2
CLIPPED = _table((1 - (ANGLE.cos() ** 2)[1:] / (ANGLE.cos() ** 2)[:-1]).clamp_max(0.999))
ZERO_TERMINAL = torch.cat([LINEAR[:-1], torch.zeros(1, dtype=torch.float64)])
TABLES = {
    "linear": LINEAR,
    "scaled-linear": SCALED,
    "cosine": CLIPPED,
    "zero-terminal": ZERO_TERMINAL,
    "float32": LINEAR.float(),
    "three": torch.tensor([0.9, 0.5, 0.01]),
}
CONTINUOUS = {
    "ve": VarianceExploding(),
    "flow-noise-at-1": RectifiedFlow(1.0),
    "flow-noise-at-0": RectifiedFlow(0.0),
    "vp-cosine": VariancePreserving(),
    "vp-cosine-0": VariancePreserving(CosineCurve(0.0)),
    "vp-linear": VariancePreserving(LinearBetaCurve()),
    "vp-constant-beta": VariancePreserving(LinearBetaCurve(5.0, 5.0)),
}
CHANNELS = CONTINUOUS | {f"ddpm-{name}": DiscreteDDPM(table) for name, table in TABLES.items()}

continuous = pytest.mark.parametrize("channel", CONTINUOUS.values(), ids=CONTINUOUS)
discrete = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
everywhere = pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)
shares = st.floats(0, 1)


def _sigma(channel: Channel, share: float) -> Tensor:
    low, high = math.log(channel.sigma_min), math.log(channel.sigma_max)
    return torch.tensor([low + share * (high - low)], dtype=torch.float64).exp()


@continuous
@given(share=shares)
def test_coordinate_is_inverse_of_sigma(channel: Channel, share: float) -> None:
    sigma = _sigma(channel, share)
    back = channel.sigma(channel.coordinate(sigma))
    # 1e-12: float64's rounding of t near 1, which a sigma of 1e3 magnifies a thousandfold.
    torch.testing.assert_close(back, sigma, rtol=1e-12, atol=0)


@continuous
@given(share=shares)
def test_float32_levels_lose_no_more_than_their_own_rounding(
    channel: Channel, share: float
) -> None:
    x = _sigma(channel, share).log().requires_grad_()
    time = channel.time(x.exp())
    (slope,) = torch.autograd.grad(time.sum(), x)
    u = channel.levels(x.detach().exp())
    assert u.dtype == torch.float32
    error = (channel.sigma(u).double().log() - x.detach()).abs()
    # Half an ulp of u, carried over to log sigma, and eight roundings on the way back.
    assert error <= HALF_ULP * (float(time.detach() / slope.abs()) + 16)


@everywhere
@settings(max_examples=30)
@given(first=shares, second=shares)
def test_time_is_monotone_and_has_an_inverse(channel: Channel, first: float, second: float) -> None:
    low, high = _sigma(channel, min(first, second)), _sigma(channel, max(first, second))
    rising = channel.time(_sigma(channel, 1.0)) > channel.time(_sigma(channel, 0.0))
    difference = channel.time(high) - channel.time(low)
    assert difference * (1 if rising else -1) >= 0
    torch.testing.assert_close(channel.sigma_at(channel.time(low)), low, rtol=1e-9, atol=0)


@everywhere
def test_signal_and_noise_have_the_ratio_sigma(channel: Channel) -> None:
    sigma = torch.logspace(
        math.log10(channel.sigma_min), math.log10(channel.sigma_max), 101, dtype=torch.float64
    )
    u = channel.levels(sigma)
    a, b = channel.signal(u), channel.noise(u)
    torch.testing.assert_close(b / a, channel.sigma(u), rtol=4e-7, atol=0)
    torch.testing.assert_close(
        channel.log_snr(u), -2 * channel.sigma(u).log(), rtol=1e-6, atol=1e-6
    )
    if isinstance(channel, RectifiedFlow):
        torch.testing.assert_close(a + b, torch.ones_like(a))
    elif not isinstance(channel, VarianceExploding):
        torch.testing.assert_close(a.square() + b.square(), torch.ones_like(a))


@pytest.mark.parametrize("curve", [CosineCurve(), CosineCurve(0.0), LinearBetaCurve()])
def test_ends_of_a_curve_are_usable(curve: CosineCurve | LinearBetaCurve) -> None:
    channel, ends = VariancePreserving(curve), torch.tensor([0.0, 1.0])
    assert channel.signal(ends).isfinite().all()
    assert channel.signal(ends)[0] == 1
    assert channel.noise(ends)[0] == 0
    # exp(-B/2) of signal is left at the end of the linear curve, none of the cosine's.
    assert channel.noise(ends)[1] == pytest.approx(1, abs=1e-4)
    if isinstance(curve, CosineCurve):
        torch.testing.assert_close(
            channel.coordinate(torch.tensor([0.0, math.inf])), ends, rtol=0, atol=1e-6
        )


def test_cosine_curve_is_the_published_one() -> None:
    t = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    angle = (t + 0.008) / 1.008 * math.pi / 2
    alpha_bar = angle.cos() ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    channel = VariancePreserving(CosineCurve(0.008))
    torch.testing.assert_close(channel.signal(t) ** 2, alpha_bar, rtol=1e-12, atol=1e-15)


def test_linear_curve_is_the_limit_of_the_ddpm_table() -> None:
    steps = 100_000
    betas = torch.linspace(0.1, 20.0, steps, dtype=torch.float64) / steps
    t = (torch.arange(steps) + 0.5).double() / steps
    signal = VariancePreserving(LinearBetaCurve()).signal(t)
    # log(1 - beta) = -beta - beta^2/2: the table falls short by sum beta^2 / 2 <= 200 / steps, and
    # its steps reach half a step beyond t, 20 / steps / 2.
    exact = _table(betas).log() / 2
    assert (signal.log() - exact).abs().max() < 0.5 * (200 + 10 + 10) / steps


def test_direction_of_flow_time() -> None:
    x0, eps, t = torch.ones(2, 3), torch.zeros(2, 3), torch.tensor([0.25, 0.75])
    forward = RectifiedFlow(1.0).corrupt(x0, t, eps)
    backward = RectifiedFlow(0.0).corrupt(x0, t, eps)
    torch.testing.assert_close(forward[:, 0], 1 - t)
    torch.testing.assert_close(backward[:, 0], t)


# Discrete steps


@discrete
def test_every_step_is_its_own_nearest(table: Tensor) -> None:
    channel = DiscreteDDPM(table)
    steps = torch.arange(len(table))
    coordinate = channel.coordinate(channel.sigma(steps))
    assert coordinate.dtype == torch.int64
    assert torch.equal(coordinate, steps)
    torch.testing.assert_close(channel.signal(steps), table.double().sqrt().float())
    torch.testing.assert_close(channel.noise(steps), (1 - table.double()).sqrt().float())


@discrete
@given(share=shares)
def test_coordinate_is_the_nearest_level_in_log_sigma(table: Tensor, share: float) -> None:
    channel = DiscreteDDPM(table)
    sigma = _sigma(channel, share)
    exact = ((1 - table.double()) / table.double()).sqrt()
    distance = (exact.log() - sigma.log()).abs()
    # Two levels may be equally near up to rounding.
    assert distance[channel.coordinate(sigma)] <= distance.min() + 1e-12


@discrete
@given(bins=st.integers(1, 300))
def test_every_bin_of_a_discrete_channel_holds_its_own_levels(table: Tensor, bins: int) -> None:
    channel = DiscreteDDPM(table)
    edges = channel.edges(bins)
    assert len(edges) - 1 <= bins
    assert (edges[0], edges[-1]) == (channel.sigma_min, channel.sigma_max)
    log_edges = edges.log()
    assert (log_edges.diff() > 0).all()
    # Whatever is drawn inside a bin comes back, as a level, in the same bin.
    inside = torch.linspace(0.001, 0.999, 37, dtype=torch.float64)[:, None]
    drawn = torch.lerp(log_edges[:-1], log_edges[1:], inside).exp()
    level = channel.sigma(channel.levels(drawn)).double().log()
    found = torch.bucketize(level, log_edges[1:-1], right=True)
    assert torch.equal(found, torch.arange(len(edges) - 1).expand_as(found))


def test_a_narrower_span_keeps_the_steps_inside() -> None:
    channel = DiscreteDDPM(LINEAR, sigma_min=0.1, sigma_max=10.0)
    u = UniformTime(channel).sample(20_000, generator=torch.Generator().manual_seed(0))
    first, last = channel.coordinate(torch.tensor([0.1, 10.0])).tolist()
    assert (int(u.min()), int(u.max())) == (first, last)
    counts = torch.bincount(u, minlength=1000)[first : last + 1]
    # Stratified draws: a step that holds a share p of n draws gets n p, give or take one at
    # either end.
    assert (counts - 20_000 / len(counts)).abs().max() <= 2


@pytest.mark.parametrize("law", [LogUniform, UniformTime, InfoNoise, AdaptiveLoss])
def test_schedules_draw_integer_steps(law: type) -> None:
    channel = DiscreteDDPM(ZERO_TERMINAL)
    u = law(channel).sample(512, generator=torch.Generator().manual_seed(0))
    assert u.dtype == torch.int64
    # The step without signal is never drawn.
    assert u.min() >= 0
    assert u.max() <= 998
    assert law(VarianceExploding()).sample(4).dtype == torch.float32


def test_zero_terminal_snr_poisons_nothing() -> None:
    channel = DiscreteDDPM(ZERO_TERMINAL)
    last = torch.tensor([999])
    assert channel.sigma(last).isinf()
    x = channel.corrupt(torch.ones(1, 3), last, torch.full((1, 3), 2.0))
    torch.testing.assert_close(x, torch.full((1, 3), 2.0))
    schedule, without = (
        InfoNoise(channel, warmup_steps=0, refresh_every=1, min_count=1) for _ in range(2)
    )
    u = torch.arange(999).repeat(4)
    error = channel.sigma(u).square() / (1 + channel.sigma(u).square())
    without.observe(u, error)
    schedule.observe(torch.cat([u, last]), torch.cat([error, torch.ones(1)]))
    schedule.step()
    without.step()
    assert "adapting" in schedule.status()
    assert torch.equal(schedule.profile().rate, without.profile().rate)
    assert torch.equal(schedule.profile().count, without.profile().count)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([0.9], "at least 2"),
        ([[0.9, 0.5]], "one value per step"),
        ([0.5, 0.9], "does not fall from step 0"),
        ([0.9, 0.5, 0.5], "does not fall from step 1"),
        ([0.9, math.nan, 0.5], "does not fall from step 0"),
        ([1.0, 0.5], "below 1"),
        ([0.9, -0.1], "at least 0"),
        ([0.5, 0.0], "one step with signal"),
    ],
)
def test_tables_that_are_none_are_refused(table: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DiscreteDDPM(torch.tensor(table, dtype=torch.float64))


def test_spans_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="do not span a range"):
        VarianceExploding(1.0, 1.0)
    with pytest.raises(InputError, match="no end of the flow"):
        RectifiedFlow(0.5)
    with pytest.raises(InputError, match="float32"):
        RectifiedFlow(1.0, sigma_max=1e7)
    with pytest.raises(InputError, match="float32"):
        RectifiedFlow(0.0, sigma_min=1e-7)
    with pytest.raises(InputError, match="ends at sigma 152"):
        VariancePreserving(LinearBetaCurve(), sigma_max=200.0)
    with pytest.raises(InputError, match="offset"):
        CosineCurve(-0.1)
    with pytest.raises(InputError, match="beta_min"):
        LinearBetaCurve(2.0, 1.0)


# Errors of other predictions

# The prediction as a combination of (x0, eps), given a and b.
ROWS = {
    "x0": lambda a, b: (1.0, 0.0),
    "epsilon": lambda a, b: (0.0, 1.0),
    "v": lambda a, b: (-b, a),
    "velocity": lambda a, b: (-1.0, 1.0),
    "score": lambda a, b: (0.0, -1 / b),
}


@everywhere
@pytest.mark.parametrize("prediction", ROWS)
@settings(max_examples=15)
@given(share=shares, seed=st.integers(0, 2**31))
def test_x0_error_by_solving_for_x0(
    channel: Channel, prediction: Prediction, share: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x0, eps, delta = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    u = channel.coordinate(_sigma(channel, share))
    a, b = float(channel.signal(u)), float(channel.noise(u))
    row = ROWS[prediction](a, b)
    # A perturbed prediction, taken at its word together with x = a x0 + b eps.
    predicted = row[0] * x0 + row[1] * eps + delta
    system = torch.tensor([[a, b], row], dtype=torch.float64)
    solved = torch.linalg.solve(system, torch.stack([a * x0 + b * eps, predicted]))[0]
    expected = (solved - x0).square().sum()
    squared = delta.square().sum()[None]
    got = channel.x0_squared_error(u, squared, prediction)
    # The solution's cancellation: rounding of x, at most a few eps, times b/a or less, against a
    # factor of the same size. Discrete tables are float32.
    rtol = 1e-5 if u.dtype == torch.int64 else 1e-8
    floor = (2.0**-48 * (abs(a) + abs(b)) / a) ** 2 * float((x0**2 + eps**2).sum())
    torch.testing.assert_close(got[0].double(), expected, rtol=rtol, atol=100 * floor)


@everywhere
@settings(max_examples=25)
@given(share=shares, sigma_data=st.floats(0.05, 20))
def test_x0_error_of_edm_output(channel: Channel, share: float, sigma_data: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x0, eps, delta = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    u = channel.coordinate(_sigma(channel, share))
    a, b = channel.signal(u).double(), channel.noise(u).double()
    sigma = b / a
    # Karras et al. 2022, table 1, on x / a = x0 + sigma eps.
    c_skip = sigma_data**2 / (sigma**2 + sigma_data**2)
    c_out = sigma * sigma_data / (sigma**2 + sigma_data**2).sqrt()
    x = (a * x0 + b * eps) / a
    target = (x0 - c_skip * x) / c_out
    error = (c_skip * x + c_out * (target + delta) - x0).square().sum()
    got = channel.x0_squared_error(u, delta.square().sum()[None], "F", sigma_data=sigma_data)
    # Rounding of x, relative to the error c_out delta: up to sigma / c_out = 1e3 / 0.05 ulps.
    torch.testing.assert_close(got[0].double(), error, rtol=1e-5, atol=0)


def test_unknown_predictions_are_refused() -> None:
    channel, one = VarianceExploding(), torch.ones(1)
    with pytest.raises(InputError, match="logits"):
        channel.x0_squared_error(one, one, "logits")
    with pytest.raises(InputError, match="sigma_data"):
        channel.x0_squared_error(one, one, "F")
