"""A pipeline's folder of Diffusers as an objective of ours and its denoiser."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from infonoise_core.errors import InputError
from infonoise_core.training.allocation import within
from infonoise_vision.methods.diffusion import denoiser_of
from infonoise_vision.methods.options import Objective
from infonoise_vision.models import theirs
from infonoise_vision.models.options import THEIRS

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


def imported_folder(folder: Path) -> ImportedFolder:
    """The model in a folder that save_pretrained wrote; nothing in it is run.

    Raises:
        InputError: For another kind of network, and for weights that are not there or do not fit.
    """
    settings = theirs.settings_of_folder(folder)
    shape, classes = theirs.shape_of(settings), theirs.classes_of(settings)
    low, high = theirs.span_of(settings)
    objective = Objective(
        sigma_min=low, sigma_max=high, noise_unit=1.0, head="edm", weight="edm",
        network=f"{THEIRS}{folder.resolve().name}", conditional=bool(classes), label_dropout=0.0,
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
