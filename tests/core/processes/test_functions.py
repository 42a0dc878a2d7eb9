"""A channel of any a(t), b(t): against channels that have a class, and its own formulas."""

import math
import pickle

import pytest
import torch
from torch import Tensor

from infonoise_core import FunctionChannel, InfoNoise, InputError, RectifiedFlow, VariancePreserving
from infonoise_core.analytic.exact import BinarySource
from infonoise_core.processes.channel import Channel

STD = 0.1


def time(t: Tensor) -> Tensor:
    return t


def rest(t: Tensor) -> Tensor:
    return 1 - t


def with_least_noise(t: Tensor) -> Tensor:
    return ((1 - t).square() + STD**2).sqrt()


def cosine(t: Tensor) -> Tensor:
    return torch.cos(math.pi / 2 * t)


def sine(t: Tensor) -> Tensor:
    return torch.sin(math.pi / 2 * t)


def cubed(t: Tensor) -> Tensor:
    return t**3


def all_but_cubed(t: Tensor) -> Tensor:
    return 1 - t**3


CHANNELS = {
    "flow, noise at 1": FunctionChannel(rest, time),
    "flow, noise at 0": FunctionChannel(time, rest),
    "least noise": FunctionChannel(time, with_least_noise),
    "cosine": FunctionChannel(cosine, sine),
    "convex": FunctionChannel(cubed, all_but_cubed),
    "sigma itself": FunctionChannel(torch.ones_like, time, 0.0, 80.0),
    "steps of 1000": FunctionChannel(lambda t: 1 - t / 1000, lambda t: t / 1000, 0.0, 1000.0),
}
everywhere = pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)


@everywhere
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_levels_come_back(channel: FunctionChannel, dtype: torch.dtype) -> None:
    sigma = channel.edges(200).to(dtype)
    again = channel.sigma(channel.coordinate(sigma))
    # A time's rounding is that of sigma near 0, and 1 / (1 - t) times as much near 1.
    rounding = 4 * torch.finfo(dtype).eps * (1 + 1 / sigma + sigma)
    assert (((again - sigma) / sigma).abs() <= rounding.clamp_min(1e-10)).all()
    assert channel.coordinate(sigma).dtype == dtype


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("flow, noise at 1", RectifiedFlow(1.0)),
        ("flow, noise at 0", RectifiedFlow(0.0)),
        ("steps of 1000", RectifiedFlow(1.0)),
    ],
)
def test_a_flow_by_functions_is_the_flow(name: str, known: Channel) -> None:
    channel = CHANNELS[name]
    assert channel.sigma_min == pytest.approx(1 / 999)
    assert channel.sigma_max == pytest.approx(999)
    scale = 1000 if "1000" in name else 1
    sigma = torch.logspace(-2, 2, 50, dtype=torch.float64)
    torch.testing.assert_close(channel.coordinate(sigma) / scale, known.coordinate(sigma))
    t, error = known.coordinate(sigma), torch.rand(50, dtype=torch.float64)
    expected = known.x0_squared_error(t, error, "velocity")
    # The velocity of a slower clock is as much smaller.
    found = channel.x0_squared_error(scale * t, error / scale**2, "velocity")
    torch.testing.assert_close(found, expected)


@everywhere
def test_a_velocity_solved_for_x0(channel: FunctionChannel) -> None:
    """Another x0 in a' x0 + b' eps, at the same x_t = a x0 + b eps."""
    t = channel.coordinate(channel.edges(20))
    a, b = channel.signal(t), channel.noise(t)
    step = 1e-6 * (channel.end - channel.start)
    low, high = (t - step).clamp_min(channel.start), (t + step).clamp_max(channel.end)
    da = (channel.signal(high) - channel.signal(low)) / (high - low)
    db = (channel.noise(high) - channel.noise(low)) / (high - low)
    delta = torch.randn(21, dtype=torch.float64)  # of x0; eps moves by - a / b of it
    velocity = da * delta + db * (-a / b * delta)
    found = channel.x0_squared_error(t, velocity.square(), "velocity")
    torch.testing.assert_close(found, delta.square(), rtol=1e-4, atol=1e-9)


def test_the_least_noise_of_a_flow_is_its_floor() -> None:
    """torchcfm's sigma: at the clean end sigma = 0.1 is left (Tong et al. 2024)."""
    channel = CHANNELS["least noise"]
    assert channel.sigma_min == pytest.approx(STD, rel=1e-2)
    assert channel.sigma(torch.tensor(1.0)) == pytest.approx(STD)


@pytest.mark.parametrize("name", ["least noise", "cosine", "convex"])
def test_entropy_through_it_is_that_of_bits(name: str) -> None:
    channel, source = CHANNELS[name], BinarySource(16)
    exact = name != "least noise"
    schedule = InfoNoise(
        channel, prediction="velocity" if exact else "x0", refresh_every=10, warmup_steps=10
    )
    rng = torch.Generator().manual_seed(0)
    for _ in range(30):
        t = schedule.sample(500, generator=rng)
        x0 = source.sample(500, rng).double()
        a, b = channel.signal(t).double()[:, None], channel.noise(t).double()[:, None]
        x = channel.corrupt(x0, t, torch.randn(500, 16, generator=rng).double())
        clean = source.denoise(x / a, (b / a)[:, 0])
        # a' x0 + b' eps with eps = (x - a x0) / b: in x0 it has the slope 1 / velocity_factor.
        factor = channel.velocity_factor(t).double()[:, None] if exact else 1.0
        schedule.observe(t, (clean - x0) / factor)
        schedule.step()
    # At sigma 0.1 nothing of a bit of -1 or 1 is lost yet.
    assert schedule.profile().entropy() == pytest.approx(16 * math.log(2), rel=0.03)


def test_it_is_a_value() -> None:
    channel = FunctionChannel(cosine, sine)
    assert channel == FunctionChannel(cosine, sine)
    assert channel != FunctionChannel(rest, time)
    assert pickle.loads(pickle.dumps(channel)) == channel
    schedule = InfoNoise(channel)
    state = schedule.state_dict()
    InfoNoise(FunctionChannel(cosine, sine)).load_state_dict(state)
    near = VariancePreserving(sigma_min=channel.sigma_min, sigma_max=channel.sigma_max)
    with pytest.raises(InputError, match="resume with the same"):
        InfoNoise(near).load_state_dict(state)


def test_functions_that_make_no_channel_are_refused() -> None:
    with pytest.raises(InputError, match="neither rises nor falls"):
        FunctionChannel(torch.ones_like, sine, 0.0, 2.0)
    with pytest.raises(InputError, match="neither rises nor falls"):
        FunctionChannel(torch.ones_like, torch.zeros_like)
    with pytest.raises(InputError, match="give start < end"):
        FunctionChannel(rest, time, 1.0, 0.0)
    with pytest.raises(InputError, match="run from"):
        FunctionChannel(time, with_least_noise, sigma_min=0.01)


def test_times_outside_are_counted() -> None:
    channel = CHANNELS["cosine"]
    assert channel.reported_sigma(torch.tensor([-0.1, 1.1, 4.5])).isnan().all()
    assert channel.reported_sigma(torch.tensor([0.5])).isfinite().all()
