"""The learning rate of a step."""

import math

from infonoise_core.training.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Of the optimizer step after `step` ones: a linear warm-up, then constant or a cosine."""
    rate = config.rate * min(1.0, (step + 1) / max(1, config.lr_warmup))
    if config.lr_schedule == "cosine" and step >= config.lr_warmup:
        share = (step - config.lr_warmup) / max(1, config.steps - config.lr_warmup)
        rate *= (1 + math.cos(math.pi * share)) / 2
    return rate
