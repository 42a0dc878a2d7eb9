"""The plain loop, and what holds for every recipe."""

import pytest
import torch

from .recipes import RECIPES, added_lines


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_adds_five_lines_or_fewer(name):
    assert 1 <= len(added_lines(RECIPES[name])) <= 5


def test_every_library_has_a_recipe():
    assert {name.split("-")[0] for name in RECIPES} == {
        "plain",
        "diffusers",
        "accelerate",
        "lightning",
    }


def test_plain_loop(run, batches, denoiser):
    optimizer = torch.optim.Adam(denoiser.parameters())
    schedule = run("plain", batches=batches, denoiser=denoiser, optimizer=optimizer)["schedule"]
    assert schedule.step_calls == len(batches)
    assert schedule.status().startswith("adapting since step")
    assert [len(u) for u, _ in schedule.reports] == [16] * len(batches)
    for drawn, (reported, _) in zip(schedule.drawn, schedule.reports, strict=True):
        assert torch.equal(drawn, reported)
