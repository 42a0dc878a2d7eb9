"""An engine from its settings."""

import torch

from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.engines.base import Engine
from infonoise_core.training.engines.torch import TorchEngine


def make_engine(config: EngineConfig) -> Engine:
    """The engine of that name; InputError where it, or its device, is not there."""
    engine = _made(config)
    if engine.device.type == "cuda":
        torch.set_float32_matmul_precision("high" if config.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = config.tf32
    return engine


def _made(config: EngineConfig) -> Engine:
    if config.engine == "torch":
        if config.deepspeed is not None:
            raise InputError(f"--deepspeed {config.deepspeed}: goes with --engine deepspeed")
        if config.offload != "none":
            raise InputError(f"--offload {config.offload}: goes with --engine deepspeed")
        if config.bf16_weights:
            raise InputError("--bf16-weights: goes with --engine deepspeed")
        return TorchEngine(
            config.device, config.grad_accum, config.precision, config.activation_checkpointing,
            config.compile,
        )  # fmt: skip
    from infonoise_core.training.engines.deepspeed import DeepSpeedEngine

    return DeepSpeedEngine(
        config.device, config.grad_accum, config.precision, config.activation_checkpointing,
        config.compile, config.zero, config.deepspeed, config.offload == "optimizer",
        config.bf16_weights,
    )  # fmt: skip
