"""Images as a denoising task: what core's loop trains on, made from an `Objective`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser, EDMDenoiser
from infonoise_core.processes.weighting import Weight, edm_weight, unit_weight
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.training.task import Batch, Losses, denoising_losses
from infonoise_vision.data.images import ImageSet, Parts, load_parts
from infonoise_vision.data.latents import in_latents
from infonoise_vision.data.priors import (
    FEW_LEVELS,
    cosine_profile,
    level_frequencies,
    level_values,
    pixel_profile,
    reading_noise,
)
from infonoise_vision.data.streamed import shards_of
from infonoise_vision.methods.conditioning import condition_of
from infonoise_vision.methods.options import Objective
from infonoise_vision.models import augment
from infonoise_vision.models.conditions import (
    Condition,
    ConditionedDenoiser,
    ConditionedSymbols,
)
from infonoise_vision.models.haar import stages_of
from infonoise_vision.models.pairs import PAIR_DATA, PairPlanes
from infonoise_vision.models.registry import Inputs, make_network
from infonoise_vision.models.staged import StagedDenoiser
from infonoise_vision.models.symbols import SymbolDenoiser, outputs, symbol_losses
from infonoise_vision.models.theirs import SCHEDULER, Scheduled, is_theirs, settings_of


def load(objective: Objective, data: str) -> Parts:
    """Training and held-out images, the same ones for the same data."""
    parts = load_parts(data, objective.reading, objective.held_out)
    if objective.latents is not None:
        parts = in_latents(parts, objective.latents, data)
    train, held_out = (replace(p, scale=objective.scale) for p in (parts.train, parts.held_out))
    return replace(parts, train=train, held_out=held_out)


def weight_of(objective: Objective) -> Weight:
    """The loss weight that the option `weight` names."""
    return edm_weight(objective.std) if objective.edm_weighted else unit_weight()


def channel_of(objective: Objective) -> VarianceExploding:
    """The noise levels that are trained on."""
    return VarianceExploding(*objective.span)


def schedule_context(objective: Objective, steps: int, images: ImageSet) -> ScheduleContext:
    """What a schedule is made for, `steps` optimizer steps long."""
    channel = channel_of(objective)
    symbols = pixel_profile(images, channel)
    if symbols is not None and objective.favour is not None:
        raise InputError(
            f"--favour {objective.favour}: {images.name} has {images.levels} grey levels, whose"
            " noise levels need no choice between bits and pictures; leave it out"
        )
    linear = cosine_profile(images, channel)
    return ScheduleContext(
        channel, weight_of(objective), steps, images.dim, symbols, linear,
        logits=objective.symbols, compensate=objective.value, scale=objective.unit,
    )  # fmt: skip


def make_task(objective: Objective, images: ImageSet, seed: int) -> "ImageTask":
    """The images, with a fresh network; InputError where it needs labels that are not there."""
    if objective.conditional and images.labels is None:
        raise InputError(
            f"{images.name}: has no labels for --conditional; give classes as subfolders, or"
            " labels as the format has them"
        )
    condition = condition_of(objective, images.shape, len(images.classes), images.pair_channels)
    denoiser = fresh_denoiser(objective, images, seed)
    return ImageTask(
        images, denoiser, weight_of(objective),
        conditional=objective.conditional, label_dropout=objective.label_dropout,
        augment=objective.augment, condition=condition,
        condition_dropout=objective.condition_dropout, symbols=objective.symbols,
    )  # fmt: skip


def fresh_denoiser(objective: Objective, images: ImageSet, seed: int) -> nn.Module:
    """What is trained on these images, which a head of symbols takes its prior from.

    Raises:
        InputError: For a head of symbols and images that have too many levels.
    """
    frequencies = None
    if objective.symbols:
        frequencies = level_frequencies(images).reshape(*images.shape, -1)
    return denoiser_of(
        objective, images.shape, len(images.classes), seed, images.levels, frequencies,
        pair=images.pair_channels,
    )  # fmt: skip


def denoiser_of(
    objective: Objective,
    shape: tuple[int, int, int],
    classes: int,
    seed: int,
    levels: int | None = None,
    frequencies: Tensor | None = None,
    theirs: Mapping[str, Any] | None = None,
    pair: int = 0,
) -> nn.Module:
    """A fresh denoiser of images of `shape` (c, h, w) with that many classes, used or not.

    Args:
        levels: Grey levels of the images, for a head of symbols.
        frequencies: (c, h, w, levels) its prior, where it does not come with weights.
        theirs: Settings of a network of Diffusers, where a run has kept them.
        pair: Channels of what lies beside each image, 0 for nothing.
    """
    if is_theirs(objective.network):
        theirs = theirs or settings_of(objective.network)
        _check_theirs(objective, theirs)
    inputs = Inputs(
        shape,
        classes=classes if objective.conditional else 0,
        augment=augment.AUGMENT_DIM if objective.augment else 0,
        dropout=objective.dropout,
        network_format=objective.network_format,
        theirs=theirs,
    )
    condition = condition_of(objective, shape, classes, pair)
    pair_data = PAIR_DATA * objective.scale
    given_data = pair_data if isinstance(condition, PairPlanes) else None
    if condition is not None:
        # One plane more says where the condition is given.
        inputs = replace(inputs, given=condition.channels + 1)
    std, unit, noise = objective.std, objective.unit, objective.condition_noise
    if objective.staged:
        network = seeded_network(objective.network, inputs, seed)
        halvings, pair = stages_of(objective.stages, shape), 0 if condition is None else pair
        return StagedDenoiser(
            network, shape, halvings, unit, pair, pair_data,
            lead=objective.lead, start=one_level_until(objective, levels),
        )  # fmt: skip
    if not objective.symbols:
        network = seeded_network(objective.network, inputs, seed)
        if theirs is not None and theirs.get(SCHEDULER):
            return Scheduled(network, theirs)
        if condition is None:
            return EDMDenoiser(network, std, unit)
        return ConditionedDenoiser(network, std, noise, unit, given_data)
    if levels is None:
        raise InputError("--head symbols: the images are real numbers; give --head edm")
    inputs = replace(inputs, given=inputs.given + shape[0], outputs=outputs(shape, levels))
    network = seeded_network(objective.network, inputs, seed)
    scales = {"sigma_data": std, "scale": objective.scale, "unit": unit}
    if condition is None:
        return SymbolDenoiser(network, shape, levels, frequencies, **scales)
    return ConditionedSymbols(
        network, shape, levels, frequencies, noise=noise, given_data=given_data, **scales
    )


def one_level_until(objective: Objective, levels: int | None) -> float:
    """The noise up to which all bands of images in stages have one level.

    With a lead that is where their grey levels are read, which takes white noise.
    """
    low = objective.span[0]
    if objective.lead == 1 or levels is None:
        return low
    return max(low, reading_noise(levels, objective.scale))


def _check_theirs(objective: Objective, theirs: Mapping[str, Any]) -> None:
    """InputError for options that a network of Diffusers does not take."""
    refused = {
        "--condition": objective.condition is not None, "--head symbols": objective.symbols,
        "--stages": objective.staged, "--augment": objective.augment > 0,
    }  # fmt: skip
    if any(refused.values()):
        option = next(name for name, given in refused.items() if given)
        raise InputError(f"--network {objective.network}: takes no {option}; leave one of them out")
    if theirs.get(SCHEDULER) and objective.conditional and objective.label_dropout:
        raise InputError(
            f"--network {objective.network}: its network has no class for none, so labels cannot be"
            " withheld; give --label-dropout 0"
        )


def seeded_network(name: str, inputs: Inputs, seed: int) -> nn.Module:
    """A freshly initialised network of that name, the same for one seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make_network(name, inputs)


