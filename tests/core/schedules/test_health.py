"""Misused reports are said, honest ones are not: closed forms of what trainers get wrong."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core import (
    DiscreteDDPM,
    InfoNoise,
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    edm_weight,
    min_snr_weight,
    prediction_weight,
)
from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.processes.channel import Channel

DIM = 64
VE, FLOW = VarianceExploding(0.01, 100.0), RectifiedFlow()
DDPM = DiscreteDDPM((1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0))
Source = BinarySource | GaussianSource
SOURCES: dict[str, Source] = {
    "bits": BinarySource(DIM),
    "wide Gaussian": GaussianSource(DIM, 2.0),
    "narrow Gaussian": GaussianSource(DIM, 0.2),
    "half of the dimensions": GaussianSource(DIM, rank=DIM // 2),
}
# What a loop reports of a level u, sigma there, and an exact denoiser's squared x0-error.
Report = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
everywhere = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def train(
    channel: Channel, source: Source, report: Report, steps: int = 60, **options: object
) -> InfoNoise:
    schedule = InfoNoise(channel, dim=DIM, refresh_every=20, warmup_steps=40, **options)  # type: ignore[arg-type]
    rng = torch.Generator().manual_seed(0)
    for _ in range(steps):
        u = schedule.sample(128, generator=rng)
        sigma = channel.sigma(u).double()
        x0 = source.sample(128, rng).double()
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng).double()
        schedule.observe(*report(u, sigma, (source.denoise(x, sigma) - x0).square().sum(1)))
        schedule.step()
    return schedule


@everywhere
@pytest.mark.parametrize(
    "channel", [VE, FLOW, RectifiedFlow(0.0), DDPM, VariancePreserving()], ids=repr
)
def test_honest_reports_pass_without_a_word(channel: Channel, source: Source) -> None:
    """A warning would fail this."""
    status = train(channel, source, lambda u, sigma, error: (u, error)).status()
    assert ";" not in status.replace("; held", "")


@everywhere
@pytest.mark.parametrize(
    ("channel", "report"),
    [
        (VE, lambda u, sigma, error: (u, error / sigma**2)),
        (DDPM, lambda u, sigma, error: (u, error / sigma**2)),
        (VE, lambda u, sigma, error: (u, error / sigma**4)),
        (VE, lambda u, sigma, error: (u, min_snr_weight()(sigma) * error)),
        (FLOW, lambda u, sigma, error: (u, prediction_weight(FLOW, "epsilon")(sigma) * error)),
    ],
    ids=["noise error", "noise error of DDPM", "score error", "min-SNR", "weighted to noise"],
)
def test_errors_that_fall_with_noise_are_impossible(
    channel: Channel, source: Source, report: Report
) -> None:
    with pytest.warns(UserWarning, match="InfoNoise: impossible: reported errors fall with noise"):
        schedule = train(channel, source, report)
    assert schedule.status().count("impossible") == 1
    assert (
        "of another prediction (epsilon, velocity), weighted, masked, or time" in schedule.status()
    )


def train_flow(told: RectifiedFlow, true: RectifiedFlow, source: Source) -> InfoNoise:
    """The exact velocities of one flow, reported to the channel of another."""
    schedule = InfoNoise(told, prediction="velocity", refresh_every=20, warmup_steps=40)
    rng = torch.Generator().manual_seed(0)
    for _ in range(60):
        t = schedule.sample(128, generator=rng)
        x0 = source.sample(128, rng).double()
        eps = torch.randn(x0.shape, generator=rng).double()
        a, b = true.signal(t).double()[:, None], true.noise(t).double()[:, None]
        x = a * x0 + b * eps
        clean = source.denoise(x / a, (b / a)[:, 0])
        schedule.observe(t, (x - a * clean) / b - clean - (eps - x0))
        schedule.step()
    return schedule


@pytest.mark.parametrize("noise_at", [0.0, 1.0])
def test_the_direction_of_a_flow_is_named(noise_at: float) -> None:
    """Noise at the other end than the channel says."""
    told, true = RectifiedFlow(noise_at), RectifiedFlow(1 - noise_at)
    with pytest.warns(UserWarning, match="fall with noise"):
        status = train_flow(told, true, SOURCES["bits"]).status()
    assert f"time runs the other way (this channel has noise at t = {noise_at:g})" in status


def test_gaussian_data_read_backwards_keep_the_shape_of_gaussian_data() -> None:
    """What no check can find: data and noise change places, and no law is broken.

    The error s^2 sigma^2 / (s^2 + sigma^2), told as that of the other end, is s^2 times that of a
    Gaussian of spread 1 / s.
    """
    schedule = train_flow(FLOW, RectifiedFlow(0.0), GaussianSource(DIM, 0.2))
    assert "impossible" not in schedule.status()
    expected = 0.2**2 * exact_profile(GaussianSource(DIM, 5.0), 1e-3, 1e3).entropy()
    assert schedule.profile().entropy() == pytest.approx(expected, rel=0.02)


@everywhere
def test_a_mean_over_dimensions_is_suspected(source: Source) -> None:
    status = train(VE, source, lambda u, sigma, error: (u, error / DIM)).status()
    assert "below dim/20" in status
    assert "averaged over dimensions: sum them" in status
    # A prior knows better than the dimensions what the data may come to.
    one = BinarySource(1)
    prior = exact_profile(one, 0.01, 100.0)
    few = GaussianSource(DIM, rank=2)
    status = train(VE, few, lambda u, sigma, error: (u, error), prior=prior).status()
    assert "averaged" not in status


def test_more_than_bits_hold_is_doubted() -> None:
    """EDM's weight breaks no law on bits, but makes more nats of them than there can be."""
    status = train(
        VE, SOURCES["bits"], lambda u, sigma, error: (u, edm_weight()(sigma) * error)
    ).status()
    assert f"nats are more than 64 numbers of two values hold ({64 * math.log(2):.4g})" in status
    status = train(
        VE, SOURCES["wide Gaussian"], lambda u, sigma, error: (u, edm_weight()(sigma) * error)
    ).status()
    assert "errors exceed twice dim * sigma^2 at most levels" in status


