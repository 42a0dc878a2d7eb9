"""Fixed laws: cdf, quantile, density and draws agree, and each is the law its paper names."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import infonoise_core.schedules.fixed as law_module
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel, RectifiedFlow, VarianceExploding
from infonoise_core.processes.discrete import DiscreteDDPM
from infonoise_core.processes.variance_preserving import (
    CosineCurve,
    LinearBetaCurve,
    VariancePreserving,
)
from infonoise_core.schedules.fixed import (
    Cosine,
    FixedLaw,
    Laplace,
    LogitNormal,
    LogNormal,
    LogUniform,
    Schedule,
    UniformTime,
    uniforms,
)

TABLE = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
CHANNELS = {
    "ve": VarianceExploding(),
    "flow-noise-at-1": RectifiedFlow(1.0),
    "flow-noise-at-0": RectifiedFlow(0.0),
    "vp-cosine": VariancePreserving(),
    "vp-linear": VariancePreserving(LinearBetaCurve()),
    "ddpm": DiscreteDDPM(TABLE),
}
LAWS: dict[str, Callable[[Channel], FixedLaw]] = {
    "log-normal": LogNormal,
    "log-uniform": LogUniform,
    "logit-normal": LogitNormal,
    "cosine": Cosine,
    "laplace": Laplace,
    "uniform-time": UniformTime,
}
CASES = {f"{n}-{c}": law(CHANNELS[c]) for n, law in LAWS.items() for c in CHANNELS}
CONTINUOUS = {name: law for name, law in CASES.items() if not name.endswith("ddpm")}

every_law = pytest.mark.parametrize("law", CASES.values(), ids=CASES)
continuous = pytest.mark.parametrize("law", CONTINUOUS.values(), ids=CONTINUOUS)


def _span(law: FixedLaw, points: int) -> Tensor:
    ends = math.log(law.channel.sigma_min), math.log(law.channel.sigma_max)
    sigma = torch.linspace(*ends, points, dtype=torch.float64).exp()
    return sigma.clamp(law.channel.sigma_min, law.channel.sigma_max)


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _discrepancy(shares: Tensor) -> float:
    """The largest distance between the empirical cdf of the shares and that of the uniform law."""
    n = len(shares)
    shares, i = shares.double().sort().values, torch.arange(n, dtype=torch.float64)
    return float(torch.maximum((i + 1) / n - shares, shares - i / n).max())


@every_law
@settings(max_examples=20)
@given(p=st.floats(1e-3, 1 - 1e-3))
def test_quantile_is_inverse_of_cdf(law: FixedLaw, p: float) -> None:
    low, high = law._ends
    share = torch.tensor([low + p * (high - low)], dtype=torch.float64)
    sigma = law._quantile(share).exp()
    assert law.channel.sigma_min <= sigma <= law.channel.sigma_max
    # Rounding of a share near 1, where UniformTime's slope is that of time: 1e3 ulps.
    torch.testing.assert_close(
        law.cdf(sigma)[0], torch.tensor(p, dtype=torch.float64), rtol=0, atol=1e-11
    )


@every_law
def test_density_integrates_to_the_cdf(law: FixedLaw) -> None:
    nodes = _span(law, 20_001)
    cdf, density = law.cdf(nodes), law.density(nodes)
    assert (cdf[0], cdf[-1]) == (0, 1)
    assert (cdf.diff() >= 0).all()
    steps = (density[1:] + density[:-1]) / 2 * nodes.log().diff()
    # Trapezoids of width h = 1e-3 or less: h^2 |p''| / 12 below 1e-6 for smooth densities, Laplace
    # having a kink; a staircase (DDPM's steps) errs by half a cell, 2 h p, at every jump, and the
    # errors at up and down jumps make up for each other: 1e-3 in all.
    torch.testing.assert_close(
        torch.cat([cdf[:1], steps.cumsum(0)]), cdf, rtol=0, atol=5e-6 if law in SMOOTH else 1e-3
    )


SMOOTH = [law for name, law in CASES.items() if name != "uniform-time-ddpm"]


@every_law
def test_density_is_zero_outside_the_span_and_needs_no_autograd(law: FixedLaw) -> None:
    outside = torch.tensor([law.channel.sigma_min * 0.9, law.channel.sigma_max * 1.1])
    assert torch.equal(law.density(outside), torch.zeros(2).double())
    assert law.cdf(outside).tolist() == [0, 1]
    sigma = _span(law, 11)
    with torch.inference_mode():
        density = law.density(sigma)
    assert not density.requires_grad
    torch.testing.assert_close(density, law.density(sigma))


@continuous
def test_stratified_draws_follow_the_cdf_to_one_stratum(law: FixedLaw) -> None:
    n = 500
    u = law.sample(n, generator=_rng())
    shares = law.cdf(law.channel.sigma(u.double()))
    # One draw per stratum, but for the float32 rounding of u: at most 1e3 * 2^-24 in log sigma,
    # under a density of at most 5 (that of uniform sigma is 1 in log sigma).
    assert _discrepancy(shares) <= 1 / n + 5e3 * 2**-24
    # Shuffled: neighbours in a batch are not neighbours in noise.
    assert shares.diff().sign().unique().tolist() == [-1, 1]


@continuous
def test_independent_draws_pass_kolmogorov_smirnov(law: FixedLaw) -> None:
    n = 20_000
    free = type(law)(law.channel, stratified=False)
    shares = free.cdf(free.channel.sigma(free.sample(n, generator=_rng(1)).double()))
    # Dvoretzky-Kiefer-Wolfowitz: exceeded with probability 2 exp(-2 n d^2) = 1e-6.
    assert _discrepancy(shares) < math.sqrt(math.log(2e6) / (2 * n))
    # And they are not stratified.
    assert _discrepancy(shares[:1000]) > 2 / 1000


@pytest.mark.parametrize("make", LAWS.values(), ids=LAWS)
def test_discrete_draws_hold_the_mass_of_their_cells(make: Callable[[Channel], FixedLaw]) -> None:
    channel = CHANNELS["ddpm"]
    law, n = make(channel), 50_000
    u = law.sample(n, generator=_rng())
    counts = torch.bincount(u, minlength=1000)
    log_sigma = channel.sigma(torch.arange(1000)).double().log()
    cells = ((log_sigma[1:] + log_sigma[:-1]) / 2).exp()
    ends = torch.tensor([channel.sigma_min, channel.sigma_max], dtype=torch.float64)
    mass = law.cdf(torch.cat([ends[:1], cells, ends[1:]])).diff()
    # A stratum may be cut at either end of a cell; 1e-2 for the float32 rounding of the levels.
    assert (counts - n * mass).abs().max() < 2.01


def test_ranks_interleave(monkeypatch: pytest.MonkeyPatch) -> None:
    n, world = 64, 4
    parts = []
    for rank in range(world):
        monkeypatch.setattr(law_module, "_rank_and_world", lambda rank=rank: (rank, world))
        parts.append(uniforms(n, None, _rng(rank), stratified=True))
    together = torch.cat(parts)
    strata = (together * n * world).long()
    assert torch.equal(strata.sort().values, torch.arange(n * world))
    assert _discrepancy(together) <= 1 / (n * world)
    for part in parts:
        assert _discrepancy(part) <= 1 / n
        assert torch.equal((part * n).long().sort().values, torch.arange(n))


def test_draws_are_the_generators_alone() -> None:
    law = LogNormal(VarianceExploding())
    assert torch.equal(law.sample(32, generator=_rng(3)), law.sample(32, generator=_rng(3)))
    assert not torch.equal(law.sample(32, generator=_rng(3)), law.sample(32, generator=_rng(4)))
    with pytest.raises(InputError, match="at least 1"):
        law.sample(0)


@every_law
def test_fixed_laws_are_schedules_that_learn_nothing(law: FixedLaw) -> None:
    assert isinstance(law, Schedule)
    before = law.density(_span(law, 7))
    law.observe(law.sample(8, generator=_rng()), torch.full((8,), math.nan))
    law.step()
    law.load_state_dict(law.state_dict())
    assert type(law).__name__ in law.status()
    assert torch.equal(before, law.density(_span(law, 7)))


# Each is the law its paper names.

WIDE = VarianceExploding(1e-4, 1e4)


def test_logit_normal_is_the_law_of_flow_time() -> None:
    flow = RectifiedFlow(1.0, 1e-6, 1e6)
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    normal = torch.distributions.Normal(0.4, 0.8)
    exact = normal.cdf(torch.logit(t))
    # Nothing of note lies outside the span: 6e-39 of a normal law beyond 13 deviations.
    torch.testing.assert_close(
        LogitNormal(flow, 0.4, 0.8).cdf(flow.sigma(t)), exact, rtol=1e-6, atol=1e-12
    )


def test_laplace_is_the_law_of_log_snr() -> None:
    sigma = torch.logspace(-2, 2, 81, dtype=torch.float64)
    log_snr = -2 * sigma.log()
    laplace = torch.distributions.Laplace(
        torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    )
    law = Laplace(WIDE, mean=0.7, scale=0.5)
    # The mass beyond log-SNR 18.4 is e^-35.
    torch.testing.assert_close(law.cdf(sigma), 1 - laplace.cdf(log_snr), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(
        law.density(sigma), 2 * laplace.log_prob(log_snr).exp(), rtol=1e-9, atol=0
    )


def test_cosine_is_uniform_time_on_the_cosine_curve() -> None:
    span = 0.01, 100.0
    clock = UniformTime(VariancePreserving(CosineCurve(0.0), *span))
    law, sigma = Cosine(VarianceExploding(*span)), torch.logspace(-2, 2, 81, dtype=torch.float64)
    torch.testing.assert_close(law.cdf(sigma), clock.cdf(sigma), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(law.density(sigma), clock.density(sigma), rtol=1e-9, atol=0)


@pytest.mark.parametrize("noise_at", [0.0, 1.0])
def test_uniform_time_of_a_flow(noise_at: float) -> None:
    channel = RectifiedFlow(noise_at, 1e-2, 1e3)
    t = UniformTime(channel).sample(1000, generator=_rng()).double()
    ends = channel.coordinate(torch.tensor([1e-2, 1e3], dtype=torch.float64)).sort().values
    assert _discrepancy((t - ends[0]) / (ends[1] - ends[0])) <= 1 / 1000 + 1e-6


def test_uniform_time_of_ddpm_draws_every_step_alike() -> None:
    u = UniformTime(DiscreteDDPM(TABLE)).sample(16_000, generator=_rng())
    counts = torch.bincount(u, minlength=1000)
    # 16 strata a step; rounding at a boundary may move a draw to the neighbour.
    assert len(counts) == 1000
    assert (counts - 16).abs().max() <= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogNormal(VarianceExploding(), std=0.0),
        lambda: Laplace(VarianceExploding(), scale=-1.0),
        lambda: LogNormal(VarianceExploding(0.01, 1.0), mean=30.0),
        lambda: LogitNormal(VarianceExploding(0.01, 1.0), mean=-30.0),
        lambda: Laplace(VarianceExploding(0.01, 1.0), mean=60.0),
    ],
)
def test_laws_without_spread_or_mass_are_refused(make: Callable[[], FixedLaw]) -> None:
    with pytest.raises(InputError, match=r"positive|no mass"):
        make()
