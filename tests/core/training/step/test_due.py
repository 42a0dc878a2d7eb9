"""Which measures are due at a step."""

from typing import Any

import pytest
from torch import nn

from infonoise_core.training.step.due import due


class Rare:
    """Tells when it was asked, and since when."""

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        raise AssertionError("asked without a step")

    def at(self, denoiser: nn.Module, since: int, step: int, *, last: bool) -> dict[str, float]:
        return {"since": since, "step": step, "last": last}


@pytest.mark.parametrize(
    ("every", "step", "last", "since"),
    [(5, 5, False, 0), (5, 10, False, 5), (5, 12, True, 10), (5, 15, True, 10), (0, 7, True, 0)],
)
def test_a_stepped_evaluation_hears_of_the_one_before(
    every: int, step: int, last: bool, since: int
) -> None:
    found = due(Rare(), every, step, last=last)(nn.Identity())
    assert found == {"since": since, "step": step, "last": last}


def test_any_other_is_asked_as_it_is() -> None:
    def evaluate(denoiser: Any) -> dict[str, float]:
        return {"nats": 1.0}

    assert due(evaluate, 5, 5, last=False) is evaluate
