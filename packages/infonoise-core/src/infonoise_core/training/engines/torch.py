"""What runs an update: the seam behind which plain PyTorch and others stand."""

import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError
from infonoise_core.training.engines.ranks import Ranks, pick_device
from infonoise_core.training.loggers import check_names

__all__ = [
    "Engine",
    "EngineConfig",
    "TorchEngine",
    "count_parameters",
    "make_engine",
    "pick_device",
]

T = TypeVar("T")


@dataclass(frozen=True)
class EngineConfig:
    """How a run is carried out.

    What is learned depends on it by rounding only, so a run may go on under another one.
    """

    engine: Literal["torch", "deepspeed"] = "torch"
    """torch (one process, or several under torchrun) or deepspeed"""
    device: str = "auto"
    """cpu, cuda or auto"""
    grad_accum: Annotated[int, formerly("accumulate")] = 1
    """micro-batches per optimizer step and process: more of them need less memory"""
    precision: Literal["fp32", "bf16"] = "fp32"
    """of the network's arithmetic; weights and averages stay in fp32"""
    activation_checkpointing: bool = False
    """keep a block's input only and compute its inside again for gradients: less memory, a third
    more work"""
    compile: bool = False
    """compile the network with torch.compile"""
    zero: Literal[0, 1, 2, 3] = 2
    """DeepSpeed's ZeRO stage: what is split over the processes"""
    workers: int = 0
    """threads that prepare the next micro-batches; 0 prepares each when it is needed"""
    log_to: tuple[str, ...] = ()
    """where else the lines of metrics.jsonl go: tensorboard, wandb"""

    def __post_init__(self) -> None:
        if self.grad_accum < 1:
            raise InputError(f"--grad-accum {self.grad_accum}: give at least 1")
        if self.workers < 0:
            raise InputError(f"--workers {self.workers}: give 0 or more")
        check_names(self.log_to)


class Engine(Protocol):
    """One optimizer step at a time.

    Attributes:
        device: Where batches go.
        rank, world: This process and how many there are.  accumulate: micro-batches per
            optimizer step.
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
        """Average gradients over micro-batches and ranks, clip, update, clear; returns the scalar
        gradient norm before clipping. Where that is not finite, nothing is updated.
        """

    def whole(self) -> AbstractContextManager[Any]:
        """Inside, the model's parameters are whole on every rank, to be read; collective."""

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over all ranks; same shape."""

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value on rank 0; an empty list elsewhere."""

    def share(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, the only one to call it."""

    def save(self) -> dict[str, Any]:
        """The optimizer's state by parameter name, whole on rank 0: the same whatever engine, world
        size or stage wrote it. Collective.
        """

    def load(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take over the model's weights, by name and of the same shapes, and what `save` gave."""

    def layout(self) -> dict[str, Any]:
        """Engine, world size and the like, for the manifest."""


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


def make_engine(config: EngineConfig) -> Engine:
    """The engine of that name."""
    if config.engine == "torch":
        return TorchEngine(
            config.device, config.grad_accum, config.precision, config.activation_checkpointing,
            config.compile,
        )  # fmt: skip
    from infonoise_core.training.engines.deepspeed import DeepSpeedEngine

    return DeepSpeedEngine(
        config.device, config.grad_accum, config.precision, config.activation_checkpointing,
        config.compile, config.zero,
    )  # fmt: skip


def prepare(model: nn.Module, device: torch.device, precision: str, compile: bool) -> None:
    """Let the model's forward pass run in bf16 where that is safe, and compiled."""
    if precision == "bf16":
        autocast = torch.autocast(device.type, torch.bfloat16)
        model.forward = autocast(model.forward)
    if compile:
        model.compile()


def recompute_blocks(model: nn.Module) -> None:
    """Let every block in the model's lists of blocks keep its input only, and compute its inside
    again when gradients are taken (Chen et al. 2016).

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
    """A scalar loss, with gradients that are nan wherever it is not finite: so its step is skipped
    on every rank without asking the device.
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
