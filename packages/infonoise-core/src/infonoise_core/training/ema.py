"""Exponential moving averages of weights."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# Optimizer step, counted from 1 -> share of the average that is kept.
Keep = Callable[[int], float]


def power_keep(std: float) -> Keep:
    """A window that grows with training: weight of step tau at step t proportional to tau^gamma.

    Args:
        std: Width of the window relative to the training time so far (Karras et al. 2024, EDM2,
            eq. 121-123), so one setting suits a run of any length.
    """
    exponent = _gamma(std) + 1
    return lambda step: float((1 - 1 / step) ** exponent)


def plain_keep(decay: float) -> Keep:
    """The same share at every step, but less over the first 10 / (1 - decay) steps.

    An average that kept more would still be full of the initial weights.
    """
    return lambda step: min(decay, (step - 1) / (step + 9))


class WeightAverage:
    """A copy of a model that follows its weights; its state is the model's, each of the same shape.

    Args:
        keep: Share of the average that is kept at each optimizer step; 0 at step 1, which
            copies the weights.
    """

    def __init__(self, model: nn.Module, keep: Keep) -> None:
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self._keep = keep
        # Walking through the modules takes longer than the average itself.
        self._parameters: tuple[list[Tensor], list[Tensor]] = (
            list(self.module.parameters()), list(model.parameters())
        )  # fmt: skip
        self._buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Fold in the weights after optimizer step `step`, counted from 1."""
        torch._foreach_lerp_(*self._parameters, 1 - self._keep(step))
        for average, value in self._buffers:
            average.copy_(value)

    def state_dict(self) -> dict[str, Tensor]:
        return self.module.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state)


def _gamma(std: float) -> float:
    """Solve std^2 = (gamma+1) / ((gamma+2)^2 (gamma+3)) for gamma.

    By bisection: std falls in gamma.
    """
    low, high = 0.0, 1e4
    for _ in range(100):
        gamma = (low + high) / 2
        wide = (gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)) > std**2
        low, high = (gamma, high) if wide else (low, gamma)
    return gamma
