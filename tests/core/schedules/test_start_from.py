"""A schedule that starts from a profile which another run has measured."""

import torch

from infonoise_core import InfoNoise, VarianceExploding
from infonoise_core.analytic.exact import BinarySource, exact_profile

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
