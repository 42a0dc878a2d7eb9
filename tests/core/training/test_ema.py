"""Averages of the weights: how far back they reach."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from infonoise_core.training.ema import Keep, WeightAverage, power_keep
from infonoise_core.training.engines.shares import Shares, divided, shapes_of
from infonoise_core.training.loop import _keeps

from ..two_points import CONFIG


def following(model: nn.Module, keep: Keep) -> WeightAverage:
    """The average of one process."""
    average = WeightAverage(model, keep)
    average.follow(Shares(divided(model, 0, 1), shapes_of(model), torch.device("cpu")))
    return average


def test_plain_average_forgets_by_its_half_life() -> None:
    (keep,) = _keeps(replace(CONFIG, ema_half_life=100.0))
    assert math.prod(keep(step) for step in range(20_000, 20_100)) == pytest.approx(0.5)
    (plain,) = _keeps(replace(CONFIG, ema_decay=0.99))
    assert plain(5000) == 0.99
    probe = nn.Linear(1, 1, bias=False)
    average = following(probe, keep)
    with torch.no_grad():
        probe.weight.fill_(7.0)
    average.update(1)
    assert average.gather().get_parameter("weight").item() == 7


def test_power_average_has_the_stated_width() -> None:
    """Weights tau^gamma of tau, the time relative to now, are a beta law of (gamma + 1, 1): of mean
    m and variance m (1 - m)^2 / (2 - m), which is std^2. Both are the averages of tau and tau^2.
    """
    std, steps = 0.1, 4000
    probe = nn.Linear(1, 1, bias=False)
    square = nn.Linear(1, 1, bias=False)
    mean, second = following(probe, power_keep(std)), following(square, power_keep(std))
    for step in range(1, steps + 1):
        with torch.no_grad():
            probe.weight.fill_(step / steps)
            square.weight.fill_((step / steps) ** 2)
        mean.update(step)
        second.update(step)
    m = float(mean.gather().get_parameter("weight").item())
    variance = float(second.gather().get_parameter("weight").item()) - m**2
    # Steps in place of a continuous time: off by a share of gamma / steps, 7 / 4000.
    assert math.sqrt(variance) == pytest.approx(std, rel=0.002)
    assert math.sqrt(m * (1 - m) ** 2 / (2 - m)) == pytest.approx(std, rel=0.002)