def make_denoiser(
    shape: tuple[int, int, int],
    sigma_data: float,
    seed: int,
    network: str = "small",
    inputs: Inputs | None = None,
) -> EDMDenoiser:
    """A freshly initialised denoiser of images of `shape` (c, h, w), the same for one seed."""
    return EDMDenoiser(seeded_network(network, inputs or Inputs(shape), seed), sigma_data)


def _few(images: ImageSet) -> bool:
    """Whether images, or what lies beside them, have too few grey levels to be resampled."""
    levels = [images.levels] + ([] if images.pairs is None else [images.pairs.levels])
    return any(number is not None and number <= FEW_LEVELS for number in levels)


class ImageTask:
    """Denoise images with EDM's objective: `w(sigma) |D(x0 + sigma eps, sigma) - x0|^2 / dim`.

    With `symbols` that is `w(sigma)` times the cross entropy of the grey levels / dim.

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
        symbols: bool = False,
    ) -> None:
        self.images, self.denoiser, self.weight = images, denoiser, weight
        self.dim, self.shards = images.dim, shards_of(images.pixels)
        self.conditional, self.label_dropout, self.augment = conditional, label_dropout, augment
        self.condition, self.condition_dropout = condition, condition_dropout
        self._values = level_values(images.levels or 2, images.scale) if symbols else None

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: np.ndarray) -> Batch:
        x0, beside = self.images.x0(index), {}
        if self.images.labels is not None and (self.conditional or self.condition):
            beside["label"] = torch.from_numpy(self.images.labels[index])
        given = self.images.given(index) if isinstance(self.condition, PairPlanes) else None
        if given is not None:
            beside["pair"] = given
        return Batch(x0, beside)

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        batch = self.vary(batch)
        if self._values is None:
            return denoising_losses(denoiser, batch, sigma, eps, self.weight)
        return symbol_losses(denoiser, batch, sigma, eps, self.weight, self._values)

    def vary(self, batch: Batch) -> Batch:
        """Augment images, take what is known of them, withhold labels and conditions; at random.

        From the global generator, which the loop seeds for every micro-batch: `batch` is called
        before that.
        """
        x0, label, pair = batch.x0, batch.condition.get("label"), batch.condition.get("pair")
        condition: dict[str, Tensor] = {}
        n, device = len(x0), x0.device
        if self.conditional and label is not None:
            condition["label"] = label
            if self.label_dropout:
                withheld = torch.rand(n, device=device) < self.label_dropout
                condition["label"] = label.masked_fill(withheld, len(self.images.classes))
        if self.augment:
            transforms = augment.draw(n, self.augment, exact=_few(self.images), device=device)
            x0 = augment.apply(x0, transforms)
            pair = None if pair is None else augment.apply(pair, transforms)
            condition["augment"] = transforms.label()
        if self.condition is not None:
            condition |= self.condition.observe(x0, label, pair=pair)
            condition["given_noise"] = self.condition.noise(condition["given"])
            if self.condition_dropout:
                condition["withheld"] = torch.rand(n, device=device) < self.condition_dropout
        return Batch(x0, condition)
