"""Updates by DeepSpeed: optimizer state, gradients and weights split over processes (ZeRO 0 to 3).

Checkpoints hold whole tensors by parameter name, as every engine's do, so none of DeepSpeed's own
files, which are pickles, is written or read, and a run may go on under any world size or stage.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import HashStore

from infonoise_core.errors import InputError
from infonoise_core.training.engines.base import (
    count_parameters,
    optimizer_by_name,
    poisoned,
    prepare,
    recompute_blocks,
    set_optimizer_by_name,
)
from infonoise_core.training.engines.ranks import Ranks

# What AdamW keeps of a parameter beside its step.
_MOMENTS = ("exp_avg", "exp_avg_sq")
# Most gradients exchanged at once. Its buffer is allocated whole, and DeepSpeed's own size, ten
# times this, is 2 GB and holds back every gradient of a smaller network until the end.
BUCKET = 50_000_000


class DeepSpeedEngine(Ranks):
    """DeepSpeed behind the engine's methods.

    Args:
        precision: With bf16 the network computes under autocast; the weights that ZeRO splits
            stay in fp32.
        zero: stage; 0 is data parallel, 1 splits the optimizer's state, 2 also gradients, 3
            also weights, which are gathered at each step for their average, whose copy is whole
            on every process.
    """

    def __init__(
        self,
        device: str = "auto",
        grad_accum: int = 1,
        precision: Literal["fp32", "bf16"] = "fp32",
        activation_checkpointing: bool = False,
        compile: bool = False,
        zero: Literal[0, 1, 2, 3] = 2,
    ) -> None:
        if compile and zero == 3:
            raise InputError("--compile does not go with --zero 3: give --zero 2 or leave it out")
        super().__init__(device)
        self.grad_accum, self.precision, self.compile = grad_accum, precision, compile
        self.activation_checkpointing, self.zero = activation_checkpointing, zero
        self._deepspeed = _import(self.device)
        # Alone, without a launcher.
        os.environ.setdefault("LOCAL_RANK", "0")
        if not dist.is_initialized():
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)

    def wrap(self, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> nn.Module:
        self._model, self._optimizer, self._clip = model, optimizer, clip
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        if self.activation_checkpointing:
            recompute_blocks(model)
        prepare(model, self.device, self.precision, self.compile)
        if self.zero == 0:
            optimizer.register_step_pre_hook(self._clip_or_skip)
        self._engine, *_ = self._deepspeed.initialize(
            model=model, optimizer=optimizer, config=self._settings()
        )
        wrapped: nn.Module = self._engine
        return wrapped

    def micro_batch(self, last: bool) -> AbstractContextManager[Any]:
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        self._engine.backward(poisoned(loss) / self.grad_accum)

    def step(self, lr: float) -> Tensor:
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._engine.step()
        if self.zero == 0:
            return self._norm
        return torch.as_tensor(self._engine.get_global_grad_norm(), device=self.device)

    def whole(self) -> AbstractContextManager[Any]:
        if self.zero < 3:
            return nullcontext()
        gathered: AbstractContextManager[Any] = self._deepspeed.zero.GatheredParameters(
            list(self._model.parameters())
        )
        return gathered

    def save(self) -> dict[str, Any]:
        if self.zero == 0:
            return optimizer_by_name(self._model, self._optimizer)
        step = next((s["step"] for s in self._optimizer.state.values() if "step" in s), None)
        if step is None:
            return {}
        read = self._deepspeed.utils.safe_get_full_optimizer_state
        # Gathered on every rank, one parameter at a time; kept on rank 0.
        state = {}
        for name, p in self._split():
            moments = {key: read(p, key) for key in _MOMENTS}
            if self.rank == 0:
                state[name] = {"step": step.clone(), **{k: v.cpu() for k, v in moments.items()}}
        return state

    def load(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        parameters = list(self._model.parameters())
        whole = (
            self._deepspeed.zero.GatheredParameters(parameters, modifier_rank=0)
            if self.zero == 3
            else nullcontext()
        )
        with whole:
            self._model.load_state_dict(weights)
        if self.zero == 0:
            set_optimizer_by_name(self._model, self._optimizer, state)
            return
        if state:
            self._make_moments(next(iter(state.values()))["step"])
        for name, p in self._split():
            self._set(p, weights[name], None)
            for key in _MOMENTS if name in state else ():
                self._set(p, state[name][key], key)

    def layout(self) -> dict[str, Any]:
        return {
            "engine": "deepspeed",
            "zero": self.zero,
            "world": self.world,
            "accumulate": self.grad_accum,
            "precision": self.precision,
        }

    def _settings(self) -> dict[str, Any]:
        return {
            # The loop divides the batch; these two only have to be there.
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            # Every step() is one update, whatever the number of backward passes before it.
            "managed_gradient_accumulation": False,
            "gradient_clipping": self._clip if self.zero else 0.0,
            "zero_optimization": {
                "stage": self.zero,
                "reduce_bucket_size": min(BUCKET, count_parameters(self._parameters)),
            },
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "steps_per_print": 2**31,
        }

    def _clip_or_skip(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """At stage 0, between the exchange of gradients and the update."""
        self._norm = nn.utils.clip_grad_norm_(self._parameters, self._clip, foreach=True)
        optimizer.found_inf = (~self._norm.isfinite()).float()  # type: ignore[attr-defined]

    def _split(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((n, p) for n, p in self._model.named_parameters() if p.requires_grad)

    def _flat(self) -> list[Tensor]:
        """This rank's flat fp32 parts of the weights, by which the optimizer keeps its state."""
        optimizer = self._engine.optimizer
        parts: list[Tensor] = (
            optimizer.fp32_partitioned_groups_flat
            if self.zero == 3
            else optimizer.single_partition_of_fp32_groups
        )
        return parts

    def _make_moments(self, step: Tensor) -> None:
        """The optimizer's state as after a step, to be filled: it makes its own at the first."""
        for part in self._flat():
            moments = {key: torch.zeros_like(part) for key in _MOMENTS}
            self._optimizer.state[part] = {"step": step.to(part.device, copy=True), **moments}
        if self.zero < 3:
            self._engine.optimizer._lazy_init_hp_params_optimizer_state()

    def _set(self, p: nn.Parameter, value: Tensor, key: str | None) -> None:
        """Put this rank's part of a whole fp32 tensor in its place.

        `key` is a moment, or None for the weight itself.
        """
        utils = self._deepspeed.utils
        value = value.to(self.device)
        if self.zero == 3:
            size: int = p.partition_numel()  # type: ignore[attr-defined]
            padded = nn.functional.pad(value.flatten(), (0, size * self.world - value.numel()))
            part = padded.narrow(0, self.rank * size, size)
            if key is None:
                utils.safe_set_local_fp32_param(p, part)
            else:
                utils.safe_set_local_optimizer_state(p, part, key)
        elif key is None:
            utils.safe_set_full_fp32_param(p, value)
        else:
            utils.safe_set_full_optimizer_state(p, value, key)


def _import(device: torch.device) -> Any:
    if device.type == "cpu":
        # Otherwise it looks for GPUs, and compiles shared-memory collectives for minutes.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    try:
        import deepspeed
    except ImportError:
        raise InputError(
            "--engine deepspeed: DeepSpeed is not installed; pip install"
            " 'infonoise-core[deepspeed]'"
        ) from None
    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # The loop says what matters: skipped steps are counted in the metrics.
    deepspeed.utils.logger.setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    return deepspeed