@pytest.mark.parametrize(
    ("channel", "report", "words"),
    [
        (VE, lambda u, s, e: (u, torch.full_like(e, 7e4).half()), "1280 were not finite"),
        (VE, lambda u, s, e: (u, e * math.nan), "1280 were not finite and left out"),
        (VE, lambda u, s, e: (u, -e), "1280 were negative and left out (report squares"),
        (FLOW, lambda u, s, e: (1000 * u, e), "span and left out"),
        (FLOW, lambda u, s, e: (1000 * u, e), "divide steps of 0..1000"),
        (VariancePreserving(), lambda u, s, e: (1000 * u, e), "1280 were outside the channel"),
        (VE, lambda u, s, e: (u.log() / 4, e), "were outside the channel's span"),
        (DDPM, lambda u, s, e: (u / 1000, e), "whole steps from 0 to 999"),
        (DDPM, lambda u, s, e: (u + 1000, e), "1280 were outside"),
        (DDPM, lambda u, s, e: (u - 1000, e), "1280 were outside"),
    ],
)
def test_what_is_left_out_is_counted(channel: Channel, report: Report, words: str) -> None:
    with pytest.warns(UserWarning, match="left out") as caught:
        schedule = _ten_steps(channel, report)
    assert len(caught) == 1
    assert words in schedule.status()
    assert "of 1280 reports" in schedule.status()


def _ten_steps(channel: Channel, report: Report) -> InfoNoise:
    schedule = InfoNoise(channel, refresh_every=2)
    for _ in range(10):
        u = schedule.sample(128)
        schedule.observe(*report(u, channel.sigma(u), torch.rand(128)))
        schedule.step()
    return schedule


def test_a_few_wrong_reports_among_good_ones_change_nothing_but_the_count() -> None:
    clean, dirty = (InfoNoise(VE, refresh_every=2, warmup_steps=2, min_count=1) for _ in range(2))
    rng = torch.Generator().manual_seed(0)
    u, error = clean.sample(64, generator=rng), torch.rand(64, generator=rng)
    for schedule in (clean, dirty):
        schedule.observe(u, error)
        schedule.step()
    clean.step()
    dirty.observe(torch.tensor([1.0, 2.0]), torch.tensor([math.inf, -1.0]))
    with pytest.warns(UserWarning, match="of 66 reports 1 were not finite, 1 were negative"):
        dirty.step()
    assert torch.equal(clean.density(clean.edges), dirty.density(dirty.edges))
    # Before the next refresh, too.
    dirty.observe(torch.tensor([500.0]), torch.tensor([1.0]))
    assert "1 were outside" in dirty.status()


def test_a_network_that_learns_is_no_fall() -> None:
    """Large errors everywhere at first; then exact ones, drawn where little is left of the old."""
    source, schedule = SOURCES["bits"], InfoNoise(VE, dim=DIM, refresh_every=5, warmup_steps=20)
    rng = torch.Generator().manual_seed(0)
    for step in range(150):
        u = schedule.sample(128, generator=rng)
        x0 = source.sample(128, rng).double()
        x = x0 + u.double()[:, None] * torch.randn(x0.shape, generator=rng).double()
        error = (source.denoise(x, u.double()) - x0).square().sum(1)
        schedule.observe(u, error + 2 * DIM * math.exp(-step / 10))
        schedule.step()
    assert "impossible" not in schedule.status()


def test_counts_go_on_in_a_resumed_run() -> None:
    with pytest.warns(UserWarning, match="not finite"):
        schedule = _ten_steps(VE, lambda u, s, e: (u, e * math.nan))
    again = InfoNoise(VE, refresh_every=2)
    again.load_state_dict(schedule.state_dict())
    assert "of 1280 reports 1280 were not finite" in again.status()
    state = schedule.state_dict()
    del state["health"]  # of the first releases
    again = InfoNoise(VE)
    again.load_state_dict(state)
    assert "reports" not in again.status()


def test_counting_waits_for_no_device() -> None:
    for channel in (VE, FLOW, DDPM, VariancePreserving()):
        schedule = InfoNoise(channel)
        with FakeTensorMode(allow_non_fake_inputs=True):
            schedule.observe(schedule.sample(8), torch.ones(8))


def test_the_log_is_numbers_by_level_and_a_text() -> None:
    schedule = InfoNoise(VE, dim=DIM, refresh_every=20, warmup_steps=40)
    record = schedule.log(levels=4)
    even = 1 / math.log(1e4)  # of log-uniform draws, in four bands of a decade each
    assert record == {
        "status": schedule.status(),
        **{f"density/sigma {s}": pytest.approx(even) for s in ("0.032", "0.32", "3.2", "32")},
    }  # fmt: skip
    schedule = train(VE, SOURCES["bits"], lambda u, sigma, error: (u, error))
    record = schedule.log(levels=4)
    assert all(isinstance(value, float) for name, value in record.items() if name != "status")
    assert record["nats"] == pytest.approx(DIM * math.log(2), rel=0.03)
    # Beyond sigma 10 a bit is unknown: its error is its variance.
    assert record["error/sigma 32"] == pytest.approx(DIM, rel=0.02)
    assert record["error/sigma 0.032"] == pytest.approx(0, abs=1e-6)
    assert record["density/sigma 0.32"] > record["density/sigma 32"]  # type: ignore[operator]
