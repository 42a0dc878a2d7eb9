"""The profile of a run is measured whatever draws its levels: closed forms, state, one source."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core import (
    Cosine,
    Denoiser,
    InfoNoise,
    InputError,
    Laplace,
    LogitNormal,
    LogNormal,
    LogUniform,
    RectifiedFlow,
    UniformTime,
    VarianceExploding,
    VariancePreserving,
)
from infonoise_core.analytic.exact import BinarySource, GaussianSource, profile_on
from infonoise_core.folders.names import PROFILE_FILE
from infonoise_core.processes.weighting import unit_weight
from infonoise_core.schedules.adaptive import AdaptiveLoss
from infonoise_core.schedules.fixed import Schedule
from infonoise_core.schedules.frozen import FrozenProfile
from infonoise_core.schedules.registry import ScheduleContext, make_schedule
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.loop import train
from infonoise_core.training.meter import Meter, Part
from infonoise_core.training.task import Batch, Losses, PartLosses

from ..two_points import TwoPoints

CHANNEL = VarianceExploding(0.02, 50.0)
DIM = 64
SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "edm": lambda: LogNormal(CHANNEL),
    "log-uniform": lambda: LogUniform(CHANNEL),
    "laplace": lambda: Laplace(CHANNEL),
    "cosine": lambda: Cosine(VariancePreserving()),
    "uniform-t": lambda: UniformTime(RectifiedFlow()),
    "logit-normal": lambda: LogitNormal(RectifiedFlow()),
    "adaptive-loss": lambda: AdaptiveLoss(CHANNEL, refresh_every=5),
}


def observe(meter: Meter, schedule: Schedule, source: Any, steps: int, first: int = 0) -> None:
    """Steps of a training loop around an exact denoiser, each with randomness of its own."""
    for step in range(first, first + steps):
        rng = torch.Generator().manual_seed(step)
        u = schedule.sample(500, generator=rng)
        sigma = schedule.channel.sigma(u).double()
        x0 = source.sample(500, rng)
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
        error = (source.denoise(x, sigma) - x0).square().sum(1)
        schedule.observe(u, error)
        meter.observe(u, error)
        schedule.step()
        meter.step(step + 1)


@pytest.mark.parametrize("source", [GaussianSource(DIM), BinarySource(DIM)], ids=["gauss", "bits"])
@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
def test_every_schedule_measures_the_closed_form(
    make: Callable[[], Schedule], source: GaussianSource | BinarySource
) -> None:
    """Wherever it draws often and information lies: within five standard errors and 4 %.

    The 4 % are 1 % of smoothing and what draws that are not log-uniform inside a bin of width w
    add, w^2 / 12 times the slopes of log rate and log density: 2 % where the rate of bits falls to
    a twentieth of its height.
    """
    schedule = make()
    meter = Meter(schedule, DIM, refresh_every=10)
    assert meter.profiles() == {}
    observe(meter, schedule, source, 100)
    found = meter.profiles()[PROFILE_FILE]
    assert float(found.count.sum()) == 100 * 500
    truth = profile_on(source, schedule.channel.edges(64))
    low, high = truth.quantile(torch.tensor([0.05, 0.95]))
    clear = (truth.sigma >= low) & (truth.sigma <= high) & (found.count >= 300)
    assert int(clear.sum()) >= 6
    error = (found.rate - truth.rate).abs()
    assert bool((error <= 5 * found.stderr + 0.04 * truth.rate)[clear].all())


def test_what_infonoise_measures_is_not_measured_again() -> None:
    schedule = InfoNoise(CHANNEL, refresh_every=10, warmup_steps=20, dim=DIM)
    meter = Meter(schedule, DIM, refresh_every=10)
    observe(meter, schedule, GaussianSource(DIM), 20)
    assert meter.state_dict()["parts"] == {}
    assert torch.equal(meter.profiles()[PROFILE_FILE].rate, schedule.profile().rate)


def test_a_profile_that_was_known_before_is_not_taken_for_a_measured_one() -> None:
    source = BinarySource(DIM)
    schedule = FrozenProfile(CHANNEL, profile_on(GaussianSource(DIM), CHANNEL.edges(64)))
    meter = Meter(schedule, DIM, refresh_every=1)
    observe(meter, schedule, source, 20)
    found = meter.profiles()[PROFILE_FILE].entropy()
    assert found == pytest.approx(profile_on(source, CHANNEL.edges(64)).entropy(), rel=0.05)


def test_the_state_goes_on_to_the_same_bits() -> None:
    """Cut between two refreshes, with increments pending."""
    whole, cut, again = (Meter(LogNormal(CHANNEL), DIM, refresh_every=10) for _ in range(3))
    source = GaussianSource(DIM)
    observe(whole, LogNormal(CHANNEL), source, 40)
    observe(cut, LogNormal(CHANNEL), source, 17)
    again.load_state_dict(cut.state_dict())
    observe(again, LogNormal(CHANNEL), source, 23, first=17)
    for name in ("rate", "stderr", "count"):
        found, expected = (getattr(m.profiles()[PROFILE_FILE], name) for m in (again, whole))
        assert torch.equal(found, expected)


def test_the_state_of_another_grid_is_refused() -> None:
    state = Meter(LogNormal(CHANNEL), DIM, 10).state_dict()
    with pytest.raises(InputError, match=r"64 bins from sigma 0\.02 to 50"):
        Meter(LogNormal(VarianceExploding(0.02, 40.0)), DIM, 10).load_state_dict(state)
    with pytest.raises(InputError, match="version 9"):
        Meter(LogNormal(CHANNEL), DIM, 10).load_state_dict({**state, "version": 9})


def test_no_waiting_for_the_device_between_refreshes() -> None:
    """Under fake tensors any read of a value raises."""
    meter = Meter(LogNormal(CHANNEL), DIM, refresh_every=10)
    with FakeTensorMode(allow_non_fake_inputs=True):
        u = torch.rand(8) + 0.1
        assert type(u).__name__ == "FakeTensor"
        meter.observe(u, torch.rand(8))
        meter.step(1)


class Two:
    """Two kinds of noise: levels and errors are (n, 2)."""

    def __init__(self) -> None:
        self.channel = CHANNEL
        self.first, self.second = LogUniform(CHANNEL), LogNormal(CHANNEL)

    def parts(self) -> tuple[Part, Part]:
        return Part("first.json", self.first, 3), Part(PROFILE_FILE, self.second, 5)


def test_each_kind_of_noise_has_a_profile_of_its_own() -> None:
    both, alone = Two(), (LogUniform(CHANNEL), LogNormal(CHANNEL))
    meter = Meter(both, 8, refresh_every=1)  # type: ignore[arg-type]
    single = [Meter(part, dim, 1) for part, dim in zip(alone, (3, 5), strict=True)]
    u = torch.stack([s.sample(256, generator=torch.Generator().manual_seed(i))
                     for i, s in enumerate(alone)], 1)  # fmt: skip
    errors = torch.stack([u[:, 0], 2 / (1 + u[:, 1])], 1) * u.square()
    meter.observe(u, errors)
    meter.step(1)
    found = meter.profiles()
    assert list(found) == ["first.json", PROFILE_FILE]
    for i, (name, other) in enumerate(zip(found, single, strict=True)):
        other.observe(u[:, i], errors[:, i])
        other.step(1)
        assert torch.equal(found[name].rate, other.profiles()[PROFILE_FILE].rate)


CONFIG = TrainConfig(steps=20, batch_size=16, save_every=10, eval_every=0, lr_warmup=2)


def test_a_run_keeps_its_profile_under_a_fixed_schedule(tmp_path: Path) -> None:
    found = train(TwoPoints(), LogNormal(CHANNEL), CONFIG, tmp_path / "run").profiles
    assert list(found) == [PROFILE_FILE]
    assert float(found[PROFILE_FILE].count.sum()) == 20 * 16
    assert (tmp_path / "run" / PROFILE_FILE).is_file()


class Plain:
    """A task without noise levels."""

    dim = 1

    def __init__(self) -> None:
        self.denoiser: nn.Module = nn.Linear(2, 1)

    def __len__(self) -> int:
        return 50

    def batch(self, index: np.ndarray) -> Batch:
        return Batch(torch.ones(len(index), 2))

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        loss = denoiser(batch.x0).square().sum(1)  # type: ignore[call-arg]
        return Losses(loss, None)


class Alternate(TwoPoints):
    """Every other example is learned at no noise level."""

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> PartLosses:
        loss, error = super().losses(denoiser, batch, sigma, eps)
        assert error is not None
        # Wherever another level were taken for one of these, the rate would be a wild one.
        rows = torch.arange(1, len(loss), 2)
        return PartLosses(loss, sigma[rows].square(), rows)


@pytest.mark.parametrize("name", ["infonoise", "log-uniform"])
def test_what_has_no_level_tells_nothing_of_levels(name: str, tmp_path: Path) -> None:
    context = ScheduleContext(CHANNEL, unit_weight(), CONFIG.steps, 1)
    schedule = make_schedule(name, context)
    (found,) = train(Alternate(), schedule, CONFIG, tmp_path / "run").profiles.values()
    assert float(found.count.sum()) == 20 * 8
    assert found.raw is not None
    torch.testing.assert_close(found.raw[found.count > 0], found.raw.new_ones(()).expand(
        int((found.count > 0).sum())), rtol=0.05, atol=0)  # fmt: skip


def test_a_task_without_noise_levels_has_none(tmp_path: Path) -> None:
    found = train(Plain(), LogUniform(CHANNEL), CONFIG, tmp_path / "run")
    assert found.profiles == {}
    assert not (tmp_path / "run" / PROFILE_FILE).exists()
