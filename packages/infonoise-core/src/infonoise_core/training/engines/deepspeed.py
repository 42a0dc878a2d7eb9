"""Updates by DeepSpeed: optimizer state, gradients and weights split over processes (ZeRO 0 to 3).

Checkpoints hold whole tensors by parameter name, as every engine's do, so none of DeepSpeed's own
files, which are pickles, is written or read, and a run may go on under any world size or stage.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import HashStore

from infonoise_core.errors import InputError
from infonoise_core.training.engines.base import (
    Moments,
    check_same_names,
    count_parameters,
    load_weights,
    moments_by_name,
    poisoned,
    prepare,
    recompute_blocks,
    set_optimizer_by_name,
    take,
)
from infonoise_core.training.engines.deepspeed_file import over, read_settings
from infonoise_core.training.engines.ranks import Ranks
from infonoise_core.training.engines.shares import Share, Shares, divided, shapes_of

# What AdamW keeps of a parameter beside its step.
_MOMENTS = ("exp_avg", "exp_avg_sq")
# Most numbers exchanged or gathered at once, and the fewest where a network has as many. The buffer
# for them is allocated whole, and DeepSpeed's own sizes are up to 4 GB.
_MOST, _FEWEST = 50_000_000, 5_000_000


def bucket(parameters: int) -> int:
    """Numbers exchanged at once, and at stage 3 gathered before they are needed: a sixteenth."""
    return min(parameters, max(_FEWEST, min(parameters // 16, _MOST)))


def reduced(parameters: int) -> int:
    """Of gradients at stage 3, whose bucket stays allocated between steps: a quarter of that."""
    return max(1, bucket(parameters) // 4)


class DeepSpeedEngine(Ranks):
    """DeepSpeed behind the engine's methods.

    Args:
        precision: With bf16 the network computes under autocast; the weights that ZeRO splits
            stay in fp32.
        zero: stage; 0 is data parallel, 1 splits the optimizer's state, 2 also gradients, 3
            also weights.
        given: A file of DeepSpeed's own settings, which take the place of ours.
        offload: Keep what the optimizer updates, and its state, in the host's memory.
        bf16_weights: Keep the weights that compute in bf16; those that ZeRO updates stay in fp32.
    """

    def __init__(
        self,
        device: str = "auto",
        grad_accum: int = 1,
        precision: Literal["fp32", "bf16"] = "fp32",
        activation_checkpointing: bool = False,
        compile: bool = False,
        zero: Literal[0, 1, 2, 3] = 2,
        given: Path | None = None,
        offload: bool = False,
        bf16_weights: bool = False,
    ) -> None:
        if bf16_weights and (zero == 0 or precision != "bf16"):
            raise InputError("--bf16-weights: give --precision bf16, and --zero 1, 2 or 3")
        if offload and zero == 0:
            raise InputError("--offload optimizer: needs what ZeRO splits; give --zero 1, 2 or 3")
        if compile and zero == 3:
            raise InputError("--compile does not go with --zero 3: give --zero 2 or leave it out")
        super().__init__(device)
        self.grad_accum, self.precision, self.compile = grad_accum, precision, compile
        self.activation_checkpointing, self.zero = activation_checkpointing, zero
        self._offload, self._low = offload, bf16_weights
        self._given = {} if given is None else read_settings(Path(given))
        self._deepspeed = _import(self.device)
        # Alone, without a launcher.
        os.environ.setdefault("LOCAL_RANK", "0")
        if not dist.is_initialized():
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)

    def wrap(self, model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> nn.Module:
        self._model, self._optimizer, self._clip = model, optimizer, clip
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._shapes = shapes_of(model)
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

    def shares(self) -> Shares:
        if self.zero == 0:
            mine = divided(self._model, self.rank, self.world)
        else:
            mine = [self._share(name, *place) for name, place in self._places()]
        return Shares(mine, self._shapes, self.device, self.rank, self.world)

    def moments(self, shares: Shares) -> dict[str, Moments]:
        if self.zero == 0:
            return moments_by_name(self._model, self._optimizer, shares)
        step = next((s["step"] for s in self._optimizer.state.values() if "step" in s), None)
        if step is None:
            return {}
        mine = dict(self._places())
        state: dict[str, Moments] = {}
        for name in shares.shapes:
            parts: dict[str, list[Tensor]] = {key: [] for key in _MOMENTS}
            if name in mine:
                flat, place, _, size = mine[name]
                for key, part in parts.items():
                    part.append(self._optimizer.state[flat][key].narrow(0, place, size))
            state[name] = {"step": step.clone(), **parts}
        return state

    def load(self, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        if self.zero == 3:
            self._load_divided(weights)
        else:
            load_weights(self._model, weights)
        if self.zero == 0:
            set_optimizer_by_name(self._model, self._optimizer, state)
            return
        if state:
            self._make_moments(next(iter(state.values()))["step"])
        for name, (flat, place, start, size) in self._places():
            self._part(flat, place, weights[name], start, size)
            for key in _MOMENTS if name in state else ():
                self._part(self._optimizer.state[flat][key], place, state[name][key], start, size)

    def layout(self) -> dict[str, Any]:
        return {
            "engine": "deepspeed",
            "zero": self.zero,
            "world": self.world,
            "accumulate": self.grad_accum,
            "precision": self.precision,
        }

    def _settings(self) -> dict[str, Any]:
        parameters = count_parameters(self._parameters)
        size = bucket(parameters)
        ours: dict[str, Any] = {
            # The loop divides the batch; these two only have to be there.
            "train_micro_batch_size_per_gpu": 1,
            "gradient_accumulation_steps": 1,
            # Every step() is one update, whatever the number of backward passes before it.
            "managed_gradient_accumulation": False,
            "gradient_clipping": self._clip if self.zero else 0.0,
            "zero_optimization": {
                "stage": self.zero,
                "reduce_bucket_size": reduced(parameters) if self.zero == 3 else size,
                # Of stage 3: weights that are whole at a time beside those in use, kept for their
                # next use or fetched before the first; and those too few to be worth dividing.
                "stage3_max_live_parameters": size,
                "stage3_max_reuse_distance": size,
                "stage3_prefetch_bucket_size": size // 2,
                "stage3_param_persistence_threshold": min(100_000, parameters // 10_000),
            },
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "steps_per_print": 2**31,
        }
        if self._low:
            ours["bf16"] = {"enabled": True}
        if self._offload:
            host = {"device": "cpu", "pin_memory": self.device.type == "cuda"}
            ours["zero_optimization"]["offload_optimizer"] = host
        return over(ours, self._given)

    def _clip_or_skip(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """At stage 0, between the exchange of gradients and the update."""
        self._norm = nn.utils.clip_grad_norm_(self._parameters, self._clip, foreach=True)
        optimizer.found_inf = (~self._norm.isfinite()).float()  # type: ignore[attr-defined]

    def _places(self) -> Iterator[tuple[str, tuple[Tensor, int, int, int]]]:
        """Of each parameter that this rank has a part of, where that lies.

        Yields:
            Its name; a flat fp32 part of the weights, the place in it, the place in the flat
            parameter, and how many numbers.
        """
        optimizer = self._engine.optimizer
        for name, p in self._model.named_parameters():
            if not p.requires_grad:
                continue
            if self.zero == 3:
                group, place, padded = optimizer.grad_position[optimizer.get_param_id(p)]
                start = self.rank * padded
                size = min(padded, p.ds_numel - start)  # type: ignore[attr-defined]
                flat = optimizer.fp32_partitioned_groups_flat[group]
            elif p._hp_mapping is not None:  # type: ignore[attr-defined]
                mapping = p._hp_mapping  # type: ignore[attr-defined]
                start, size = mapping.lp_fragment_address.start, mapping.lp_fragment_address.numel
                place = mapping.hp_fragment_address.start
                flat = optimizer.single_partition_of_fp32_groups[mapping.param_group_index]
            else:
                continue
            if size > 0:
                yield name, (flat, place, start, size)

    @staticmethod
    def _share(name: str, flat: Tensor, place: int, start: int, size: int) -> Share:
        return Share(name, start, flat.detach().narrow(0, place, size))

    @staticmethod
    @torch.no_grad()
    def _part(flat: Tensor, place: int, whole: Tensor, start: int, size: int) -> None:
        """Put a part of a whole tensor in its place."""
        flat.narrow(0, place, size).copy_(whole.reshape(-1)[start : start + size])

    @torch.no_grad()
    def _load_divided(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights that no process has whole, one at a time."""
        gathered = self._deepspeed.zero.GatheredParameters
        own = dict(self._model.named_parameters(remove_duplicate=False))
        named = self._model.state_dict()
        check_same_names(named, weights)
        for name, value in named.items():
            p = own.get(name)
            with nullcontext() if p is None else gathered([p], modifier_rank=0):
                take(value if p is None else p, weights[name], name)

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
