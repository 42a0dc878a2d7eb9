"""Images as a denoising task: what core's loop trains on."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser, EDMDenoiser
from infonoise_core.processes.weighting import Weight, edm_weight, unit_weight
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.training.task import Batch, Losses, denoising_losses
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.images import load_split as load_two
from infonoise_vision.data.options import check_held_out
from infonoise_vision.data.priors import FEW_LEVELS, cosine_profile, pixel_profile
from infonoise_vision.evaluation.bound import SAMPLES, ImageEvaluation
from infonoise_vision.models import augment
from infonoise_vision.models.conditions import (
    KINDS,
    Condition,
    ConditionedDenoiser,
    check_noise,
    make_condition,
)
from infonoise_vision.models.registry import Inputs, make_network


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
    """tell the network each image's class"""
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
        if self.condition is not None and self.condition not in KINDS:
            raise InputError(
                f"--condition {self.condition}: no such condition; give one of {', '.join(KINDS)}"
            )
        check_noise(self.condition_noise)
        check_held_out(self.held_out)
        self.weighting()

    def weighting(self) -> Weight:
        """The loss weight that `weight` names; InputError where there is none of that name."""
        weights = {"edm": edm_weight(self.sigma_data), "unit": unit_weight()}
        if self.weight not in weights:
            raise InputError(f"--weight {self.weight}: no such weight; give edm or unit")
        return weights[self.weight]

    def load(self, data: str, *, refuse_unused: bool = False) -> tuple[ImageSet, ImageSet]:
        """Training and held-out images, the same ones for the same data.

        Args:
            refuse_unused: Raise InputError for a `held_out` where the data have test images;
                without, those are held out all the same.
        """
        train, held_out = load_split(
            data, self.size, self.binarize, self.held_out, refuse_unused=refuse_unused
        )
        return replace(train, scale=self.scale), replace(held_out, scale=self.scale)

    def schedule_context(self, updates: int, images: ImageSet) -> ScheduleContext:
        """What a schedule is made for."""
        channel = VarianceExploding(self.sigma_min, self.sigma_max)
        symbols = pixel_profile(images, channel)
        linear = cosine_profile(images, channel)
        return ScheduleContext(channel, self.weighting(), updates, images.dim, symbols, linear)

    def task(self, images: ImageSet, seed: int) -> "ImageTask":
        """The images, with a fresh network; InputError where it needs labels that are not there."""
        if self.conditional and images.labels is None:
            raise InputError(
                f"{images.name}: has no labels for --conditional; give classes as subfolders, or"
                " labels as the format has them"
            )
        denoiser = self.denoiser(images.shape, len(images.classes), seed)
        return ImageTask(
            images, denoiser, self.weighting(),
            conditional=self.conditional, label_dropout=self.label_dropout, augment=self.augment,
            condition=self.known(images.shape, len(images.classes)),
            condition_dropout=self.condition_dropout,
        )  # fmt: skip

    def known(self, shape: tuple[int, int, int], classes: int) -> Condition | None:
        """What is known of images of `shape` with that many classes."""
        if self.condition is None:
            return None
        return make_condition(self.condition, shape, self.factor, classes)

    def context(self, images: ImageSet, rows: np.ndarray, seed: int = 0) -> dict[str, Tensor]:
        """What the denoiser is told of the images at `rows` (n,), the same for one seed: their true
        classes, and what is known of them.

        label: (n,).  given, known: as `Condition.observe` has them.  given_noise: the shape of
        given, unit noise, where the condition is noised.
        """
        context: dict[str, Tensor] = {}
        label = None if images.labels is None else torch.from_numpy(images.labels[rows])
        if self.conditional and label is not None:
            context["label"] = label
        condition = self.known(images.shape, len(images.classes))
        if condition is not None:
            rng = torch.Generator().manual_seed(seed)
            context |= condition.observe(images.x0(rows), label, rng)
            if self.condition_noise:
                context["given_noise"] = condition.noise(context["given"], rng)
        return context

    def evaluation(
        self, images: ImageSet, held_out: ImageSet, samples: int = SAMPLES
    ) -> ImageEvaluation:
        """The measures of a network trained on these images; InputError where held-out images lack
        the labels that it is told.
        """
        if held_out.labels is None and (self.conditional or self.condition == "label"):
            option = "--conditional" if self.conditional else "--condition label"
            raise InputError(
                f"{held_out.name}: the held-out images have no labels for {option}; give them"
                " labels, or the training images alone, of which some are then held out"
            )
        return ImageEvaluation(
            images, held_out, self.sigma_min, self.sigma_max, samples, context=self.context
        )

    def denoiser(self, shape: tuple[int, int, int], classes: int, seed: int) -> EDMDenoiser:
        """A fresh denoiser for images of `shape` with that many classes, whether used or not."""
        inputs = Inputs(
            shape,
            classes=classes if self.conditional else 0,
            augment=augment.AUGMENT_DIM if self.augment else 0,
            dropout=self.dropout,
        )
        condition = self.known(shape, classes)
        if condition is None:
            return make_denoiser(shape, self.sigma_data, seed, self.network, inputs)
        # One plane more says where the condition is given.
        inputs = replace(inputs, given=condition.channels + 1)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = make_network(self.network, inputs)
        return ConditionedDenoiser(network, self.sigma_data, self.condition_noise)


