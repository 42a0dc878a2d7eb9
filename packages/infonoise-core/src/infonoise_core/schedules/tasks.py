"""Noise levels of several tasks at once: which task the next examples are of, and how noisy.

A task is a data set, a class, a resolution: anything with a profile of its own. Where what is left
to learn at a level of a task falls as k / n with the draws n it gets, the sum over all of them is
least for shares in proportion to the root of the integral of k / density over log sigma. Equal
tasks get equal shares (Cioba et al. 2021, "How to distribute data across tasks for
meta-learning?"), harder ones more.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel
from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.schedules.fixed import uniforms
from infonoise_core.schedules.health import Health

VERSION = 1


class TaskPart(Protocol):
    """What is asked of the schedule of one task: `InfoNoise` is one."""

    channel: Channel
    stratified: bool
    floor: float
    _health: Health

    @property
    def estimator(self) -> RateEstimator: ...

    @property
    def inverse(self) -> Tensor: ...

    def left_to_learn(self) -> float | None: ...

    def density(self, sigma: Tensor) -> Tensor: ...

    def profile(self) -> EntropyRateProfile: ...

    def read(self, u: Tensor, squared_error: Tensor) -> tuple[Tensor, Tensor]: ...

    def step(self) -> None: ...

    def status(self) -> str: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class TaskSchedule:
    """A schedule over (task, sigma): what `InfoNoise(..., tasks=[...])` gives.

    Each task has the density and the profile of an InfoNoise of its own, learned from the reports
    of its examples; the shares of the tasks follow from what is left to learn of each. No example
    is passed through the network for it.

    Args:
        names: Of the tasks.
        parts: One schedule for each, on one grid.
    """

    def __init__(self, names: Sequence[str], parts: Sequence[TaskPart]) -> None:
        if len(set(names)) < len(names):
            raise InputError(f"tasks {', '.join(names)}: a name stands there twice")
        self.names, self.parts = tuple(names), tuple(parts)
        first = self.parts[0]
        self.channel, self.floor, self._stratified = first.channel, first.floor, first.stratified
        self._sums = _SharedSums([part.estimator for part in self.parts])
        self._bins = len(first.estimator.edges) - 1
        self._share = torch.full((len(names),), 1 / len(names), dtype=torch.float64)
        self._lines = self._inverse()

    @property
    def shares(self) -> dict[str, float]:
        """Share of the draws that each task gets."""
        return dict(zip(self.names, self._share.tolist(), strict=True))

    def sample(
        self,
        n: int,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
        ranks: tuple[int, int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Numbers of tasks (n,), int64, and noise levels (n,) in the channel's coordinate.

        Stratified over both together.

        Args:
            ranks: As in `Schedule.sample`.
        """
        p = uniforms(n, device, generator, self._stratified, ranks)
        if p.device != self._lines.device:
            self._lines = self._lines.to(p)
        cells = torch.bucketize(p, self._lines[0, 1:], right=True)
        start, low, slope = self._lines.index_select(1, cells).unbind()
        u = self.channel.levels(torch.addcmul(low, p - start, slope).exp())
        return cells // self._bins, u

    def observe(
        self,
        task: Tensor,
        u: Tensor,
        squared_error: Tensor,
        implied_error: Tensor | None = None,
    ) -> None:
        """Report squared x0-errors at levels u (n,) of examples of the tasks (n,), as drawn.

        The others as in `InfoNoise.observe`.
        """
        if task.shape != u.shape:
            raise InputError(
                f"task of shape {tuple(task.shape)} for levels {tuple(u.shape)}: give the number of"
                " a task for each level, both as `sample` drew them"
            )
        sigma, error = self.parts[0].read(u, squared_error)
        self._sums.observe(sigma, error, implied_error, column=task * self._bins)
        self.parts[0]._health.count(sigma, error)

    def step(self) -> None:
        """Count an optimizer step; refresh every task's density, and the shares, when due."""
        for part in self.parts:
            part.step()
        values = [part.left_to_learn() for part in self.parts]
        if any(value is None for value in values):
            return
        share = torch.tensor(values, dtype=torch.float64).sqrt()
        if not (bool(share.isfinite().all()) and float(share.sum()) > 0):
            return
        even = torch.full_like(share, 1 / len(share))
        self._share = (1 - self.floor) * share / share.sum() + self.floor * even
        self._lines.copy_(self._inverse())

    def density(self, sigma: Tensor, task: str | None = None) -> Tensor:
        """Density per unit log sigma, any shape: of the levels of a task, or of all together."""
        if task is not None:
            return self.parts[self._number(task)].density(sigma)
        total = torch.zeros(sigma.shape, dtype=torch.float64)
        for share, part in zip(self._share.tolist(), self.parts, strict=True):
            total = total + share * part.density(sigma)
        return total

    def profile(self, task: str) -> EntropyRateProfile:
        """What the losses of a task say of its data as of the last refresh."""
        return self.parts[self._number(task)].profile()

    def status(self) -> str:
        """One line: the share of each task, and what its schedule says."""
        parts = zip(self.names, self._share.tolist(), self.parts, strict=True)
        return " | ".join(f"{name} {share:.0%}: {part.status()}" for name, share, part in parts)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resume needs to go on bit for bit; copies."""
        return {
            "law": type(self).__name__,
            "version": VERSION,
            "tasks": list(self.names),
            "share": self._share.clone(),
            "parts": [part.state_dict() for part in self.parts],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state over; InputError when it belongs to other tasks, grid or version."""
        if state.get("version") != VERSION or state.get("tasks") != list(self.names):
            raise InputError(
                f"the schedule's state is of tasks {state.get('tasks')}, this one of"
                f" {list(self.names)}: resume with the same tasks and release"
            )
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)
        self._share = state["share"].to("cpu", torch.float64, copy=True)
        self._lines.copy_(self._inverse())

    def _number(self, task: str) -> int:
        if task not in self.names:
            raise InputError(f"task {task}: no such one; there are {', '.join(self.names)}")
        return self.names.index(task)

    def _inverse(self) -> Tensor:
        """(3, tasks * K) as `TableLaw` has it of one task, the tasks one after another."""
        tables, start = [], 0.0
        for share, part in zip(self._share.tolist(), self.parts, strict=True):
            begin, low, slope = part.inverse.to("cpu", torch.float64)
            tables.append(torch.stack([start + share * begin, low, slope / share]))
            start += share
        return torch.cat(tables, 1)


