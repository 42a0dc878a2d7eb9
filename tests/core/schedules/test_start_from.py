"""A schedule that starts from a profile which another run has measured."""

from dataclasses import replace

import torch

from infonoise_core import InfoNoise, LogUniform, VarianceExploding
from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.schedules.gates import slope_gate
from infonoise_core.schedules.knowledge import believed_by

CHANNEL = VarianceExploding(0.02, 80.0)


def test_it_draws_as_with_a_prior_given_at_construction() -> None:
    prior = exact_profile(BinarySource(4), 0.02, 80.0)
    given, started = InfoNoise(CHANNEL, prior=prior), InfoNoise(CHANNEL)
    started.start_from(prior)
    sigma = given.edges[:-1]
    torch.testing.assert_close(started.density(sigma), given.density(sigma))
    # Its bins fill by themselves, as those of any schedule that knows something.
    assert given.state_dict()["pools"] is started.state_dict()["pools"] is False


def test_a_resume_needs_no_file() -> None:
    """The prior goes on weighing where the run itself has seen little."""
    prior = exact_profile(BinarySource(4), 0.02, 80.0)
    settings = {"refresh_every": 5, "warmup_steps": 5, "min_count": 2.0, "dim": 4}
    first, second = (InfoNoise(CHANNEL, **settings) for _ in range(2))
    first.start_from(prior)
    draws = torch.Generator().manual_seed(0)

    def train(schedule: InfoNoise, steps: int) -> None:
        for _ in range(steps):
            u = schedule.sample(16, generator=draws)
            sigma = CHANNEL.sigma(u)
            schedule.observe(u, 4 * sigma.square() / (1 + sigma.square()))
            schedule.step()

    train(first, 7)
    second.load_state_dict(first.state_dict())
    at = draws.get_state()
    train(first, 80)
    draws.set_state(at)
    train(second, 80)
    sigma = first.edges[:-1]
    assert torch.equal(first.density(sigma), second.density(sigma))
    assert "adapting" in second.status()


def test_no_more_than_the_ceiling_is_believed() -> None:
    ceiling = exact_profile(BinarySource(2), 0.02, 80.0)
    schedule = InfoNoise(CHANNEL, ceiling=ceiling)
    schedule.start_from(exact_profile(BinarySource(4), 0.02, 80.0))
    assert schedule.prior is not None
    assert schedule.ceiling is not None
    torch.testing.assert_close(schedule.prior.rate, schedule.ceiling.rate)


def test_what_it_believes_is_what_it_draws_by() -> None:
    """A network with an error floor of 1 % of the variance: its rate rises towards low noise."""
    true = exact_profile(BinarySource(4), 0.02, 80.0)
    schedule = InfoNoise(
        CHANNEL, ceiling=true, floor=0.0, refresh_every=200, warmup_steps=200, dim=4
    )
    draws = torch.Generator().manual_seed(0)
    for _ in range(200):
        u = schedule.sample(64, generator=draws)
        sigma = CHANNEL.sigma(u).double()
        schedule.observe(u, true.at(sigma) * sigma.square() + 0.04)
        schedule.step()
    shown = schedule.profile()
    believed = schedule.believed(shown)
    assert torch.equal(believed_by(schedule, shown), believed)
    assert (believed <= true.rate + 1e-12).all()
    low = shown.sigma < 0.1
    assert (shown.rate[low] > 2).all()
    assert float(believed[low].max()) < 1e-3
    mass = believed / (believed * shown.width).sum()
    torch.testing.assert_close(schedule.density(shown.sigma), mass)


def test_of_other_schedules_and_grids_it_is_what_the_gate_leaves() -> None:
    true = exact_profile(BinarySource(4), 0.02, 80.0)
    weak = replace(true, rate=true.rate + 0.04 / true.sigma.square(), raw=None)
    other = InfoNoise(VarianceExploding(0.1, 10.0), ceiling=None)
    kept = slope_gate()(weak) * weak.rate
    for schedule in (None, LogUniform(CHANNEL), other):
        assert torch.equal(believed_by(schedule, weak), kept)
