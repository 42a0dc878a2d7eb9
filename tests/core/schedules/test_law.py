"""One formula for what draws noise levels: exponents, premises, and what is left without them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from infonoise_core import (
    EntropyRateProfile,
    InfoNoise,
    InputError,
    Law,
    VarianceExploding,
    context_law,
    edm_weight,
    independent_symbol_profile,
    linear_profile,
    open_gate,
    slope_gate,
)
from infonoise_core.schedules.gates import training_density
from infonoise_core.schedules.registry import ScheduleContext, make_schedule

from .exact_training import SOURCES, train

CHANNEL = VarianceExploding(0.02, 50.0)
CHANCES = torch.tensor([0.4, 0.6], dtype=torch.float64)


def symbols(channel: VarianceExploding = CHANNEL, k: float = 1.0) -> EntropyRateProfile:
    """Of 16 bits, 0 or k."""
    return independent_symbol_profile(channel, CHANCES, torch.tensor([[0.0], [k]]), positions=16)


def normalised(density: Tensor, profile: EntropyRateProfile) -> Tensor:
    return density / (density * profile.width).sum()


@pytest.mark.parametrize("exponents", [(1, 1, 2, 0), (1, 0, 1, 0.5), (0, 2, 0.5, 1), (0, 0, 3, 0)])
def test_density_is_the_formula(exponents: tuple[float, float, float, float]) -> None:
    """By arithmetic on two groups, whose unknown shares differ."""
    a, b, q, c = exponents
    profile = replace(symbols(), groups={})
    small, large = profile.rate * 0.25, profile.rate.roll(9) * 0.5
    both = replace(profile, rate=small + large, groups={"small": small, "large": large})
    weight = edm_weight(0.5)
    found = training_density(both, weight, slope_gate(), Law(a, b, q, c))
    worth = [0.0] * len(profile.rate)
    gate = slope_gate()(both).tolist()
    sigma = both.sigma.tolist()
    for rate in (small.tolist(), large.tolist()):
        error, most = [r * s * s for r, s in zip(rate, sigma, strict=True)], 0.0
        grown = [most := max(most, e) for e in error]
        for i, r in enumerate(rate):
            m = grown[i] / grown[-1]
            worth[i] += r * m**a * (1 - m) ** b
    expected = torch.tensor(
        [
            (g * x) ** q / ((s * s + 0.25) / (s * s * 0.25)) ** c
            for g, x, s in zip(gate, worth, sigma, strict=True)
        ],
        dtype=torch.float64,
    )
    assert found is not None
    torch.testing.assert_close(found, normalised(expected, both))


def test_context_law_draws_where_a_symbol_is_half_known() -> None:
    """Narrower than the rate, and without its tail at high noise, where nothing is known."""
    profile = symbols()
    rate = training_density(profile, None, open_gate())
    context = training_density(profile, None, open_gate(), context_law())
    assert rate is not None
    assert context is not None
    m = profile.mmse / profile.mmse[-1]
    peak = float(m[context.argmax()])
    # rate = mmse / sigma^2 leans the peak of rate m (1 - m) to below a half.
    assert 0.25 < peak < 0.5
    unknown = m > 0.9
    tail = [float((d * profile.width)[unknown].sum()) for d in (rate, context)]
    # (1 - m)^2 is below a hundredth there.
    assert tail[1] < 0.05 * tail[0]


def test_context_law_follows_the_data_s_scale() -> None:
    """Data and grid multiplied by k: the same density in log sigma."""
    found = []
    for k in (0.01, 1.0, 100.0):
        channel = VarianceExploding(0.02 * k, 50.0 * k)
        profile = symbols(channel, k)
        schedule = InfoNoise(channel, prior=profile, ceiling=profile, law=context_law())
        found.append(schedule.density(profile.sigma))
    for other in found[1:]:
        # Levels differ by rounding.
        torch.testing.assert_close(other, found[0], rtol=1e-6, atol=1e-9)


def test_the_slope_gate_changes_no_draw_of_symbols() -> None:
    """It guards against a floor of the error; the law's own density is 0 where it would act."""
    draws = []
    profile = symbols()
    for gate in (slope_gate(), open_gate()):
        schedule = InfoNoise(CHANNEL, prior=profile, ceiling=profile, law=context_law(), gate=gate)
        rng = torch.Generator().manual_seed(0)
        draws.append(schedule.sample(4096, generator=rng))
    # Where the gate is not yet open less than 1e-6 of the mass lies: draws move by no more.
    torch.testing.assert_close(draws[0], draws[1], rtol=1e-5, atol=0)


