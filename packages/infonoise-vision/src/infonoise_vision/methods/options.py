"""Options of what is learned of images; imports neither torch nor numpy."""

import math
from dataclasses import dataclass, field

from tyro.conf import OmitArgPrefixes

from infonoise_core.errors import InputError
from infonoise_vision.data.options import check_held_out
from infonoise_vision.models.options import check_condition, check_network, check_noise

WEIGHTS = ("edm", "unit")


@dataclass(frozen=True)
class Objective:
    """Images and what is learned of them; the same in train and compare."""

    size: int | None = None
    """crop to a square and resize to this many pixels"""
    scale: float = 1.0
    """what pixel values between -1 and 1 are multiplied with; moves no other setting"""
    sigma_min: float = 0.002
    """lowest noise level, in the unit of images between -1 and 1"""
    sigma_max: float = 80.0
    """highest noise level"""
    sigma_data: float = 0.5
    """standard deviation the network's preconditioning assumes"""
    weight: str = "edm"
    """loss weight: edm or unit"""
    binarize: float | None = None
    """make pixels black or white: white above this share of the brightest, such as 0.5"""
    held_out: float | None = None
    """where the data have no test images: share (below 1) or number of those to hold out; default a
    fifth, at most 10,000"""
    network: str = "small"
    """small, ddpmpp-small, ddpmpp-cifar10, ddpmpp-ffhq64, adm-imagenet64, dit-tiny or dit-small"""
    dropout: float | None = None
    """inside the network, instead of its preset's"""
    conditional: bool = False
    """give the network each image's class"""
    label_dropout: float = 0.1
    """share of examples whose class is withheld, for guidance"""
    augment: float = 0.0
    """probability of each of EDM's augmentations, such as 0.12"""
    condition: str | None = None
    """what is known of each image: hidden-half, hidden-box (all but that), superres or label"""
    condition_noise: float = 0.0
    """noise of the condition, relative to the image's: 0 none, 1 joint diffusion"""
    condition_dropout: float = 0.1
    """share of examples whose condition is withheld, for guidance and the information gap"""
    factor: int = 4
    """superres: side of the cells whose means are known"""

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise InputError(
                f"--sigma-min {self.sigma_min:g} and --sigma-max {self.sigma_max:g} do not span a"
                " range: give 0 < sigma-min < sigma-max"
            )
        if not 0 < self.sigma_data < math.inf:
            raise InputError(f"--sigma-data {self.sigma_data:g}: give a standard deviation above 0")
        for option, share in (
            ("label-dropout", self.label_dropout),
            ("augment", self.augment),
            ("condition-dropout", self.condition_dropout),
        ):
            if not 0 <= share <= 1:
                raise InputError(f"--{option} {share:g}: give a share from 0 to 1")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise InputError(f"--dropout {self.dropout:g}: give a share from 0 to below 1")
        if not 0 < self.scale < math.inf:
            raise InputError(f"--scale {self.scale:g}: give a factor above 0")
        check_condition(self.condition)
        check_noise(self.condition_noise)
        check_held_out(self.held_out)
        check_network(self.network)
        if self.weight not in WEIGHTS:
            raise InputError(f"--weight {self.weight}: no such weight; give edm or unit")


@dataclass(frozen=True)
class ImageOptions:
    """What is learned."""

    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)
