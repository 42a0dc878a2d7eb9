"""Plain PyTorch: one process, or several under torchrun."""

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from infonoise_core.training.engines.base import (
    optimizer_by_name,
    poisoned,
    prepare,
    recompute_blocks,
    set_optimizer_by_name,
)
from infonoise_core.training.engines.ranks import Ranks


class TorchEngine(Ranks):
    """Plain PyTorch: one process, or several under torchrun with DistributedDataParallel."""

    def __init__(
        self,
        device: str = "auto",
        grad_accum: int = 1,
        precision: Literal["fp32", "bf16"] = "fp32",
        activation_checkpointing: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(device)
        self.grad_accum, self.precision, self.compile = grad_accum, precision, compile
        self.activation_checkpointing = activation_checkpointing
        self._forward: DistributedDataParallel | None = None

    def wrap(self, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> nn.Module:
        self._model, self._optimizer, self._clip = model, optimizer, clip
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        if self.activation_checkpointing:
            recompute_blocks(model)
        prepare(model, self.device, self.precision, self.compile)
        if self.world == 1:
            return model
        places = [self.device] if self.device.type == "cuda" else None
        # A hint about speed, on every rank, for the strides that a 1x1 convolution's gradient has.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        self._forward = DistributedDataParallel(
            model, device_ids=places, gradient_as_bucket_view=True
        )
        return self._forward

    def micro_batch(self, last: bool) -> AbstractContextManager[Any]:
        # Gradients are exchanged after the last micro-batch only.
        return nullcontext() if last or self._forward is None else self._forward.no_sync()

    def backward(self, loss: Tensor) -> None:
        (poisoned(loss) / self.grad_accum).backward()  # type: ignore[no-untyped-call]

    def step(self, lr: float) -> Tensor:
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        norm = nn.utils.clip_grad_norm_(self._parameters, self._clip, foreach=True)
        # The fused kernel reads this on the device and leaves everything as it is.
        self._optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return norm

    def whole(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def save(self) -> dict[str, Any]:
        return optimizer_by_name(self._model, self._optimizer)

    def load(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        self._model.load_state_dict(weights)
        set_optimizer_by_name(self._model, self._optimizer, state)

    def layout(self) -> dict[str, Any]:
        return {
            "engine": "torch",
            "world": self.world,
            "accumulate": self.grad_accum,
            "precision": self.precision,
        }