class ImageTask:
    """Denoise images with EDM's objective: w(sigma) |D(x0 + sigma eps, sigma) - x0|^2 / dim.

    Args:
        conditional: Give the class as `label` (n,); in a share `label_dropout` of the examples
            the null label, which is the number of classes.
        augment: Probability of `augment.draw`; only flips where images have few grey levels.
        condition: What is known of an image besides; withheld in a share `condition_dropout`.
    """

    def __init__(
        self,
        images: ImageSet,
        denoiser: nn.Module,
        weight: Weight,
        *,
        conditional: bool = False,
        label_dropout: float = 0.1,
        augment: float = 0.0,
        condition: Condition | None = None,
        condition_dropout: float = 0.1,
    ) -> None:
        self.images, self.denoiser, self.weight = images, denoiser, weight
        self.dim = images.dim
        self.conditional, self.label_dropout, self.augment = conditional, label_dropout, augment
        self.condition, self.condition_dropout = condition, condition_dropout

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: np.ndarray) -> Batch:
        x0 = self.images.x0(index)
        if self.images.labels is None or not (self.conditional or self.condition):
            return Batch(x0)
        return Batch(x0, {"label": torch.from_numpy(self.images.labels[index])})

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        return denoising_losses(denoiser, self.vary(batch), sigma, eps, self.weight)

    def vary(self, batch: Batch) -> Batch:
        """Augment images, take what is known of them, withhold labels and conditions; at random.

        From the global generator, which the loop seeds for every micro-batch: `batch` is called
        before that.
        """
        x0, label = batch.x0, batch.condition.get("label")
        condition: dict[str, Tensor] = {}
        n, device = len(x0), x0.device
        if self.conditional and label is not None:
            condition["label"] = label
            if self.label_dropout:
                withheld = torch.rand(n, device=device) < self.label_dropout
                condition["label"] = label.masked_fill(withheld, len(self.images.classes))
        if self.augment:
            few = self.images.levels is not None and self.images.levels <= FEW_LEVELS
            transforms = augment.draw(n, self.augment, exact=few, device=device)
            x0 = augment.apply(x0, transforms)
            condition["augment"] = transforms.label()
        if self.condition is not None:
            condition |= self.condition.observe(x0, label)
            condition["given_noise"] = self.condition.noise(condition["given"])
            if self.condition_dropout:
                condition["withheld"] = torch.rand(n, device=device) < self.condition_dropout
        return Batch(x0, condition)


def make_denoiser(
    shape: tuple[int, int, int],
    sigma_data: float,
    seed: int,
    network: str = "small",
    inputs: Inputs | None = None,
) -> EDMDenoiser:
    """A freshly initialised denoiser for images of shape (channels, height, width), the same for
    the same seed.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return EDMDenoiser(make_network(network, inputs or Inputs(shape)), sigma_data)


def load_split(
    data: str,
    size: int | None,
    binarize: float | None = None,
    held_out: float | None = None,
    *,
    refuse_unused: bool = False,
) -> tuple[ImageSet, ImageSet]:
    """Training and held-out images, the same ones for the same data; see `data.load_split`."""
    return load_two(
        data, size=size, binarize=binarize, held_out=held_out, refuse_unused=refuse_unused
    )
