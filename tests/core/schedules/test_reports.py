"""`observe` takes an output minus its target: three lines, and the truth of closed forms."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from infonoise_core import (
    DiscreteDDPM,
    InfoNoise,
    InputError,
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    edm_weight,
    prediction_weight,
    unit_weight,
)
from infonoise_core.analytic.exact import BinarySource
from infonoise_core.processes.channel import Channel
from infonoise_core.processes.prediction import PREDICTIONS, named_prediction
from infonoise_core.profiles.estimator import RateEstimator

SOURCE = BinarySource(24)
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
CHANNELS: dict[str, Channel] = {
    "ve": VarianceExploding(0.01, 100.0),
    "vp": VariancePreserving(),
    "ddpm": DiscreteDDPM((1 - BETAS).cumprod(0)),
    "flow, noise at 1": RectifiedFlow(1.0),
    "flow, noise at 0": RectifiedFlow(0.0),
}
NAMES = {
    "ve": ["sample", "epsilon", "score", "F"],
    "vp": ["sample", "epsilon", "v_prediction", "score"],
    "ddpm": ["sample", "epsilon", "v_prediction", "pred_noise", "pred_v", "pred_x0"],
    "flow, noise at 1": ["sample", "epsilon", "flow_prediction", "velocity"],
    "flow, noise at 0": ["velocity"],
}
SIGMA_DATA = 1.0


def output_and_target(
    name: str, channel: Channel, u: Tensor, x0: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    """What the exact denoiser answers, as a prediction, and what a trainer compares it with."""
    a, b = (part.double()[:, None] for part in (channel.signal(u), channel.noise(u)))
    x = a * x0 + b * eps
    clean = SOURCE.denoise(x / a, b[:, 0] / a[:, 0])
    noise = (x - a * clean) / b
    match named_prediction(name):
        case "x0":
            return clean, x0
        case "epsilon":
            return noise, eps
        case "v":
            return a * noise - b * clean, a * eps - b * x0
        case "score":
            return -noise / b, -eps / b
        case "velocity":
            sign = -1 if isinstance(channel, RectifiedFlow) and channel.noise_at == 0 else 1
            return sign * (noise - clean), sign * (eps - x0)
        case _:
            total = b.square() + SIGMA_DATA**2
            skip, out = SIGMA_DATA**2 / total, b * SIGMA_DATA / total.sqrt()
            return (clean - skip * x) / out, (x0 - skip * x) / out


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in NAMES.items() for n in names])
def test_every_trainer_finds_the_entropy(kind: str, name: str) -> None:
    channel = CHANNELS[kind]
    schedule = InfoNoise(
        channel, prediction=name, sigma_data=SIGMA_DATA, refresh_every=10, warmup_steps=10
    )
    rng = torch.Generator().manual_seed(0)
    for _ in range(40):
        u = schedule.sample(500, generator=rng)
        x0 = SOURCE.sample(500, rng).double()
        eps = torch.randn(500, 24, generator=rng).double()
        output, target = output_and_target(name, channel, u, x0, eps)
        # Any shape of an example, a graph, half precision: as a trainer has it.
        error = (output.requires_grad_() - target).reshape(500, 2, 3, 4)
        schedule.observe(u, error.bfloat16() if name == "velocity" else error)
        schedule.step()
    assert schedule.estimator.dim == 24
    # 20,000 examples, each of 24 bits: sampling error of 1 %, and the ends of the span.
    assert schedule.profile().entropy() == pytest.approx(24 * math.log(2), rel=0.03)
    assert schedule.weight == prediction_weight(channel, named_prediction(name), SIGMA_DATA)


def test_both_forms_report_the_same() -> None:
    channel = CHANNELS["flow, noise at 1"]
    old, new = InfoNoise(channel), InfoNoise(channel, prediction="velocity", weight=unit_weight())
    u, error = old.sample(64), torch.randn(64, 3, 8, 8)
    square = error.square().flatten(1).sum(1)
    old.observe(u, channel.x0_squared_error(u, square, "velocity"))
    # As it is multiplied with images.
    new.observe(u[:, None, None, None], error)
    for schedule in (old, new):
        schedule.estimator.merge()
    torch.testing.assert_close(new.estimator.rate, old.estimator.rate, equal_nan=True)
    assert new.weight == unit_weight()
    assert InfoNoise(channel).weight == unit_weight()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_squares_do_not_overflow(dtype: torch.dtype) -> None:
    """300 squared is beyond float16."""
    schedule = InfoNoise(VarianceExploding(0.01, 100.0), prediction="sample", refresh_every=1)
    schedule.observe(torch.full((4,), 1.0), torch.full((4, 4), 300.0, dtype=dtype))
    schedule.estimator.merge()
    rate = schedule.estimator.rate.nan_to_num().max()
    # Cut at 32 times the dimensions; 300 is exact in each of these types but bfloat16.
    assert float(rate) == 32 * 4
    assert float(schedule.estimator.profile().raw.max()) == pytest.approx(360_000, rel=0.01)  # type: ignore[union-attr]


def test_every_name_is_known() -> None:
    for prediction in PREDICTIONS:
        assert named_prediction(prediction) == prediction
    assert named_prediction("v_prediction") == "v"
    assert named_prediction("sample") == "x0"
    u, square = torch.rand(4), torch.rand(4)
    flow = CHANNELS["flow, noise at 1"]
    assert torch.equal(
        flow.x0_squared_error(u, square, "flow_prediction"),
        flow.x0_squared_error(u, square, "velocity"),
    )
    for wrong in ("", "Epsilon", None, 3, ["x0"]):
        with pytest.raises(InputError, match=r"is not known: give x0.* v_prediction"):
            named_prediction(wrong)


@pytest.mark.parametrize(
    ("u", "error", "message"),
    [
        (torch.rand(8), torch.rand(8), "neither squared nor summed"),
        (torch.rand(8), torch.tensor(3.0), "neither squared nor summed"),
        (torch.rand(8), torch.rand(4, 3), r"levels of shape \(8,\) for errors of shape \(4, 3\)"),
        (torch.tensor(0.3), torch.rand(4, 3), "one level per example"),
        (torch.rand(4, 3), torch.rand(4, 3), "one level per example"),
    ],
)
def test_shapes_that_cannot_be_are_refused(u: Tensor, error: Tensor, message: str) -> None:
    schedule = InfoNoise(RectifiedFlow(), prediction="velocity")
    with pytest.raises(InputError, match=message):
        schedule.observe(u, error)


def test_without_a_prediction_errors_of_examples_are_refused() -> None:
    schedule = InfoNoise(RectifiedFlow())
    with pytest.raises(InputError, match="or give the schedule a prediction"):
        schedule.observe(schedule.sample(8), torch.rand(8, 3, 4, 4))


def test_dimensions_that_contradict_the_reports_are_refused() -> None:
    """Channels in place of all numbers, say; buckets of fewer numbers are as they should be."""
    schedule = InfoNoise(RectifiedFlow(), prediction="velocity", dim=3)
    with pytest.raises(InputError, match=r"examples of 192 numbers, shape \(3, 8, 8\), where dim"):
        schedule.observe(schedule.sample(2), torch.rand(2, 3, 8, 8))
    schedule = InfoNoise(RectifiedFlow(), prediction="velocity")
    for size in (8, 4, 16, 8):
        schedule.observe(schedule.sample(2), torch.rand(2, 3, size, size))
    assert schedule.estimator.dim == 3 * 16 * 16
    again = InfoNoise(RectifiedFlow(), prediction="velocity")
    again.load_state_dict(schedule.state_dict())
    again.observe(again.sample(2), torch.rand(2, 3, 4, 4))
    assert again.estimator.dim == 3 * 16 * 16


@pytest.mark.parametrize("kind", CHANNELS)
def test_reporting_an_error_waits_for_no_device(kind: str) -> None:
    channel = CHANNELS[kind]
    schedule = InfoNoise(channel, prediction="epsilon", weight=edm_weight())
    # Under FakeTensorMode tensors have no values: .item() or a branch on one raises.
    with FakeTensorMode(allow_non_fake_inputs=True):
        schedule.observe(schedule.sample(32), torch.ones(32, 3, 4))


@pytest.mark.parametrize("name", ["ve", "ddpm", "flow, noise at 1"])
def test_reports_that_are_kept_come_to_the_same_sums(name: str) -> None:
    """Read many at once or each as it comes: to the last bit, whatever the order of calls."""
    channel = CHANNELS[name]
    kept = InfoNoise(channel, dim=4, refresh_every=1000)
    plain = RateEstimator(kept.edges, dim=4)
    rng = torch.Generator().manual_seed(0)
    for n in (64, 1, 500, 20_000, 64, 3):
        u = kept.sample(n, generator=rng)
        error = torch.rand(n, generator=rng, requires_grad=True)
        kept.observe(u, error)
        plain.observe(channel.sigma(u), error)
        # What is reported may be changed or weighted afterwards.
        u.zero_()
    u, error = kept.sample(2, generator=rng), torch.tensor([math.nan, 1.0])
    kept.observe(u, error, implied_error=torch.ones(2))
    plain.observe(channel.sigma(u), error, implied_error=torch.ones(2))
    assert torch.equal(kept.estimator._increment, plain._increment)
    assert "of 20634 reports 1 were not finite" in kept.status()


def test_keeping_reports_takes_two_operations() -> None:
    """And drawing thirteen; it was 20 and 17."""
    schedule = InfoNoise(VarianceExploding(), dim=4)
    u, error = schedule.sample(64), torch.rand(64)
    schedule.observe(u, error)
    with Operations() as observed:
        schedule.observe(u, error)
    with Operations() as drawn:
        schedule.sample(64)
    assert observed.count <= 2
    assert drawn.count <= 13


class Operations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))
