"""Work that the processes of a run share, where all of them do the same: who does which part.

Within `together`, whatever is called on every process alike divides its costly parts among them and
has the same result on each as one process alone. Outside of it a process works for itself.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """This process among those that share the work."""

    rank: int = 0
    world: int = 1


_ALONE = Team()
_TEAM: ContextVar[Team] = ContextVar("team", default=_ALONE)


def team() -> Team:
    """Who shares the work here."""
    return _TEAM.get()


@contextmanager
def together(rank: int, world: int) -> Iterator[None]:
    """Let the processes of torch's group share what is done inside, on all of them alike."""
    before = _TEAM.set(Team(rank, world))
    try:
        yield
    finally:
        _TEAM.reset(before)


def in_turn(n: int, make: Callable[[int], T]) -> Iterator[T]:
    """What `make` makes of 0 to n - 1, in order, on every process; each calls it for its part.

    At most as many as there are processes are held at a time.
    """
    rank, world = team().rank, team().world
    for first in range(0, n, world):
        mine = make(first + rank) if first + rank < n else None
        if world == 1:
            yield cast(T, mine)
            continue
        every: list[Any] = [None] * world
        dist.all_gather_object(every, mine)
        yield from cast(list[T], every[: n - first])


def own_part(n: int) -> range:
    """The part of 0 to n - 1 that is this process's."""
    rank, world = team().rank, team().world
    return range(rank * n // world, (rank + 1) * n // world)


def at_most(chunk: int, n: int) -> int:
    """Examples at once, so that every process has some of n."""
    return max(1, min(chunk, math.ceil(n / team().world)))


def summed(part: Tensor) -> Tensor:
    """The sum over the processes of a tensor of any shape on the CPU, the same bits on each.

    Returns:
        Of the same shape.
    """
    if team().world > 1:
        dist.all_reduce(part)
    return part
