"""An engine from its settings."""

from infonoise_core.training.config import EngineConfig
from infonoise_core.training.engines.base import Engine
from infonoise_core.training.engines.torch import TorchEngine


def make_engine(config: EngineConfig) -> Engine:
    """The engine of that name; InputError where it, or its device, is not there."""
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
