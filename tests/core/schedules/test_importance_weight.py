"""Importance weights: the base law's objective, whatever law the levels were drawn from."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infonoise_core.processes.discrete import DiscreteDDPM
from infonoise_core.schedules.adaptive import LossSecondMoment
from infonoise_core.schedules.fixed import UniformTime
from infonoise_core.schedules.infonoise import InfoNoise
from infonoise_core.schedules.table import TableLaw

from .exact_training import CHANNEL, LEARNERS, SOURCES, train


def _bin_means(law: TableLaw, value: Tensor, u: Tensor) -> Tensor:
    bins = torch.bucketize(u.double().log(), law.edges.log()[1:-1], right=True)
    sums = torch.zeros(len(law.edges) - 1).double().index_add_(0, bins, value.double())
    return sums / torch.bincount(bins, minlength=len(sums)).clamp_min(1)


@pytest.mark.parametrize(
    "make", [*LEARNERS.values(), lambda: InfoNoise(CHANNEL, warmup_steps=5, refresh_every=10)]
)
def test_importance_weights_restore_the_base_objective(make: Callable[[], TableLaw]) -> None:
    law = make()
    train(law, SOURCES["gaussian"], 60)  # type: ignore[arg-type]
    n = 200_000
    u = law.sample(n, generator=torch.Generator().manual_seed(0))
    weight = law.importance_weight(u).double()
    for value in (torch.ones(n), u.log(), u.log().square()):
        drawn = weight * value
        expected = float(law.base.cdf(law.edges).diff() @ _bin_means(law, value, u))
        # Stratified draws do better than independent ones.
        assert float(drawn.mean()) == pytest.approx(expected, abs=4 * float(drawn.std()) / n**0.5)
    # The law has moved, so the weights say something.
    assert weight.std() > 0.1


def test_importance_weight_on_steps_is_that_of_the_paper() -> None:
    steps = 20
    channel = DiscreteDDPM(torch.linspace(0.98, 0.02, steps, dtype=torch.float64))
    law = LossSecondMoment(channel, base=UniformTime(channel), refresh_every=1, history=1, bins=500)
    # One bin per step, so that the table holds each step's probability.
    assert len(law.edges) == steps + 1
    t = torch.arange(steps)
    loss = 1 + t.float()
    law.observe(t, loss)
    law.step()
    probability = loss.double() / loss.sum() * (1 - law.floor) + law.floor / steps
    mass = law._density * law.edges.log().diff()
    torch.testing.assert_close(mass, probability)
    torch.testing.assert_close(
        law.importance_weight(t), (1 / (steps * probability)).float(), rtol=1e-5, atol=0
    )
