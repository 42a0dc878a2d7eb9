"""Plain PyTorch: one process, or several under torchrun."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from infonoise_core.training.engines.allocator import keep_freed_memory
from infonoise_core.training.engines.base import (
    Moments,
    load_weights,
    moments_by_name,
    poisoned,
    prepare,
    recompute_blocks,
    set_optimizer_by_name,
)
from infonoise_core.training.engines.exchange import GradientMean
from infonoise_core.training.engines.ranks import Ranks
from infonoise_core.training.engines.shares import Shares, divided, shapes_of


class TorchEngine(Ranks):
    """Plain PyTorch: one process, or several that each have all weights and exchange gradients."""

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
        self._mean: GradientMean | None = None

    def wrap(self, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> nn.Module:
        self._model, self._optimizer, self._clip = model, optimizer, clip
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        if self.device.type == "cpu":
            keep_freed_memory()
        if self.activation_checkpointing:
            recompute_blocks(model)
        prepare(model, self.device, self.precision, self.compile)
        if self.world > 1:
            for p in model.parameters():
                value = p.detach().contiguous()
                dist.broadcast(value, 0)
                p.detach().copy_(value)
            self._mean = GradientMean(self._parameters, self.world)
        return model

    def micro_batch(self, last: bool) -> AbstractContextManager[Any]:
        if self._mean is not None:
            # Gradients are exchanged after the last micro-batch only.
            self._mean.on = last
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        (poisoned(loss) / self.grad_accum).backward()  # type: ignore[no-untyped-call]

    def step(self, lr: float) -> Tensor:
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        if self._mean is not None:
            self._mean.finish()
        norm = nn.utils.clip_grad_norm_(self._parameters, self._clip, foreach=True)
        # The fused kernel reads this on the device and leaves everything as it is.
        self._optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return norm

    def shares(self) -> Shares:
        mine = divided(self._model, self.rank, self.world)
        return Shares(mine, shapes_of(self._model), self.device, self.rank, self.world)

    def moments(self, shares: Shares) -> dict[str, Moments]:
        return moments_by_name(self._model, self._optimizer, shares)

    def load(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        load_weights(self._model, weights)
        set_optimizer_by_name(self._model, self._optimizer, state)

    def layout(self) -> dict[str, Any]:
        return {
            "engine": "torch",
            "world": self.world,
            "accumulate": self.grad_accum,
            "precision": self.precision,
        }
