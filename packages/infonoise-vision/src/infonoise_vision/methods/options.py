"""Options of what is learned of images; imports neither torch nor numpy."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from infonoise_core.config.idle import Idle
from infonoise_core.errors import InputError
from infonoise_vision.data.options import Reading, check_held_out, check_pair
from infonoise_vision.methods.watching import Watching
from infonoise_vision.models.options import check_condition, check_network, check_noise

WEIGHTS = ("edm", "unit")
HEADS = ("edm", "symbols")
# How far the loss weight is divided out of the draws (docs/decisions.md has the frontier).
VALUES = {"bits": 0.25, "balanced": 0.5, "pictures": 1.0}
# EDM's, for data of standard deviation 0.5 (Karras et al. 2022, table 1).
SIGMA_DATA, SIGMA_MIN, SIGMA_MAX = 0.5, 0.002, 80.0
# Options that, left out, the images decide; those of a run that goes on stay as they are.
SETTLED = ("noise_unit", "head", "weight", "sigma_min", "sigma_max", "sigma_data")


@dataclass(frozen=True)
class Objective:
    """Images and what is learned of them; the same in train and compare."""

    size: int | None = None
    """crop to a square and resize to this many pixels"""
    scale: float = 1.0
    """what pixel values between -1 and 1 are multiplied with; moves no setting that is given"""
    noise_unit: float | None = None
    """what EDM's noise levels are multiplied with: 1 suits data of standard deviation 0.5; default
    the training images' over 0.5"""
    sigma_min: float | None = None
    """lowest noise level, in the unit of the images; default 0.002 times --noise-unit"""
    sigma_max: float | None = None
    """highest noise level; default 80 times --noise-unit"""
    sigma_data: float | None = None
    """standard deviation the network's preconditioning assumes; default 0.5 times --noise-unit"""
    head: str | None = None
    """edm, or symbols: cross entropy of the grey levels, for images of at most 64; default by
    their number"""
    weight: str | None = None
    """loss weight: edm or unit; default edm, of symbols unit"""
    favour: str | None = None
    """what infonoise's draws are for, of more than 64 grey levels or real numbers: bits, balanced
    or pictures; default balanced"""
    binarize: float | None = None
    """make pixels black or white: white above this share of the brightest, such as 0.5"""
    held_out: float | None = None
    """where the data have no test images: share (below 1) or number of those to hold out; default a
    fifth, at most 10,000"""
    stream: bool = False
    """decode training images when they are needed, in place of all at the beginning: folders, plain
    tar shards and hf:NAME of any size; with --order shards each process reads its own"""
    network: str = "small"
    """tiny, small, ddpmpp-small, ddpmpp-cifar10, ddpmpp-ffhq64, adm-imagenet64, dit-tiny or
    dit-small, sizes as in ddpmpp:128:2-2-2:4:16 (ncsnpp, adm), or diffusers:config.json for one of
    Diffusers by its settings (or a pipeline's folder, with its scheduler), or module:callable, what
    makes a network of your own"""
    network_format: int = 2
    """2: ddpmpp and adm have EDM's own numbers; 1: those of runs before that"""
    dropout: float | None = None
    """inside the network, instead of its preset's"""
    conditional: bool = False
    """give the network each image's class"""
    label_dropout: float = 0.1
    """share of examples whose class is withheld, for guidance"""
    augment: float = 0.0
    """probability of each of EDM's augmentations, such as 0.12"""
    condition: str | None = None
    """what is known of each image: hidden-half, hidden-box (all but that), superres, label, or
    pair: a picture beside it"""
    condition_noise: float = 0.0
    """noise of the condition, relative to the image's: 0 none, 1 joint diffusion"""
    condition_dropout: float = 0.1
    """share of examples whose condition is withheld, for guidance and the information gap"""
    pair: str | None = None
    """pair: a folder or archive with a picture of the same name for each image (which data of
    prepare --pair and .npz have already)"""
    side_by_side: str | None = None
    """pair: files hold both, and the half that is known is left or right"""
    factor: int = 4
    """superres: side of the cells whose means are known"""
    latents: Path | None = None
    """learn the latents of this autoencoder of Diffusers, such as a pipeline's vae folder; they are
    encoded once and kept"""
    stages: str = "none"
    """work at half the side where noise has destroyed the finest details, so often: none, a number,
    or auto, down to 8 pixels"""
    birth_nats: float = 4.0
    """--stages: what the birth of a band of details may cost at most, by the images' covariances"""
    lead: float = 1.0
    """--stages: noise of details where they are born, over that of the image they are born into"""

    def __post_init__(self) -> None:
        self._check_range()
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
        self._check_stages()
        if self.latents is not None and self.augment:
            raise InputError(
                f"--augment {self.augment:g} --latents: latents of a turned image are no turned"
                " latents; leave --augment out"
            )
        self._check_stream()
        check_condition(self.condition)
        self._check_pair()
        check_noise(self.condition_noise)
        check_held_out(self.held_out)
        check_network(self.network)
        if self.network_format not in (1, 2):
            raise InputError(f"--network-format {self.network_format}: give 1 or 2")
        for option, name, names in (
            ("weight", self.weight, WEIGHTS), ("head", self.head, HEADS),
            ("favour", self.favour, VALUES),
        ):  # fmt: skip
            if name not in (None, *names):
                known = " or ".join(names)
                raise InputError(f"--{option} {name}: no such {option}; give {known}")

    def _check_stream(self) -> None:
        for option, given in (
            ("binarize", self.binarize), ("latents", self.latents), ("pair", self.pair),
            ("side-by-side", self.side_by_side),
        ):  # fmt: skip
            if self.stream and given is not None:
                raise InputError(
                    f"--stream --{option} {given}: needs all images at the beginning; leave one of"
                    " them out"
                )

    def _check_range(self) -> None:
        if not 0 < self.unit < math.inf:
            raise InputError(f"--noise-unit {self.unit:g}: give a factor above 0")
        low, high = self.span
        if not 0 < low < high < math.inf:
            raise InputError(
                f"--sigma-min {low:g} and --sigma-max {high:g} do not span a range: give"
                " 0 < sigma-min < sigma-max"
            )
        if not 0 < self.std < math.inf:
            raise InputError(f"--sigma-data {self.std:g}: give a standard deviation above 0")

    @property
    def reading(self) -> Reading:
        """How training images are read."""
        return Reading(
            self.size, binarize=self.binarize, lone_class=self.conditional,
            pair=self.pair, side_by_side=self.side_by_side, stream=self.stream,
        )  # fmt: skip

    @property
    def unit(self) -> float:
        """What noise levels are counted in; 1 in runs from before there was a choice."""
        return 1.0 if self.noise_unit is None else self.noise_unit

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest noise level."""
        low = SIGMA_MIN * self.unit if self.sigma_min is None else self.sigma_min
        return low, SIGMA_MAX * self.unit if self.sigma_max is None else self.sigma_max

    @property
    def std(self) -> float:
        """Standard deviation of the data, for the preconditioning."""
        return SIGMA_DATA * self.unit if self.sigma_data is None else self.sigma_data

    @property
    def symbols(self) -> bool:
        """Whether the network tells grey levels apart; not in runs from before it could."""
        return self.head == "symbols"

    @property
    def value(self) -> float:
        """The value exponent of `favour`."""
        return VALUES[self.favour or "balanced"]

    @property
    def edm_weighted(self) -> bool:
        """Whether low noise counts for more in the loss."""
        return self.weight == "edm" or (self.weight is None and not self.symbols)

    def _check_pair(self) -> None:
        check_pair(self.pair, self.side_by_side)
        if self.condition == "pair":
            if self.latents is not None:
                raise InputError(
                    "--condition pair --latents: pairs are pictures and not latents; leave one of"
                    " them out"
                )
            return
        for option, value in (("pair", self.pair), ("side-by-side", self.side_by_side)):
            if value is not None:
                raise InputError(
                    f"--{option} {value}: says what --condition pair is; give that as well"
                )

    def idle(self) -> Iterator[Idle]:
        """Options of what is not learned."""
        if not self.staged:
            for name in ("birth_nats", "lead"):
                yield Idle(self, name, "says how details are born in stages; give --stages")
        if not self.conditional:
            why = "no labels are learned; give --conditional"
            yield Idle(self, "label_dropout", why, none=0)
        if self.condition is None:
            for name in ("condition_dropout", "condition_noise"):
                yield Idle(self, name, "nothing is known of images; give --condition", none=0)

    def _check_stages(self) -> None:
        if self.stages not in ("none", "auto") and not self.stages.isdecimal():
            raise InputError(f"--stages {self.stages}: give none, auto or a number of halvings")
        if not 0 < self.birth_nats < math.inf:
            raise InputError(f"--birth-nats {self.birth_nats:g}: give a number above 0")
        if not 1 <= self.lead < math.inf:
            raise InputError(f"--lead {self.lead:g}: give 1 or more")
        if not self.staged:
            return
        if self.condition not in (None, "pair"):
            raise InputError(
                f"--stages {self.stages} --condition {self.condition}: that is not learned in"
                " stages yet, pair alone is; leave one of them out (inpaint and upscale do without)"
            )
        if self.condition is not None and self.condition_noise:
            raise InputError(
                f"--stages {self.stages} --condition-noise {self.condition_noise:g}: in stages a"
                " pair is never noised; leave it out"
            )
        if self.weight not in (None, "edm"):
            raise InputError(f"--weight {self.weight}: with --stages the weight is edm's")
        if self.symbols:
            raise InputError(
                f"--stages {self.stages} --head symbols: grey levels are not told apart in stages;"
                " leave one of them out"
            )

    @property
    def staged(self) -> bool:
        """Whether there is more than one stage."""
        return self.stages not in ("none", "0")


@dataclass(frozen=True)
class ImageOptions:
    """What is learned, and what is measured meanwhile."""

    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)
    watching: OmitArgPrefixes[Watching] = field(default_factory=Watching)
