"""What a denoiser is given beside noisy images, as an `Objective` has it."""

import numpy as np
import torch
from torch import Tensor

from infonoise_vision.data.images import ImageSet
from infonoise_vision.methods.options import Objective
from infonoise_vision.models.conditions import Condition, make_condition


def condition_of(
    objective: Objective, shape: tuple[int, int, int], classes: int, pair: int = 0
) -> Condition | None:
    """What is known of images of `shape` (c, h, w) with that many classes; None for nothing.

    Args:
        pair: Channels of what lies beside each image, 0 for nothing.
    """
    if objective.condition is None:
        return None
    return make_condition(objective.condition, shape, objective.factor, classes, pair)


def conditioning_of(
    objective: Objective, images: ImageSet, rows: np.ndarray, seed: int = 0
) -> dict[str, Tensor]:
    """What the denoiser is given beside the images at `rows` (n,), the same for one seed.

    Returns:
        label: (n,) true classes.
        given, known: What is known of the images, as `Condition.observe` has it.
        given_noise: The shape of given, unit noise, where the condition is noised.
    """
    inputs: dict[str, Tensor] = {}
    label = None if images.labels is None else torch.from_numpy(images.labels[rows])
    if objective.conditional and label is not None:
        inputs["label"] = label
    classes = len(images.classes)
    condition = condition_of(objective, images.shape, classes, images.pair_channels)
    if condition is not None:
        rng = torch.Generator().manual_seed(seed)
        inputs |= condition.observe(images.x0(rows), label, rng, images.given(rows))
        if objective.condition_noise:
            inputs["given_noise"] = condition.noise(inputs["given"], rng)
    return inputs