def of_tasks(names: Sequence[str], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of each task, where some of them may be mappings from names of tasks."""
    for key, value in settings.items():
        missing = [name for name in names if isinstance(value, Mapping) and name not in value]
        if missing:
            raise InputError(f"{key} has no value for the task {missing[0]}: give one for each")
    own = {key: value for key, value in settings.items() if isinstance(value, Mapping)}
    return [{**settings, **{key: value[name] for key, value in own.items()}} for name in names]


def left(worth: Tensor, density: Tensor, width: Tensor) -> float:
    """The integral over log sigma of what a draw is worth, over the density of draws; (K,) each.

    Where what is left to learn falls as one over the draws, it is what all draws together leave of
    it, times their number.
    """
    return float((torch.where(density > 0, worth / density, 0) * width).sum())


class _SharedSums(RateEstimator):
    """The increments of several estimators side by side in one table.

    A report costs as many operations as for one of them.
    """

    def __init__(self, parts: Sequence[RateEstimator]) -> None:
        first, dims = parts[0], [part.dim for part in parts]
        known = [dim for dim in dims if dim is not None]
        largest = max(known) if len(known) == len(dims) else None
        super().__init__(first.edges, first.horizon, largest, first.groups)
        self._parts = parts
        self._increment = torch.cat([part._increment for part in parts], 1)
        self._hand_out()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickled, columns are copies: they are made the parts' own again."""
        self.__dict__.update(state)
        self._hand_out()

    def _hand_out(self) -> None:
        """Each part reads, and empties, its own columns."""
        for part, own in zip(self._parts, self._increment.chunk(len(self._parts), 1), strict=True):
            part._increment = own

    def _move(self, device: torch.device) -> None:
        super()._move(device)
        self._hand_out()
