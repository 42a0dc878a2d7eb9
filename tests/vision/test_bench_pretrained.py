"""The bench of better steps: what is stock, goals, and the picture made from its results."""

import statistics

import pytest
import torch

from of_pretrained import answers, stock, strips
from of_pretrained.answers import Arm, Far
from pictures import figures
from report import Section, to_json

diffusers = pytest.importorskip("diffusers")


class Choice:
    """As much of `LevelsFor` as goals look at."""

    def __init__(self, error):
        self.choice = self.best = self
        self.error = error


def arm(solver, name, calls, real, error=None):
    far = Far(real=list(real), fine=list(real), frechet=[1 + value for value in real])
    choice = None if error is None else Choice(error)
    return Arm(solver, name, calls, None, choice, far)


def test_goals_hold_the_recommended_list_against_the_best_stock_one():
    arms = [
        arm("Euler", "even", 5, (0.4, 0.5, 0.6)), arm("UniPC", "even", 5, (0.2, 0.2, 0.2)),
        arm("Euler", answers.OURS, 5, (0.01, 0.01, 0.01), error=0.9),
        arm("UniPC", answers.OURS, 5, (0.07, 0.09, 0.11), error=0.1),
        arm("Euler", "even", 20, (0.1, 0.2, 0.3)),
        arm("Euler", answers.OURS, 20, (0.0, 0.1, 0.3), error=0.1),
    ]  # fmt: skip
    found = answers.goals(arms, Far(frechet=[1.0, 1.0, 1.0]))
    # UniPC's list was recommended for its error when it was chosen, whatever came of it.
    assert [goal.value for goal in found[:3]] == pytest.approx([0.45, 0.45, 0.45])
    assert all(goal.met for goal in found[:3])
    more = [-0.1, -0.1, 0.0]
    error = statistics.stdev(more) / 3**0.5
    assert found[3].value == pytest.approx(statistics.fmean(more) / error)


@pytest.mark.parametrize("n", [5, 10])
def test_published_levels_at_their_own_number_are_theirs(n):
    levels = stock.align_your_steps(n)
    assert len(levels) == n
    assert bool((levels.diff() < 0).all())
    known = diffusers.schedulers.AysSchedules["StableDiffusionSigmas"]
    assert levels.tolist() == pytest.approx(known[:-1][:: 10 // n])


def test_the_picture_is_drawn_from_the_results(tmp_path):
    from report import Table

    section = to_json(
        Section(
            "s",
            [
                Table("Levels chosen", "", ["solver", "calls", "levels"], [["Euler", 2, "9 0.1"]]),
                Table("Profile", "", ["sigma", "rate"], [[0.1, 1.0], [10.0, 2.0]]),
            ],
            [],
            strips=[strips.strip("ours", torch.rand(3, 1, 4, 4) * 2 - 1)],
        )
    )
    results = {"command": "hatch run bench:pretrained", "sections": {"fashion-epsilon": section}}
    (path,) = figures.draw_all(results, tmp_path)
    assert path.name == "pretrained-steps.svg"
    assert "Euler, 2 calls" in path.read_text()
