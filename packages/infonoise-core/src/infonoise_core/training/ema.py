"""Exponential moving averages of weights."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from infonoise_core.training.engines.base import check_same_names, take
from infonoise_core.training.engines.shares import Shares
from infonoise_core.training.saving.tree import Divided

# Optimizer step, counted from 1 -> share of the average that is kept.
Keep = Callable[[int], float]


def power_keep(std: float) -> Keep:
    """A window that grows with training: weight of step tau at step t proportional to tau^gamma.

    Args:
        std: Width of the window relative to the training time so far (Karras et al. 2024, EDM2,
            eq. 121-123), so one setting suits a run of any length.
    """
    exponent = power_exponent(std) + 1
    return lambda step: float((1 - 1 / step) ** exponent)


def plain_keep(decay: float) -> Keep:
    """The same share at every step, but less over the first 10 / (1 - decay) steps.

    An average that kept more would still be full of the initial weights.
    """
    return lambda step: min(decay, (step - 1) / (step + 9))


class WeightAverage:
    """A model that follows another one's weights, of which this process keeps its share.

    Args:
        model: Not yet taken over by an engine. What is not trained is copied; buffers follow.
        keep: Share of the average that is kept at each optimizer step; 0 at step 1, which
            copies the weights.
    """

    def __init__(self, model: nn.Module, keep: Keep) -> None:
        # Where trained parameters go, none with numbers: `gather` fills them in.
        trained = (p for p in model.parameters() if p.requires_grad)
        hollow = {id(p): nn.Parameter(p.new_empty(0)) for p in trained}
        self._module = copy.deepcopy(model, dict(hollow)).eval().requires_grad_(False)
        self._keep = keep
        self._buffers = list(zip(self._module.buffers(), model.buffers(), strict=True))

    def follow(self, shares: Shares) -> None:
        """Begin with the weights as they are; from now on `update` takes them from these shares."""
        self._shares = shares
        self._weights = [share.values for share in shares.mine]
        self._averages = [value.clone() for value in self._weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Fold in the weights after optimizer step `step`, counted from 1."""
        if self._averages:
            torch._foreach_lerp_(self._averages, self._weights, 1 - self._keep(step))
        for average, value in self._buffers:
            average.copy_(value)

    def gather(self) -> nn.Module:
        """The averaged model, whole on every process as it is now; collective."""
        pieces = self._shares.by_name(self._averages)
        for name, p in self._trained():
            p.data = self._shares.everywhere(name, pieces[name])
        self._shares.same(self._module.buffers())
        return self._module

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """The same for a while: it has no numbers afterwards."""
        try:
            yield self.gather()
        finally:
            for _, p in self._trained():
                p.data = p.new_empty(0)

    def states(self) -> dict[str, dict[str, Tensor | Divided]]:
        """The states of the model and of its average, each of its shape, for a checkpoint."""
        return {"model": self._state(self._weights), "ema": self._state(self._averages)}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over whole averages by name, of the same shapes; else RuntimeError."""
        own = self._module.state_dict()
        check_same_names(own, state)
        for share, average in zip(self._shares.mine, self._averages, strict=True):
            average.copy_(self._shares.part_of(share, state[share.name]))
        for name, value in own.items():
            if value.numel():
                take(value, state[name], name)

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((n, p) for n, p in self._module.named_parameters() if n in self._shares.shapes)

    def _state(self, tensors: Sequence[Tensor]) -> dict[str, Tensor | Divided]:
        """By name, what is trained in pieces; of parameters with two names once for each."""
        pieces = self._shares.by_name(tensors)
        first = {id(p): name for name, p in self._trained()}
        every = {name: id(p) for name, p in self._module.named_parameters(remove_duplicate=False)}
        state: dict[str, Tensor | Divided] = {}
        for key, value in self._module.state_dict().items():
            name = first.get(every.get(key, 0))
            state[key] = value if name is None else Divided(self._shares, name, pieces[name])
        return state


def power_exponent(std: float) -> float:
    """Solve std^2 = (gamma+1) / ((gamma+2)^2 (gamma+3)) for gamma.

    By bisection: std falls in gamma.
    """
    low, high = 0.0, 1e4
    for _ in range(100):
        gamma = (low + high) / 2
        wide = (gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)) > std**2
        low, high = (gamma, high) if wide else (low, gamma)
    return gamma
