"""A schedule says what is wrong with its parts when it is made; parts are values that pickle."""

import copy
import pickle
from typing import Any

import pytest
import torch

from infonoise_core import (
    CosineCurve,
    DiscreteDDPM,
    InfoNoise,
    InputError,
    LogitNormal,
    LogNormal,
    RectifiedFlow,
    VarianceExploding,
    VariancePreserving,
    calibration_gate,
    edm_weight,
    fixed_gate,
    floor_gate,
    min_snr_weight,
    onset_gate,
    open_gate,
    p2_weight,
    power_law_gate,
    prediction_weight,
    sigmoid_weight,
    slope_gate,
    unit_weight,
)
from infonoise_core.schedules.adaptive import AdaptiveLoss, LossSecondMoment

VE = VarianceExploding(0.01, 100.0)
FLOW = RectifiedFlow()
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
DDPM = DiscreteDDPM((1 - BETAS).cumprod(0))
CHANNELS = [VE, FLOW, RectifiedFlow(0.0), DDPM, VariancePreserving()]
WEIGHTS = [
    unit_weight(), edm_weight(0.3), min_snr_weight(4.0), p2_weight(0.5), sigmoid_weight(1.0),
    *(prediction_weight(channel, "velocity") for channel in CHANNELS),
]  # fmt: skip
GATES = [
    open_gate(), slope_gate(), floor_gate(), onset_gate(0.01), power_law_gate(2.0),
    fixed_gate(0.3), calibration_gate(),
]  # fmt: skip


