"""Options of measuring; imports neither torch nor numpy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_vision.sampling.options import Guiding

# Held-out images of the bound: it is computed at every evaluation, and with so many its error is a
# few per cent of what one image costs.
LIMIT = 512
# What a profile is split by.
By = Literal["haar", "channel"]


@dataclass(frozen=True)
class EvaluateExtras:
    """What is measured, and with which networks."""

    guiding: OmitArgPrefixes[Guiding] = field(default_factory=Guiding)

    bound_images: int = LIMIT
    """held-out images of the likelihood bound"""
    classifier: bool = True
    """distances in features of a classifier, which is trained on the training images"""
    inception_weights: Path | None = None
    """FID and the like: the file with the weights of its Inception network"""
    nearest: bool = False
    """how near generated images are to those of training, beside held-out ones: whether a network
    copies"""
    best_of: int = 4
    """of a run with --condition pair: images of each input, of which the nearest to the true one
    and how far they lie apart are measured"""
    complete: str | None = None
    """of a run without --condition: hidden-half, hidden-box or superres, to be completed"""
    method: str | None = None
    """--complete: ddnm or replace; left out, ddnm"""
    cache: Path | None = None
    """folder of trained classifiers (else INFONOISE_CACHE, or .cache/infonoise in the home)"""
    against: str | None = None
    """measure images that lie in a folder, .zip or .npz, in place of a run: the real ones that they
    are compared with, as train takes them, or a file of --save-reference"""
    binarize: float | None = None
    """--against: make real images black or white, as train does"""
    save_reference: Path | None = None
    """--against: write what is needed of the real images here (.npz), for further comparisons"""

    def __post_init__(self) -> None:
        if self.bound_images < 2:
            raise InputError(f"--bound-images {self.bound_images}: a bound needs at least 2")
        if self.method is not None and self.complete is None:
            raise InputError(f"--method {self.method}: says how to --complete; give that as well")
        if self.against is None and (self.binarize is not None or self.save_reference is not None):
            option = "--binarize" if self.binarize is not None else "--save-reference"
            raise InputError(f"{option}: is for images that are compared --against others")
        if self.best_of < 1:
            raise InputError(f"--best-of {self.best_of}: give at least 1")
        if self.complete == "pair":
            raise InputError("--complete pair: nothing can be completed from a pair; train with it")
        if self.complete == "label":
            raise InputError("--complete label: a class cannot be completed from; train with it")


@dataclass(frozen=True)
class ProfileExtras:
    """What is measured now."""

    by: By | None = None
    """measure the network's error on held-out images, split by Haar band or by channel; --out may
    then be a profile (.json), too"""
    births: bool = False
    """of a run with --stages: nats that are lost where details are born"""
    gap: bool = False
    """measure what the run's condition or class says of the image, in nats"""
    data: str | None = None
    """--by, --births, --gap: the images, if they have moved since training"""
    draws: int = 256
    """--by, --births, --gap: noisy images for each noise level"""

    def __post_init__(self) -> None:
        asked = [name for name in ("by", "births", "gap") if getattr(self, name)]
        if len(asked) > 1:
            raise InputError(f"{' and '.join(f'--{name}' for name in asked)}: give one of them")
        if self.draws < 2:
            raise InputError(f"--draws {self.draws}: give at least 2, to know the error")


@dataclass(frozen=True)
class Translate:
    """Draw images from pictures, by a run trained with --condition pair."""

    run: Positional[Path]
    """the --out of a train command with --condition pair"""
    pictures: Positional[tuple[Path, ...]]
    """images or folders of images, such as the pairs were that it was trained with"""
    out: Path
    """NAME.png for one grid with each picture before its images, any other name for a folder"""
    samples: Annotated[int, arg(aliases=["--n"])] = 1
    """images for each picture"""
    target: Path | None = None
    """what they should be, an image or a folder of the same names: how far they are from that, and
    the nearest of --samples, is printed"""
    label: str | None = None
    """name or number of a class, for a run that knows classes"""
    overwrite: bool = False
    """replace what is at --out"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"--samples {self.samples}: give at least 1")
