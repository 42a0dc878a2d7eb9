"""What a training process holds in memory, by the engine that runs it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.engines.deepspeed import bucket, reduced
from infonoise_core.training.engines.exchange import BUCKET
from infonoise_core.training.task import Batch

__all__ = ["Memory", "activation_bytes", "estimate"]

_FP32, _BF16 = 4, 2
# Numbers that DeepSpeed averages at once at stage 0, by its own default.
_ALL_REDUCE = 500_000_000


@dataclass(frozen=True)
class Memory:
    """Bytes of one process, on its device; what `--offload` keeps beside it is in `host`.

    Attributes:
        weights: In fp32, with the part that ZeRO updates.
        average: Of a process's share.
        optimizer: Adam's two moments.
        buffers: Gradients and buckets that stay allocated.
        backward, update: What comes on top in the backward pass (gradients, buckets, weights
            gathered at stage 3) and in the update.
        copies: autocast's bf16 weights.
        activations: Of a micro-batch.
        host: In the host's memory: what ZeRO updates, its gradients, moments and average, and
            buffers on the way there.
    """

    weights: int
    average: int
    optimizer: int
    buffers: int
    backward: int
    update: int
    copies: int
    activations: int
    host: int = 0

    @property
    def kept(self) -> int:
        """Between two steps."""
        return self.weights + self.average + self.optimizer + self.buffers

    @property
    def peak(self) -> int:
        """An upper bound: gradients come while activations go, and both are counted whole."""
        return self.kept + max(self.backward + self.copies + self.activations, self.update)


def estimate(
    parameters: int, engine: EngineConfig, processes: int = 1, activations: int = 0
) -> Memory:
    """Memory of a process that trains `parameters` numbers under `engine`.

    Args:
        activations: Bytes of a micro-batch (`activation_bytes`).  Not counted: what the
            device's context and libraries take, an operation's temporaries, holes between
            allocations, the batch.
    """
    if min(parameters, processes) < 1 or activations < 0:
        raise InputError(
            f"{parameters} parameters, {processes} processes, {activations} bytes of activations:"
            " give at least 1, 1 and 0"
        )
    whole = _FP32 * parameters
    part = -(-whole // processes)
    if engine.engine == "torch":
        held = _plain(whole, processes)
    else:
        held = _deepspeed(parameters, whole, part, engine)
    if engine.bf16_weights:
        held = _in_bf16(held, whole, part, engine)
    average = host = 0
    if engine.offload == "none":
        average = part
    else:
        held, host = _offloaded(held, part, engine)
    copies = _BF16 * parameters if engine.precision == "bf16" and not engine.bf16_weights else 0
    return Memory(average=average, copies=copies, activations=activations, host=host, **held)


def _plain(whole: int, processes: int) -> dict[str, int]:
    # Beside the gradients one bucket of them, before they are views of it.
    bucket = min(whole, _FP32 * BUCKET) if processes > 1 else 0
    return {
        "weights": whole, "optimizer": 2 * whole,
        "buffers": 0, "backward": whole + bucket, "update": whole,
    }  # fmt: skip


def _deepspeed(parameters: int, whole: int, part: int, engine: EngineConfig) -> dict[str, int]:
    size, kept = _FP32 * bucket(parameters), _FP32 * reduced(parameters)
    # Gradients of earlier micro-batches, where they are split already.
    waiting = part if engine.grad_accum > 1 else 0
    match engine.zero:
        case 0:
            return {
                "weights": whole, "optimizer": 2 * whole, "buffers": 0,
                # Gradients, then also a flat copy of them.
                "backward": whole, "update": whole + min(whole, _FP32 * _ALL_REDUCE),
            }  # fmt: skip
        case 1:
            return {
                "weights": whole + part, "optimizer": 2 * part, "buffers": 0,
                # Gradients stay whole until the update, which has them in buckets, then its part
                # twice.
                "backward": whole, "update": max(whole + size, 2 * part),
            }  # fmt: skip
        case 2:
            # A bucket and the flat copy that is averaged, of the last one of what is left, while
            # the part of earlier ones waits; and of many buckets as much as all gradients was seen.
            exchange = max(2 * size, size + min(size, whole - size) + part, whole)
            return {
                "weights": whole + part, "optimizer": 2 * part, "buffers": 0,
                "backward": exchange + waiting, "update": 2 * part,
            }  # fmt: skip
        case 3:
            return {
                # Of the weights' part there are two: what is gathered, and what is updated.
                "weights": 2 * part, "optimizer": 2 * part, "buffers": part + kept,
                # Weights gathered for one use and, twice while they arrive, those fetched ahead
                # (half as many); a copy of the bucket that is averaged.
                "backward": 2 * size + kept,
                "update": part,
            }  # fmt: skip


def _in_bf16(held: dict[str, int], whole: int, part: int, engine: EngineConfig) -> dict[str, int]:
    """With weights that compute, gradients and what is exchanged of both at half the size."""
    if engine.zero == 0 or engine.engine == "torch" or engine.precision != "bf16":
        raise InputError("--bf16-weights: give --precision bf16, and --zero 1, 2 or 3")
    # Beside them stand the fp32 weights of the part, and its gradients become fp32 for the update.
    low, gradients = held["weights"] - part, {1: whole // 2, 2: part, 3: part // 2}
    return held | {
        "weights": low // 2 + part, "buffers": held["buffers"] // 2,
        "backward": held["backward"] // 2, "update": gradients[engine.zero] + part,
    }  # fmt: skip


def _offloaded(held: dict[str, int], part: int, engine: EngineConfig) -> tuple[dict[str, int], int]:
    """What stays on the device, and what lies in the host's memory in place of it."""
    if engine.zero == 0 or engine.engine == "torch":
        raise InputError("--offload optimizer: needs what ZeRO splits; give --zero 1, 2 or 3")
    # Gradients of the part are copied to where it is updated; stage 3 keeps theirs there.
    kept = {"weights": held["weights"] - part, "optimizer": 0}
    if engine.zero == 3:
        kept["buffers"] = held["buffers"] - part
    # Weights, gradients, the average and two moments; what is on its way there or back, as was seen
    # (beside two buffers of the largest parameter, which a count of numbers does not tell).
    return held | kept, (7 if engine.zero == 2 else 6) * part


