"""What runs an update: the seam behind which plain PyTorch and others stand."""

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError


class Engine(Protocol):
    """One optimizer step at a time.

    device: where batches go.  rank, world: this process and how many there are.
    """

    device: torch.device
    rank: int
    world: int

    def wrap(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
        """Take over the model and its optimizer; returns what to call in the forward pass."""

    def backward(self, loss: Tensor) -> None:
        """Accumulate gradients of a scalar loss."""

    def step(self, lr: float, clip: float) -> Tensor:
        """Clip, update, clear gradients; returns the gradient norm before clipping, on the
        device.
        """

    def gather(self, value: Tensor) -> Tensor:
        """Mean of a tensor over all ranks."""

    def save(self) -> dict[str, Any]:
        """The optimizer's state, as a tree of tensors and plain values."""

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `save` gave."""


class TorchEngine:
    """Plain PyTorch in one process.

    device: "auto" takes a GPU if there is one, else the CPU.
    """

    rank = 0
    world = 1

    def __init__(self, device: str = "auto") -> None:
        self.device = pick_device(device)
        self._optimizer: torch.optim.Optimizer | None = None
        self._parameters: list[nn.Parameter] = []

    def wrap(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
        self._optimizer = optimizer
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        return model

    def backward(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, lr: float, clip: float) -> Tensor:
        optimizer = self._wrapped()
        for group in optimizer.param_groups:
            group["lr"] = lr
        norm = nn.utils.clip_grad_norm_(self._parameters, clip, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return norm

    def gather(self, value: Tensor) -> Tensor:
        return value

    def save(self) -> dict[str, Any]:
        return self._wrapped().state_dict()

    def load(self, state: dict[str, Any]) -> None:
        self._wrapped().load_state_dict(state)

    def _wrapped(self) -> torch.optim.Optimizer:
        if self._optimizer is None:
            raise RuntimeError("wrap a model before stepping")
        return self._optimizer


def pick_device(name: str) -> torch.device:
    """A torch device from its name; InputError when there is no such device here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name}: not usable here ({reason}); give cpu or auto") from None
    return device


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """Trainable numbers."""
    return sum(p.numel() for p in parameters if p.requires_grad)
