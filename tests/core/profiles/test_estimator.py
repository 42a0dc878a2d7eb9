"""The streaming estimate: closed forms, forgetting, robustness, state, and no waiting for the
device.
"""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from infonoise_core import InfoNoise, InputError, LogUniform, VarianceExploding
from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.binning import log_edges
from infonoise_core.profiles.estimator import RateEstimator

EDGES = log_edges(0.01, 10.0, 16)


def observe_source(
    estimator: RateEstimator, source: GaussianSource | BinarySource, sigma: torch.Tensor, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    x0 = source.sample(len(sigma), rng)
    x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
    estimator.observe(sigma, (source.denoise(x, sigma) - x0).square().sum(1))


@pytest.mark.parametrize("source", [GaussianSource(64), BinarySource(64)], ids=["gauss", "binary"])
def test_recovers_closed_forms_from_50k_observations(source: GaussianSource | BinarySource) -> None:
    """Within 5 % wherever the central 90 % of the information lies, bin by bin.

    Over 100 steps of 500 draws an informative bin gets 700 observations or more. With 64 dimensions
    summed its relative standard error is at most 2 %, at the steep low-noise edge of the binary
    source, where smoothing adds a bias of 1 %.
    """
    channel = VarianceExploding(0.02, 50.0)
    schedule = InfoNoise(channel, refresh_every=10, warmup_steps=20, dim=source.dim)
    rng = torch.Generator().manual_seed(1)
    for _ in range(100):
        sigma = schedule.sample(500, generator=rng)
        x0 = source.sample(500, rng)
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng)
        schedule.observe(sigma, (source.denoise(x, sigma) - x0).square().sum(1))
        schedule.step()
    truth, found = exact_profile(source, 0.02, 50.0), schedule.profile()
    low, high = truth.quantile(torch.tensor([0.05, 0.95]))
    informative = (truth.sigma >= low) & (truth.sigma <= high)
    assert int(informative.sum()) >= 12
    error = (found.rate / truth.rate - 1).abs()[informative]
    assert float(error.max()) < 0.05
    assert found.entropy() == pytest.approx(truth.entropy(), rel=0.02)


def test_means_and_standard_errors_are_those_of_the_sample() -> None:
    rng = torch.Generator().manual_seed(0)
    estimator = RateEstimator(EDGES, horizon=1e12)
    sigma = torch.full((400,), 0.5, dtype=torch.float64)
    error = torch.rand(400, generator=rng, dtype=torch.float64)
    for part in error.split(100):
        estimator.observe(sigma[:100], part)
        estimator.merge()
    k = int(torch.bucketize(torch.tensor(0.5, dtype=torch.float64), EDGES)) - 1
    rate = error / 0.25
    assert float(estimator.rate[k]) == pytest.approx(float(rate.mean()), rel=1e-9)
    assert float(estimator.effective_count[k]) == pytest.approx(400, rel=1e-6)
    expected = float(rate.std()) / math.sqrt(400)
    assert float(estimator.stderr[k]) == pytest.approx(expected, rel=1e-6)


def test_forgetting_counts_observations_not_refreshes() -> None:
    """After a change, the old value's weight is exp(-n/horizon) however the n are cut into
    merges.
    """
    for cuts in (1, 10, 100):
        estimator = RateEstimator(EDGES, horizon=500.0)
        sigma = torch.full((1000,), 0.5, dtype=torch.float64)
        estimator.observe(sigma, torch.ones_like(sigma))
        estimator.merge()
        for _ in range(cuts):
            n = 1000 // cuts
            estimator.observe(sigma[:n], torch.zeros(n, dtype=torch.float64))
            estimator.merge()
        k = int(torch.bucketize(torch.tensor(0.5, dtype=torch.float64), EDGES)) - 1
        old = 1000 * math.exp(-2.0)
        per = 1000 / cuts
        new = per * sum(math.exp(-per * i / 500) for i in range(cuts))
        assert float(estimator.rate[k]) == pytest.approx(4 * old / (old + new), rel=1e-9)


def test_a_bin_that_is_not_drawn_forgets_nothing() -> None:
    estimator = RateEstimator(EDGES, horizon=10.0)
    estimator.observe(torch.tensor([0.02, 5.0]), torch.tensor([1.0, 1.0]))
    estimator.merge()
    before = estimator.rate.clone()
    for _ in range(50):
        estimator.observe(torch.full((100,), 5.0), torch.ones(100))
        estimator.merge()
    seen = ~before.isnan()
    torch.testing.assert_close(estimator.rate[seen], before[seen])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1.0])
def test_impossible_errors_are_left_out(bad: float) -> None:
    clean, dirty = RateEstimator(EDGES), RateEstimator(EDGES)
    sigma = torch.tensor([0.1, 0.2, 0.3, 0.4])
    clean.observe(sigma[:3], torch.tensor([1.0, 2.0, 3.0]))
    dirty.observe(sigma, torch.tensor([1.0, 2.0, 3.0, bad]))
    clean.merge()
    dirty.merge()
    torch.testing.assert_close(clean.rate, dirty.rate, equal_nan=True)
    assert torch.equal(clean.effective_count, dirty.effective_count)


def test_unseen_bins_are_filled_by_the_laws() -> None:
    """Below the data the rate is held, above it the mmse, so that neither end runs away."""
    estimator = RateEstimator(EDGES)
    middle = torch.full((100,), 0.3)
    estimator.observe(middle, torch.full((100,), 0.09))
    estimator.merge()
    rate = estimator.fitted_rate()
    k = int((~estimator.rate.isnan()).nonzero())
    torch.testing.assert_close(rate[: k + 1], rate[k].expand(k + 1))
    mmse = rate * (EDGES[:-1] * EDGES[1:])
    torch.testing.assert_close(mmse[k:], mmse[k].expand(len(mmse) - k))


def test_state_round_trip_is_exact_and_checked() -> None:
    first = RateEstimator(EDGES, dim=3)
    observe_source(first, GaussianSource(3), torch.logspace(-1.9, 0.9, 300), 0)
    first.merge()
    observe_source(first, GaussianSource(3), torch.logspace(-1.9, 0.9, 300), 1)
    second = RateEstimator(EDGES, dim=3)
    second.load_state_dict(first.state_dict())
    for estimator in (first, second):
        estimator.merge()
    assert torch.equal(first.fitted_rate(), second.fitted_rate())
    other = RateEstimator(log_edges(0.01, 20.0, 16))
    with pytest.raises(InputError, match=r"16 bins from sigma 0.01 to 10, this schedule .* to 20"):
        other.load_state_dict(first.state_dict())
    with pytest.raises(InputError, match="version 99"):
        second.load_state_dict({**first.state_dict(), "version": 99})


def test_wrong_shapes_are_refused() -> None:
    estimator = RateEstimator(EDGES)
    with pytest.raises(InputError, match=r"\(4, 3\)"):
        estimator.observe(torch.ones(4), torch.ones(4, 3))


def test_no_profile_before_data() -> None:
    with pytest.raises(InputError, match="no observation"):
        RateEstimator(EDGES).profile()


def test_no_waiting_for_the_device_between_refreshes() -> None:
    """Under fake tensors any read of a value (`.item()`, a branch on a tensor) raises."""
    schedule = InfoNoise(VarianceExploding(), LogUniform(VarianceExploding()))
    with FakeTensorMode(allow_non_fake_inputs=True):
        sigma = schedule.sample(64)
        error = torch.rand(64)
        # The table and sums are real tensors from outside; what is new must stay fake.
        assert type(sigma).__name__ == "FakeTensor"
        schedule.observe(sigma, error)
        schedule.step()
