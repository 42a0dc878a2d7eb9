"""What is measured on held-out data while a model is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@dataclass(frozen=True)
class Measure:
    """A number that an evaluation gives; lower is better.

    Attributes:
        name: Its key in every evaluation; `<name>_stderr` beside it is its standard error.
        label: What it is called in tables and figures.
        explanation: What it says, in a sentence or two.
    """

    name: str
    label: str
    explanation: str


class Evaluation(Protocol):
    """Held-out measures that no schedule has a say in."""

    @property
    def floors(self) -> Mapping[str, float]:
        """Name of a measure -> its value between real and real."""

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """Each measure, and `<name>_stderr` where it has one."""

    def measures(self) -> list[Measure]:
        """What the numbers are; the first is what schedules are ranked by."""


@runtime_checkable
class ByExample(Protocol):
    """An evaluation that says what each held-out example costs."""

    def by_example(self, denoiser: nn.Module) -> Tensor | None:
        """(n,) float64, of which the first measure is the mean; None where it can not be told.

        The same examples, noise levels and noises every time, so that two denoisers can be told
        apart by the differences.
        """
