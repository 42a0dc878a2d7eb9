"""Some images of a denoiser as one PNG, to look at while it is trained and in reports."""

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.sampling.generate import generate
from infonoise_core.sampling.grids import karras_grid
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import LEVELS, SOLVER
from infonoise_vision.methods.diffusion import Objective
from infonoise_vision.sampling.images import png_grid

SHOWN = 64


def examples(objective: Objective, held_out: ImageSet, classes: int, denoiser: nn.Module) -> bytes:
    """64 images: each class in turn where the denoiser knows classes, held-out ones completed where
    it was trained with a condition.
    """
    sigmas = karras_grid(LEVELS, objective.sigma_min, objective.sigma_max)
    rows = np.arange(SHOWN) % len(held_out)
    told: dict[str, Tensor] = {}
    if objective.condition is not None:
        told = objective.context(held_out, rows)
    elif objective.conditional:
        told = {"label": torch.arange(SHOWN) % classes}
    x0 = generate(denoiser, held_out.shape, SHOWN, sigmas, solver=SOLVER, condition=told).x
    return png_grid(x0 / held_out.scale)