def activation_bytes(denoiser: nn.Module, batch: Batch, precision: str = "fp32") -> int:
    """Bytes that the forward pass of a micro-batch leaves for the gradients, without running it.

    Args:
        batch: Of the micro-batch's size; its values do not matter. Tensors stand for their
            shapes (torch's fake tensors), so a network of any size can be estimated, on the meta
            device too. Counted are distinct storages that are alive after the forward pass and
            grow with the batch, itself included: weights and their bf16 copies are not among
            them. The kernels are those of the CPU, where attention keeps no matrix of weights
            unless it drops some out. What a block computes again (--activation-checkpointing)
            is not alive by then.
    """
    one, two = (_left_by_forward(denoiser, batch, copies, precision) for copies in (1, 2))
    return two - one


def _left_by_forward(denoiser: nn.Module, batch: Batch, copies: int, precision: str) -> int:
    storages = _Storages()
    with FakeTensorMode(), storages:
        state = {name: _shape_of(value) for name, value in _state(denoiser)}
        given = {name: _shape_of(value, copies) for name, value in batch.condition.items()}
        x = _shape_of(batch.x0, copies)
        low = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        with low:
            # Held until the count: what it left hangs on it.
            out = functional_call(denoiser, state, (x, torch.ones(len(x))), given)
        left = storages.alive()
        del out
    return left


class _Storages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the storage of every tensor that an operation returns."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seen: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._note, out)
        return out

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        self._seen[reference.cdata] = reference, storage.nbytes()

    def alive(self) -> int:
        """Bytes of those that are still held."""
        held = (size for reference, size in self._seen.values() if not _gone(reference))
        return sum(held)


def _gone(storage: StorageWeakRef) -> bool:
    expired: bool = storage.expired()  # type: ignore[no-untyped-call]
    return expired


def _shape_of(tensor: Tensor, copies: int = 1) -> Tensor:
    """One like it on the CPU with `copies` times as many examples; fake where tensors are."""
    shape = (copies * len(tensor), *tensor.shape[1:]) if copies > 1 else tensor.shape
    like = torch.empty(shape, dtype=tensor.dtype, device="cpu")
    return like.requires_grad_(tensor.requires_grad)


def _state(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
