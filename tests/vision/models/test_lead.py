"""Levels of bands along the path of a lead."""

import math

import pytest
import torch

from infonoise_vision.models.haar import join, split
from infonoise_vision.models.lead import BandLevels

LEVELS = BandLevels(torch.tensor([0.5, 2.0]), 4.0, 0.01, 16)


def test_details_lead_from_the_birth_before_their_own_on() -> None:
    ends = torch.tensor([0.01, 0.5, 2.0, 10.0])
    torch.testing.assert_close(LEVELS.noise(ends, 0), torch.tensor([0.01, 2.0, 8.0, 40.0]))
    torch.testing.assert_close(LEVELS.noise(ends, 1), torch.tensor([0.01, 0.5, 8.0, 40.0]))


@pytest.mark.parametrize("level", [0, 1])
def test_the_slope_is_that_of_the_levels(level: int) -> None:
    sigma = torch.logspace(-2.5, 1.2, 60, dtype=torch.float64)
    step = 1e-6
    up, down = (LEVELS.noise(sigma * math.exp(d), level).log() for d in (step, -step))
    found = LEVELS.ahead(sigma, level).slope
    torch.testing.assert_close(found, (up - down) / (2 * step), rtol=1e-6, atol=1e-6)


def test_what_raises_a_state_adds_up_in_variance() -> None:
    sigma, raised = torch.tensor([0.3]), torch.tensor([0.45])

    def sizes(x: torch.Tensor) -> list[torch.Tensor]:
        rough, details = split(x)
        return [rough.square(), details.square()]

    noise = join(torch.ones(1, 1, 8, 8), torch.ones(1, 3, 1, 8, 8))
    parts = [
        sizes(sigma * LEVELS.shaped(noise, sigma)),
        sizes(LEVELS.raising(noise, sigma, raised)),
        sizes(raised * LEVELS.shaped(noise, raised)),
    ]
    for below, between, above in zip(*parts, strict=True):
        torch.testing.assert_close(below + between, above)


@pytest.mark.parametrize("levels", [BandLevels(torch.tensor([0.5]), 1.0, 0.01, 16),
                                    BandLevels(torch.zeros(0), 3.0, 0.01, 16)])  # fmt: skip
def test_without_a_lead_nothing_is_changed(levels: BandLevels) -> None:
    x, other, sigma = torch.randn(3, 2, 16, 16), torch.randn(3, 2, 16, 16), torch.rand(3) + 0.2
    assert levels.uniform
    for same in (levels.shaped(x, sigma), levels.counted(x, sigma), levels.along(other, x, sigma)):
        assert torch.equal(same, x)
    wanted = (3 * sigma.square()).sqrt().reshape(-1, 1, 1, 1) * x
    torch.testing.assert_close(levels.raising(x, sigma, 2 * sigma), wanted)
