"""Runs of few examples: never worse than the trainer's own law, and they say what is missing."""

import pytest
import torch

from infonoise_core import InfoNoise, LogitNormal, RectifiedFlow, VarianceExploding
from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.schedules.gates import slope_gate, training_density

FLOW = RectifiedFlow()
DIM = 16
Source = BinarySource | GaussianSource


def tune(schedule: InfoNoise, source: Source, steps: int, seed: int = 0) -> None:
    """Fine-tuning at a batch of one, of a network that is exact already."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        t = schedule.sample(1, generator=rng)
        sigma = FLOW.sigma(t).double()[:, None]
        x0 = source.sample(1, rng).double()
        eps = torch.randn(1, DIM, generator=rng).double()
        clean = source.denoise(x0 + sigma * eps, sigma[:, 0])
        schedule.observe(t, (x0 + sigma * eps - clean) / sigma - clean - (eps - x0))
        schedule.step()


def excess(schedule: InfoNoise, density: torch.Tensor, source: Source) -> float:
    """What is left to learn under a density, over the least there can be; 1 is the best.

    Where it falls at each level as k / draws, its sum is least for draws as the root of k; the
    target is that allocation, so k is its square.
    """
    truth = exact_profile(source, FLOW.sigma_min, FLOW.sigma_max)
    target = training_density(truth, schedule.weight, slope_gate(), schedule.law)
    assert target is not None
    return float((target.square() / density * truth.width).sum())


@pytest.mark.parametrize(
    "source",
    [
        BinarySource(DIM),
        BinarySource(DIM, -0.1, 0.1),
        BinarySource(DIM, -8, 8),
        GaussianSource(DIM),
        GaussianSource(DIM, 0.2),
        GaussianSource(DIM, 5.0, rank=4),
    ],
    ids=["bits", "small bits", "large bits", "Gaussian", "narrow", "low rank"],
)
def test_a_batch_of_one_and_500_steps_are_never_worse_than_the_trainers_law(
    source: Source,
) -> None:
    law = LogitNormal(FLOW)
    schedule = InfoNoise(
        FLOW, prediction="velocity", warmup=law, warmup_examples=100, refresh_every=25
    )
    tune(schedule, source, 500)
    sigma = exact_profile(source, FLOW.sigma_min, FLOW.sigma_max).sigma
    assert "adapting since step" in schedule.status()
    ours = excess(schedule, schedule.density(sigma), source)
    assert ours < excess(schedule, law.density(sigma), source)


def test_a_short_run_of_default_settings_says_what_is_missing() -> None:
    schedule = InfoNoise(FLOW, prediction="velocity", refresh_every=50)
    tune(schedule, BinarySource(DIM), 100)
    # 64 bins of 32 observations each take 2048, of which bins that carry 95 % are 61.
    assert "warming up under the warm-up distribution: step 100 of 500" in schedule.status()
    assert "100 examples are few, about 1948 are missing" in schedule.status()
    assert "warmup=LogitNormal(channel), and warmup_examples" in schedule.status()


def test_a_run_that_fills_its_bins_says_nothing_of_examples() -> None:
    schedule = InfoNoise(VarianceExploding(0.01, 100.0), refresh_every=2, warmup_steps=100)
    for _ in range(2):
        schedule.observe(schedule.sample(64), torch.rand(64))
        schedule.step()
    assert "examples" not in schedule.status()


def test_a_state_of_the_first_releases_goes_on_without_pooling() -> None:
    def made() -> InfoNoise:
        return InfoNoise(FLOW, prediction="velocity", warmup_examples=200, refresh_every=50)

    new, old, same = made(), made(), made()
    tune(new, BinarySource(DIM), 150)
    state = new.state_dict()
    same.load_state_dict(state)
    del state["pools"]
    old.load_state_dict(state)
    for schedule in (new, old, same):
        tune(schedule, BinarySource(DIM), 250, seed=1)
    assert "adapting" in new.status()
    assert same.status() == new.status()
    assert torch.equal(same.density(same.edges), new.density(new.edges))
    assert "warming up" in old.status()
