"""Measures that are not taken at every evaluation."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import nn

# Averaged denoiser -> name and value of each measure.
Evaluate = Callable[[nn.Module], dict[str, float]]


@runtime_checkable
class Stepped(Protocol):
    """An evaluation of which some measures are not due every time."""

    def at(self, denoiser: nn.Module, since: int, step: int, *, last: bool) -> dict[str, float]:
        """The measures that are due after `step` optimizer steps.

        Args:
            denoiser: With averaged weights.
            since: The step of the evaluation before; 0 for none.
            step: Optimizer steps done.
            last: Whether the run ends here.
        """


def due(evaluate: Evaluate, every: int, step: int, *, last: bool) -> Evaluate:
    """What is to be measured after `step` optimizer steps, evaluated `every` so many of them.

    Args:
        every: 0 for at the end alone.
    """
    asked: object = evaluate
    if not isinstance(asked, Stepped):
        return evaluate
    stepped, since = asked, (step - 1) // every * every if every else 0
    return lambda denoiser: stepped.at(denoiser, since, step, last=last)
