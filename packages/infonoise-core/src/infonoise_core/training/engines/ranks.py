"""The processes of a run: who this one is, and what they tell each other."""

import atexit
import gc
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from infonoise_core.errors import InputError, ReportedError

T = TypeVar("T")

# Rank 0 evaluates and saves while the others wait at the next collective.
_PATIENCE = timedelta(hours=2)


class Ranks:
    """This process among those a launcher (torchrun, deepspeed) has started; alone without one.

    Args:
        device: "auto" takes the GPU of this process if there is one, else the CPU.

    Attributes:
        rank, world: This process and how many there are.
    """

    def __init__(self, device: str = "auto") -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_RANK", "0"))
        self.device = pick_device(device, local if self.world > 1 else None)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if self.world > 1:
            join(self.device)

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over all ranks, the same bits on each."""
        if self.world == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.world

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.world == 1:
            return flag
        seen = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(seen, dist.ReduceOp.MAX)
        return bool(seen)

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value on rank 0, in their order; an empty list elsewhere."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        dist.gather_object(value, values if self.rank == 0 else None)
        return values if self.rank == 0 else []

    def share(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, which alone calls it.

        Its InputError is raised on every rank.
        """
        if self.world == 1:
            return make()
        outcome: list[Any] = [None, None]
        if self.rank == 0:
            try:
                outcome[0] = make()
            except InputError as error:
                outcome[1] = str(error)
        dist.broadcast_object_list(outcome)
        if outcome[1] is not None:
            raise (ReportedError if self.rank else InputError)(outcome[1])
        return cast(T, outcome[0])


def join(device: torch.device) -> None:
    """Meet the other processes, once; InputError when the launcher left out where."""
    if dist.is_initialized():
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=_PATIENCE)
    except ValueError as error:
        raise InputError(
            f"WORLD_SIZE is set but the processes cannot meet ({error}): start them with torchrun"
        ) from None
    atexit.register(_leave)


def _leave() -> None:
    # A model that still waits to be collected keeps the group, and threads that outlive Python.
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


def pick_device(name: str, local: int | None = None) -> torch.device:
    """A torch device from its name; InputError when there is no such device here.

    Args:
        local: Number of this process on its machine, which chooses among several GPUs.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and local is not None:
        name = f"cuda:{local}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name}: not usable here ({reason}); give cpu or auto") from None
    return device


def pooled(states: Sequence[Any], rank: int, world: int) -> Any:
    """The state of one rank out of `world`, from those of all ranks that saved.

    As many ranks as before: its own, to the bit. Otherwise that of one old rank, but tensors under
    a key `increment`, which are this rank's share of a sum (see RateEstimator), are summed over the
    old ranks on rank 0 and zero on the others, so that the next reduction gives the same.
    """
    if len(states) == world:
        return states[rank]
    return _pooled(states, states[rank % len(states)], rank == 0)


def _pooled(states: Sequence[Any], mine: Any, first: bool) -> Any:
    if not isinstance(mine, dict):
        return mine
    tree = {}
    for key, value in mine.items():
        parts = [state[key] for state in states]
        if key == "increment":
            total = torch.stack(parts).sum(0)
            tree[key] = total if first else torch.zeros_like(total)
        else:
            tree[key] = _pooled(parts, value, first)
    return tree
