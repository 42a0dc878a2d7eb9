"""The seam behind which plain PyTorch and others carry out the steps, and what engines share."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from infonoise_core.errors import InputError
from infonoise_core.training.engines.shares import Share, Shares

T = TypeVar("T")
# Of a parameter: the optimizer's step, and by key this rank's pieces of what has its shape.
Moments = Mapping[str, Tensor | list[Tensor]]


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

    def shares(self) -> Shares:
        """The parts of the weights that this rank updates or averages; collective, after `wrap`."""

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

    def moments(self, shares: Shares) -> dict[str, Moments]:
        """What the optimizer keeps of each parameter, the same names on every rank.

        It is the same, put together, whatever engine, world size or stage wrote it.
        """

    def load(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take over the model's weights, by name and of the same shapes, and whole moments."""

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


def moments_by_name(
    model: nn.Module, optimizer: torch.optim.Optimizer, shares: Shares
) -> dict[str, Moments]:
    """The moments of an optimizer that keeps them whole."""
    mine: dict[str, list[Share]] = {name: [] for name in shares.shapes}
    for share in shares.mine:
        mine[share.name].append(share)
    return {
        name: {
            key: [shares.part_of(share, value) for share in mine[name]] if value.dim() else value
            for key, value in optimizer.state[p].items()
        }
        for name, p in model.named_parameters()
        if p.requires_grad and p in optimizer.state
    }


@torch.no_grad()
def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Take over a state of the same shapes, one tensor at a time; RuntimeError for any other."""
    own = model.state_dict()
    check_same_names(own, weights)
    for name, value in own.items():
        take(value, weights[name], name)


def check_same_names(own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """RuntimeError where a state has other tensors than a network."""
    if own.keys() != given.keys():
        raise RuntimeError(f"other parameters: {sorted(own.keys() ^ given.keys())[:3]}")


def take(place: Tensor, value: Tensor, name: str) -> None:
    """Copy a tensor of the same shape; RuntimeError for one of another."""
    if place.shape != value.shape:
        raise RuntimeError(f"{name} is of shape {tuple(value.shape)}")
    place.copy_(value)


def set_optimizer_by_name(
    model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]
) -> None:
    """Take over whole moments by name, for an optimizer that has not stepped."""
    for name, p in model.named_parameters():
        if name in state:
            optimizer.state[p] = {k: v.to(p.device, copy=True) for k, v in state[name].items()}


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in parameters if p.requires_grad)