def test_exact_errors_and_no_prior_come_to_the_closed_form() -> None:
    source = SOURCES["binary"]
    channel = VarianceExploding(0.02, 20.0)
    schedule = InfoNoise(
        channel, law=context_law(), refresh_every=10, warmup_steps=10, dim=16, horizon=1e5, floor=0
    )
    train(schedule, source, 100)
    bits = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    truth = independent_symbol_profile(channel, torch.tensor([0.5, 0.5]), bits, positions=16)
    expected = training_density(truth, None, open_gate(), context_law())
    assert expected is not None
    distance = 0.5 * float(((schedule.density(truth.sigma) - expected).abs() * truth.width).sum())
    # The square doubles the relative error of the rate, 2 % a bin; the plain rate is 0.4 away.
    assert distance < 0.06
    assert "plain" not in schedule.status()


def test_real_values_are_drawn_by_the_plain_rate_and_it_is_said() -> None:
    gaussian = linear_profile(CHANNEL, torch.ones(8))
    law = context_law()
    schedule = InfoNoise(CHANNEL, prior=gaussian, law=law, weight=edm_weight(1.0), floor=0)
    expected = training_density(gaussian, None, slope_gate(), 1.0)
    assert expected is not None
    torch.testing.assert_close(schedule.density(gaussian.sigma), expected)
    assert schedule.status().endswith(
        "; by the plain rate: the rate does not vanish at sigma_min, as that of symbols does"
    )
    other = InfoNoise(CHANNEL, prior=symbols(), law=law)
    other.load_state_dict(schedule.state_dict())
    assert other.status() == schedule.status()


def test_a_grid_that_ends_below_the_data_s_scale_falls_back() -> None:
    short = VarianceExploding(0.02, 0.3)
    schedule = InfoNoise(short, prior=symbols(short), law=context_law())
    assert "the error still grows at sigma_max" in schedule.status()


def test_compensate_is_the_value_exponent() -> None:
    linear = linear_profile(CHANNEL, torch.ones(8))
    weight = edm_weight(0.5)
    for c in (0.0, 0.25, 0.5, 1.0):
        schedule = InfoNoise(
            CHANNEL, weight=weight, power=0.5, compensate=c, prior=linear, floor=0,
            gate=open_gate(),
        )  # fmt: skip
        expected = normalised(linear.rate**0.5 / weight(linear.sigma) ** c, linear)
        torch.testing.assert_close(schedule.density(linear.sigma), expected)
    today = InfoNoise(CHANNEL, weight=weight, power=0.5)
    assert today.law == Law(power=0.5, compensate=0.5)
    assert InfoNoise(CHANNEL, weight=weight, compensate=False).law == Law()


@pytest.mark.parametrize(
    ("name", "symbolic", "logits", "law"),
    [
        ("infonoise", True, True, context_law()),
        ("infonoise", True, False, Law()),
        ("infonoise", False, False, Law(power=0.5, compensate=0.25)),
        ("infonoise-context", True, False, context_law()),
        ("infonoise-rate", True, True, Law()),
        ("infonoise-sqrt", False, False, Law(power=0.5, compensate=0.5)),
        ("infonoise:1", False, False, Law(power=0.5, compensate=1.0)),
    ],
)
def test_names_pick_a_law_by_the_kind_of_data(
    name: str, symbolic: bool, logits: bool, law: Law
) -> None:
    known = symbols() if symbolic else None
    linear = None if symbolic else linear_profile(CHANNEL, torch.ones(8))
    setting = ScheduleContext(
        CHANNEL, edm_weight(0.5), 100, 64, known, linear, logits=logits, compensate=0.25
    )
    schedule = make_schedule(name, setting)
    assert isinstance(schedule, InfoNoise)
    assert schedule.law == law


def test_senseless_laws_are_refused() -> None:
    with pytest.raises(InputError, match="power 0"):
        Law(power=0.0)
    with pytest.raises(InputError, match="compensate -1"):
        Law(compensate=-1.0)
    with pytest.raises(InputError, match="known nan"):
        Law(known=math.nan)
    with pytest.raises(InputError, match="give it alone"):
        InfoNoise(CHANNEL, law=context_law(), power=0.5)
    for name in ("infonoise:", "infonoise:3", "infonoise:a", "infonoise:0.1:0.2"):
        with pytest.raises(InputError, match="value exponent, from 0 to 2"):
            make_schedule(name, ScheduleContext(CHANNEL, edm_weight(0.5), 100, 64))
