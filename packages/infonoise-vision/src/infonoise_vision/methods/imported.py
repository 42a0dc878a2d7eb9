"""A pipeline's folder of Diffusers as an objective of ours and its denoiser."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.profiles.measured import measure_profile
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training.allocation import within
from infonoise_vision.methods.diffusion import channel_of, denoiser_of, load
from infonoise_vision.methods.options import Objective
from infonoise_vision.models import theirs
from infonoise_vision.models.options import THEIRS

# Of a profile.
_BINS, _DRAWS, _CHUNK = 64, 128, 64
_WEIGHTS = "diffusion_pytorch_model.safetensors"


@dataclass(frozen=True)
class ImportedFolder:
    """A model of Diffusers.

    Attributes:
        shape: (c, h, w) of its images.
        classes: How many it knows.
        settings: Of its network and its scheduler, for config.json.
    """

    objective: Objective
    denoiser: nn.Module
    shape: tuple[int, int, int]
    classes: int
    settings: Mapping[str, Any]


def imported_folder(folder: Path, out: Path) -> ImportedFolder:
    """The model in a folder that save_pretrained wrote; nothing in it is run.

    Args:
        folder: Of a pipeline.
        out: Where the model will lie, which --network names to go on with it.

    Raises:
        InputError: For another kind of network, and for weights that are not there or do not fit.
    """
    settings = theirs.settings_of_folder(folder)
    shape, classes = theirs.shape_of(settings), theirs.classes_of(settings)
    low, high = theirs.span_of(settings)
    objective = Objective(
        sigma_min=low, sigma_max=high, noise_unit=1.0, head="edm", weight="edm",
        network=f"{THEIRS}{out}", conditional=bool(classes), label_dropout=0.0,
    )  # fmt: skip
    weights = folder / theirs.UNET / _WEIGHTS
    if not weights.is_file():
        raise InputError(
            f"{weights}: is not there; save the pipeline with safe_serialization=True, as other"
            " files of weights may run code"
        )
    with within(weights, folder):
        denoiser = denoiser_of(objective, shape, classes, 0, theirs=settings)
    try:
        theirs.unwrapped(denoiser).load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{weights}: holds no weights of that network ({' '.join(str(error).split())[:200]});"
            " save the pipeline again"
        ) from None
    return ImportedFolder(objective, denoiser, shape, classes, settings)


@dataclass(frozen=True)
class Measured:
    """A model to measure; null: whether it has a class for none."""

    denoiser: nn.Module
    shape: tuple[int, int, int]
    classes: int
    null: bool


def measured(model: Measured, objective: Objective, data: str) -> EntropyRateProfile:
    """The profile on held-out images of the user's."""
    parts = load(replace(objective, size=model.shape[1]), data)
    images = parts.held_out if len(parts.held_out) else parts.train
    if images.shape != model.shape:
        raise InputError(
            f"{data}: images of {images.shape[0]} channels, and the model has {model.shape[0]};"
            " give images as it was trained on"
        )
    x0 = images.x0(slice(0, min(len(images), _BINS * _DRAWS)))
    given = {}
    if model.classes:
        # The null label, where the classes are not the model's.
        given["label"] = torch.full((len(x0),), model.classes)
        if images.labels is not None and len(images.classes) == model.classes:
            given["label"] = torch.from_numpy(images.labels[: len(x0)])
        elif not model.null:
            raise InputError(
                f"{data}: has {len(images.classes) or 'no'} classes, and the model knows"
                f" {model.classes} and none without a class; give images with its classes"
            )
    rng = torch.Generator().manual_seed(0)
    return measure_profile(
        model.denoiser.eval(), x0, channel_of(objective), _BINS, _DRAWS, given, rng, chunk=_CHUNK
    )
