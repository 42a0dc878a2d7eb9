"""Exponential moving averages of weights."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


class PowerEMA:
    """Average whose window grows with training: weight of step tau at step t proportional to
    tau^gamma.

    std: width of the window relative to the training time so far (Karras et al. 2024, EDM2, eq.
    121-123), so one setting suits a run of any length.
    """

    def __init__(self, model: nn.Module, std: float = 0.1) -> None:
        self.gamma = _gamma(std)
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self._source = model

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Fold in the weights after optimizer step `step`, counted from 1; step 1 copies them."""
        beta = (1 - 1 / step) ** (self.gamma + 1)
        averages: list[Tensor] = list(self.module.parameters())
        values: list[Tensor] = list(self._source.parameters())
        torch._foreach_lerp_(averages, values, 1 - beta)
        for average, value in zip(self.module.buffers(), self._source.buffers(), strict=True):
            average.copy_(value)

    def state_dict(self) -> dict[str, Tensor]:
        return self.module.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state)


def _gamma(std: float) -> float:
    """Solve std^2 = (gamma+1) / ((gamma+2)^2 (gamma+3)) for gamma by bisection; std falls in
    gamma.
    """
    low, high = 0.0, 1e4
    for _ in range(100):
        gamma = (low + high) / 2
        wide = (gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)) > std**2
        low, high = (gamma, high) if wide else (low, gamma)
    return gamma
