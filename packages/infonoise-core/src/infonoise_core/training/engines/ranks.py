"""The processes of a run: who this one is, and what they tell each other."""

import atexit
import gc
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from infonoise_core.errors import InputError, ReportedError

T = TypeVar("T")

# Processes start within seconds of each other, where all of them start.
_MEETING = timedelta(seconds=120)
# Of the errors that gloo, NCCL and the store raise when a process is no longer there.
_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Socket closed",
         "Connection refused", "NCCL", "gloo", "failed to recv", "timed out", "Timed out",
         "Timeout")  # fmt: skip

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
        self.world = _from_launcher("WORLD_SIZE", 1)
        self.rank = _from_launcher("RANK", 0, below=self.world)
        local = _from_launcher("LOCAL_RANK", 0, below=self.world)
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

    def agree(self, make: Callable[[], T], about: Callable[[T], Mapping[str, Any]]) -> T:
        """What `make` returns on this rank, where it is the same on all of them; collective.

        Args:
            make: Called on every rank.
            about: Plain values, by which two are the same.

        Raises:
            InputError: On every rank where they differ, or `make` has raised it on some; named once
                where it is the same mistake everywhere.
        """
        if self.world == 1:
            return make()
        made: T | None = None
        mine: tuple[str | None, Any] = (None, None)
        try:
            made = make()
            mine = (None, json.loads(json.dumps(dict(about(made)), default=str)))
        except InputError as error:
            mine = (str(error), None)
        every: list[Any] = [None] * self.world
        dist.all_gather_object(every, mine)
        errors = [wrong for wrong, _ in every]
        if all(wrong == errors[0] for wrong in errors) and errors[0] is not None:
            raise (ReportedError if self.rank else InputError)(errors[0])
        for rank, (wrong, values) in enumerate(every):
            if wrong is not None:
                raise InputError(wrong if rank == self.rank else f"rank {rank}: {wrong}")
            differs = first_difference(every[0][1], values)
            if differs:
                raise InputError(
                    f"rank {rank} was given other settings, data or code than rank 0 ({differs}):"
                    " start all with the same command on the same files"
                )
        return cast(T, made)

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
    """Meet the other processes, once.

    Raises:
        InputError: When the launcher left out where, the port is taken, or not all have come
            within `_MEETING`.
    """
    if dist.is_initialized():
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    where = f"{os.environ.get('MASTER_ADDR', '')}:{os.environ.get('MASTER_PORT', '')}"
    try:
        store, rank, world = next(rendezvous("env://", timeout=_MEETING))
        store.set_timeout(_MEETING)
        # torchrun's store outlives the processes that it starts again: what those before them have
        # left there must not be taken for theirs.
        store = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)
        dist.init_process_group(
            backend, store=store, rank=rank, world_size=world, timeout=_PATIENCE
        )
    except ValueError as error:
        raise InputError(
            f"WORLD_SIZE is set but the processes cannot meet ({error}): start them with torchrun"
        ) from None
    except (RuntimeError, OSError) as error:
        text = str(error)
        if "EADDRINUSE" in text or "already in use" in text:
            reason = "the port is taken: give another --master-port or MASTER_PORT"
        else:
            reason = (
                f"not all {os.environ.get('WORLD_SIZE')} have come within"
                f" {_MEETING.total_seconds():.0f} s ({' '.join(text.split())[:120]}): see what the"
                " others say, and start them again"
            )
        raise InputError(f"the processes cannot meet at {where}; {reason}") from None
    atexit.register(_leave)


@contextmanager
def others_alive(world: int) -> Iterator[None]:
    """Turns the loss of another process of the run, of which torch tells in a page, into one line.

    Raises:
        InputError: Where a collective fails because another process has ended.
    """
    try:
        yield
    except (InputError, torch.OutOfMemoryError):
        raise
    except RuntimeError as error:
        if world == 1 or not any(words in str(error) for words in _LOST):
            raise
        raise InputError(
            "another process of this run has ended, so this one ends too: see what it says; the"
            " same command goes on from the last checkpoint, if there is one"
        ) from None


def first_difference(one: Any, other: Any, at: str = "") -> str:
    """Where two trees of plain values differ first, in a few words; empty where nowhere."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            words = first_difference(one.get(key), other.get(key), f"{at}.{key}" if at else key)
            if words:
                return words
        return ""
    if one == other:
        return ""
    return f"{at} is {str(other)[:80]} there and {str(one)[:80]} on rank 0"


def _from_launcher(name: str, default: int, below: int | None = None) -> int:
    text = os.environ.get(name, str(default))
    top = 1 << 20 if below is None else below
    if not text.isdecimal() or not (name == "WORLD_SIZE") <= int(text[:8]) < top:
        raise InputError(f"{name}={text[:40]}: is no number of a process; start with torchrun")
    return int(text)


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