@pytest.mark.parametrize(
    "weight", [1.0, torch.ones(1000), "edm", torch.ones(64), [1.0], True, edm_weight]
)
def test_a_weight_that_is_no_function_of_sigma_is_refused(weight: Any) -> None:
    wanted = r"give edm_weight\(\)" if weight is edm_weight else r"function of sigma, such as edm_"
    for make in (InfoNoise, AdaptiveLoss, LossSecondMoment):
        with pytest.raises(InputError, match=wanted):
            make(VE, weight=weight)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (lambda sigma: 1 / (sigma - sigma.min()), "is inf at sigma 0.01"),
        (lambda sigma: torch.where(sigma > 50, 0.0, 1.0), "is 0 at sigma"),
        (lambda sigma: -sigma, "is -0.01 at sigma 0.01"),
        (lambda sigma: sigma.log().sqrt(), "is nan at sigma 0.01"),
        (lambda sigma: sigma.sum(0, keepdim=True), "keeps the shape"),
        (lambda sigma: None, "answers with None"),
        (lambda sigma, t: sigma, "cannot be called"),
        (lambda sigma: sigma.numpy()[["a"]], "cannot be called"),
    ],
)
def test_a_weight_is_tried_on_the_whole_span(weight: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        InfoNoise(VE, weight=weight)


def test_weights_of_ones_own_pass() -> None:
    for weight in (lambda sigma: sigma, lambda sigma: 2.0, lambda sigma: torch.tensor(2.0)):
        InfoNoise(VE, weight=weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (0.2, "gate is 0.2"),
        (slope_gate, r"give slope_gate\(\)"),
        (fixed_gate, r"give fixed_gate\(\)"),
        (lambda profile: 1.0, "answers a profile of 64 bins with float"),
        (lambda profile: profile.edges, r"with \(65,\)"),
    ],
)
def test_a_gate_that_is_none_is_refused(gate: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        InfoNoise(VE, gate=gate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": (3, 32, 32)}, "examples? has, 3072"),
        ({"dim": torch.Size([3, 4])}, "how many numbers an example has, 12"),
        ({"dim": 0}, "dim is 0"),
        ({"dim": -3}, "dim is -3"),
        ({"dim": 2.5}, "dim is 2.5"),
        ({"dim": "192"}, "dim is '192'"),
        ({"dim": float("nan")}, "dim is nan"),
        ({"dim": float("inf")}, "dim is inf"),
        ({"warmup": LogNormal}, "warmup is the class LogNormal"),
        ({"warmup": "edm"}, "warmup is 'edm'"),
        ({"warmup": LogNormal(VarianceExploding())}, r"VarianceExploding\(.*sigma_max=80"),
        ({"warmup": LogitNormal(FLOW)}, r"belongs to RectifiedFlow.* to VarianceExploding"),
        ({"prediction": "noises"}, "prediction 'noises' is not known"),
        ({"prediction": "F"}, "F needs sigma_data"),
        ({"prediction": "x0", "groups": ("a", "b")}, "groups and a prediction"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        InfoNoise(VE, **options)


@pytest.mark.parametrize("channel", [VarianceExploding, "flow", None, 1.0])
def test_what_is_no_channel_is_refused(channel: Any) -> None:
    with pytest.raises(InputError, match="channel is"):
        InfoNoise(channel)


def test_an_equal_channel_is_the_same() -> None:
    assert InfoNoise(VE, LogNormal(VarianceExploding(0.01, 100.0))).channel == VE
    for i, channel in enumerate(CHANNELS):
        assert copy.deepcopy(channel) == channel
        assert hash(copy.deepcopy(channel)) == hash(channel)
        assert [other == channel for other in CHANNELS] == [i == j for j in range(len(CHANNELS))]
    assert VariancePreserving() != VariancePreserving(CosineCurve(0.01))
    assert DiscreteDDPM((1 - BETAS / 2).cumprod(0)) != DDPM
    assert repr(RectifiedFlow(0.0, 0.01)) == (
        "RectifiedFlow(noise_at=0, sigma_min=0.01, sigma_max=1000)"
    )


@pytest.mark.parametrize("part", [*WEIGHTS, *GATES, *CHANNELS], ids=repr)
def test_parts_come_back_from_a_pickle_equal(part: Any) -> None:
    again = pickle.loads(pickle.dumps(part))
    assert again == part
    assert hash(again) == hash(part)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: type(channel).__name__)
def test_a_schedule_in_a_pickle_goes_on_to_the_same_bits(channel: Any) -> None:
    schedule = InfoNoise(
        channel, LogitNormal(channel), prediction="v", gate=open_gate(), refresh_every=2,
        warmup_steps=2, min_count=1, bins=8,
    )  # fmt: skip
    # Every kind of object that holds one: a loss (EDM), a module, a worker's arguments.
    rng = torch.Generator().manual_seed(0)
    for _ in range(3):
        u = schedule.sample(64, generator=rng)
        schedule.observe(u, torch.randn(64, 4, generator=rng))
        schedule.step()
    again = pickle.loads(pickle.dumps({"schedule": schedule}))["schedule"]
    assert again.status() == schedule.status()
    for one in (schedule, again):
        rng = torch.Generator().manual_seed(1)
        one.observe(one.sample(64, generator=rng), torch.randn(64, 4, generator=rng))
        one.step()
    assert torch.equal(again.density(again.edges), schedule.density(schedule.edges))


def test_a_table_of_factors_is_refused() -> None:
    """alphas in place of alphas_cumprod, of DDPM's and Stable Diffusion's betas."""
    for start, end in ((1e-4, 0.02), (0.00085, 0.012)):
        with pytest.raises(InputError, match=r"keeps 9.% of the signal at its last step"):
            DiscreteDDPM(1 - torch.linspace(start, end, 1000))
    # A cosine's factors fall to nothing, but at their very end.
    bar = VariancePreserving().signal(torch.linspace(0, 1, 1001, dtype=torch.float64)[1:-1]) ** 2
    with pytest.warns(UserWarning, match="half way through its steps, as factors do"):
        DiscreteDDPM(bar[1:] / bar[:-1])
    with pytest.raises(InputError, match="does not fall"):
        DiscreteDDPM(BETAS)


@pytest.mark.parametrize("steps", [50, 100, 250, 1000, 4000])
def test_cumulative_tables_pass(steps: int) -> None:
    """Linear betas, as they are and scaled to fewer steps (improved-diffusion); a warning fails."""
    for scale in (1.0, 1000 / steps):
        betas = scale * torch.linspace(1e-4, 0.02, steps, dtype=torch.float64)
        DiscreteDDPM((1 - betas.clamp_max(0.999)).cumprod(0))
    DiscreteDDPM((1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2).cumprod(0))


def test_a_state_of_another_channel_is_refused() -> None:
    pairs = [
        (RectifiedFlow(0.0, 0.01, 100.0), RectifiedFlow(1.0, 0.01, 100.0)),
        (VE, RectifiedFlow(1.0, 0.01, 100.0)),
        (VariancePreserving(sigma_min=0.01, sigma_max=100.0), VE),
        (
            VariancePreserving(sigma_min=0.01, sigma_max=100.0),
            VariancePreserving(CosineCurve(0.02), sigma_min=0.01, sigma_max=100.0),
        ),
    ]
    for saved, made in pairs:
        state = InfoNoise(saved).state_dict()
        schedule = InfoNoise(made)
        with pytest.raises(InputError, match="resume with the same channel"):
            schedule.load_state_dict(state)
        InfoNoise(copy.deepcopy(saved)).load_state_dict(state)
        # The first releases named no channel.
        del state["channel"]
        schedule.load_state_dict(state)


def test_dim_and_horizon_are_those_it_was_made_with() -> None:
    schedule = InfoNoise(VE, dim=192, horizon=2048.0)
    with pytest.warns(
        UserWarning, match="horizon 2048 in place of 1024 and dim 192 in place of non"
    ):
        schedule.load_state_dict(InfoNoise(VE).state_dict())
    assert (schedule.estimator.dim, schedule.estimator.horizon) == (192, 2048.0)
    assert schedule.state_dict()["estimator"]["dim"] == 192
    # What is not given comes from the state, without a word.
    schedule = InfoNoise(VE)
    schedule.load_state_dict(InfoNoise(VE, dim=192).state_dict())
    assert schedule.estimator.dim == 192
