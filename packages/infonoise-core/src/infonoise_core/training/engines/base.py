"""The seam behind which plain PyTorch and others carry out the steps, and what engines share."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from infonoise_core.errors import InputError

T = TypeVar("T")


class Engine(Protocol):
    """One optimizer step at a time.

    Attributes:
        device: Where batches go.
        rank: The number of this process.
        world: How many processes there are.
        grad_accum: Micro-batches per optimizer step.
    """

    device: torch.device
    rank: int
    world: int
    grad_accum: int

    def wrap(self, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> nn.Module:
        """Take over the model and its optimizer; returns what to call in the forward pass."""

    def micro_batch(self, last: bool) -> AbstractContextManager[Any]:
        """Around a forward and backward pass; `last` of its optimizer step or not."""

    def backward(self, loss: Tensor) -> None:
        """Accumulate gradients of a scalar loss, the mean over a micro-batch."""

    def step(self, lr: float) -> Tensor:
        """Average gradients over micro-batches and ranks, clip, update, clear.

        Returns:
            The scalar gradient norm before clipping. Where it is not finite, nothing is updated.
        """

    def whole(self) -> AbstractContextManager[Any]:
        """Inside, the model's parameters are whole on every rank, to be read; collective."""

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over all ranks; same shape."""

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value on rank 0; an empty list elsewhere."""

    def agree(self, make: Callable[[], T], about: Callable[[T], Mapping[str, Any]]) -> T:
        """What `make` returns, where `about` says the same of it on all ranks; collective.

        Raises:
            InputError: On every rank where they differ.
        """

    def share(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, the only one to call it."""

    def save(self) -> dict[str, Any]:
        """The optimizer's state by parameter name, whole on rank 0; collective.

        It is the same whatever engine, world size or stage wrote it.
        """

    def load(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take over the model's weights, by name and of the same shapes, and what `save` gave."""

    def layout(self) -> dict[str, Any]:
        """Engine, world size and the like, for the manifest."""


def prepare(model: nn.Module, device: torch.device, precision: str, compile: bool) -> None:
    """Let the model's forward pass run in bf16 where that is safe, and compiled."""
    if precision == "bf16":
        autocast = torch.autocast(device.type, torch.bfloat16)
        model.forward = autocast(model.forward)
    if compile:
        model.compile()


def recompute_blocks(model: nn.Module) -> None:
    """Let blocks keep their input only, and compute their inside again for gradients.

    Chen et al. 2016.

    A block is an entry of an nn.ModuleList; of blocks within blocks, the outer ones.
    """
    blocks: list[nn.Module] = []
    inside: set[nn.Module] = set()
    for module in model.modules():
        if not isinstance(module, nn.ModuleList):
            continue
        for block in module:
            if block not in inside and not isinstance(block, nn.ModuleList):
                blocks.append(block)
                inside.update(block.modules())
    if not blocks:
        raise InputError(
            "--activation-checkpointing: the network has no list of blocks (nn.ModuleList); leave"
            " the option out"
        )
    for block in blocks:
        # On the instance: the copy that holds averaged weights keeps the plain one.
        block.forward = _recomputed(block.forward)


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return recomputed


def poisoned(loss: Tensor) -> Tensor:
    """A scalar loss, with gradients that are nan wherever it is not finite.

    So its step is skipped on every rank without waiting for the device.
    """
    return loss * torch.where(loss.detach().isfinite(), 1.0, torch.nan)


def optimizer_by_name(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Parameter name -> the optimizer's tensors for it."""
    return {
        name: dict(optimizer.state[p])
        for name, p in model.named_parameters()
        if p.requires_grad and p in optimizer.state
    }


def set_optimizer_by_name(
    model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """The inverse of `optimizer_by_name`, for an optimizer that has not stepped."""
    for name, p in model.named_parameters():
        if name in state:
            optimizer.state[p] = {k: v.to(p.device, copy=True) for k, v in state[name].items()}


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in parameters if p.requires_grad)
