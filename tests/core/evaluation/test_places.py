"""Where levels lie changes the noise of a sum over them, and not what it is on average."""

import math

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.evaluation.held_out import HeldOutError, even_places, profile_places
from infonoise_core.evaluation.likelihood import LikelihoodBound, Reference
from infonoise_core.training.task import Batch

LOW, HIGH = 0.08, 80.0


class FairBits(nn.Module):
    def __init__(self, mistake: float = 0.0) -> None:
        super().__init__()
        self.mistake = nn.Parameter(torch.tensor(mistake))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        return ((x - 0.5) / sigma[:, None].square() + self.mistake).sigmoid()


def bits(n: int, dim: int) -> Tensor:
    return torch.randint(0, 2, (n, dim), generator=torch.Generator().manual_seed(0)).float()


def test_even_places_span_log_sigma() -> None:
    p = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    sigma, span = even_places(LOW, HIGH)(p)
    assert sigma.tolist() == pytest.approx([LOW, math.sqrt(LOW * HIGH), HIGH])
    assert span.tolist() == pytest.approx([math.log(HIGH / LOW)] * 3)


@pytest.mark.parametrize("even", [0.1, 0.5, 1.0])
def test_places_by_a_profile_integrate_anything_and_never_fall(even: float) -> None:
    """The mean of f times the span is the integral of f over log sigma, whatever f."""
    profile = exact_profile(BinarySource(1, 0.0, 1.0), LOW, HIGH, bins=64)
    p = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    sigma, span = profile_places(profile, even)(p)
    assert bool((sigma.diff() > 0).all())
    assert float(sigma[0]) >= LOW
    assert float(sigma[-1]) <= HIGH
    assert float(span.mean()) == pytest.approx(math.log(HIGH / LOW), rel=1e-3)
    squares = float((sigma.log().square() * span).mean())
    exact = (math.log(HIGH) ** 3 - math.log(LOW) ** 3) / 3
    assert squares == pytest.approx(exact, rel=2e-3)


def test_fair_bits_cost_what_they_cost_wherever_levels_lie() -> None:
    """32 sets of noises average to the exact integral within four standard errors, and by the
    profile they scatter less than evenly over log sigma."""
    profile = exact_profile(BinarySource(1, 0.0, 1.0), LOW, HIGH, bins=128)
    batch, scatter = Batch(bits(16, 24)), {}
    for name, places in (("even", None), ("profile", profile_places(profile))):
        found = torch.tensor(
            [
                HeldOutError(
                    batch, LOW, HIGH, 8, seed, places=places, offset=(seed * 0.618) % 1
                )(FairBits()).nats / 24
                for seed in range(32)
            ]
        )  # fmt: skip
        scatter[name] = float(found.std())
        assert abs(float(found.mean()) - profile.entropy()) < 4 * scatter[name] / math.sqrt(32)
    assert scatter["profile"] < scatter["even"]


def test_a_slope_from_the_other_half_leaves_nothing_of_the_reference_itself() -> None:
    """Costs that are the reference's own have no noise left, whatever the examples cost it."""
    batch = Batch(bits(40, 6))
    exact = torch.linspace(3, 5, 40, dtype=torch.float64)  # said of it, known to differ
    bound = LikelihoodBound(
        HeldOutError(batch, LOW, HIGH, 8, 0),
        torch.ones(40),
        reference=Reference(FairBits(), exact, fitted=True, crossed=True),
    )
    torch.testing.assert_close(bound.nats(FairBits()), exact, atol=1e-9, rtol=0)
    assert bound(FairBits(0.5)).nats > float(exact.mean())
