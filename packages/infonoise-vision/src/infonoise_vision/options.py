"""Options of the verbs that only images have; imports neither torch nor numpy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.sampling.options import SamplerConfig
from infonoise_vision.sampling.options import Filling


@dataclass(frozen=True)
class Prepare:
    """Decode images once, into a folder that every other command opens at once."""

    data: Positional[str]
    """a folder or archive of images, hf:NAME, or digits"""
    out: Path
    """folder to write"""
    size: int | None = None
    """crop to a square and resize to this many pixels"""
    binarize: float | None = None
    """make pixels black or white: white above this share of the brightest, such as 0.5"""
    limit: int | None = None
    """keep that many images, evenly spaced through the data"""
    held_out: float | None = None
    """where the data have no test images: share (below 1) or number of those to hold out; default a
    fifth, at most 10,000"""
    latents: Path | None = None
    """encode them by this autoencoder of Diffusers too, for train --latents"""
    bad_limit: int = 0
    """image files that may be unreadable or of another size; they are named and left out"""
    pair: str | None = None
    """a folder or archive with a picture of the same name for each image, which train --condition
    pair is to draw it from"""
    side_by_side: str | None = None
    """files hold both, the image and such a picture: the half, left or right, that this is"""
    allow_large: bool = False
    """read pictures of any number of pixels; otherwise those above 179 megapixels are refused"""
    overwrite: bool = False
    """replace what an earlier prepare left in --out"""


@dataclass(frozen=True)
class Export:
    """Write a run as a folder that Hugging Face Diffusers opens."""

    run: Positional[Path]
    """the --out of a train command, of a pull or of an import"""
    out: Positional[Path]
    """folder to write"""
    to: Literal["diffusers"] = "diffusers"
    """whose form it has"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )


@dataclass(frozen=True)
class Import:
    """Make a model that was trained elsewhere one of ours; nothing in its file is run."""

    source: Positional[Path]
    """network-snapshot-N.pkl of NVlabs/edm (DDPM++, NCSN++ or ADM), a folder of Diffusers with a
    UNet2DModel, or what export wrote"""
    out: Positional[Path]
    """folder to write, which every other command takes in place of a run"""
    data: str | None = None
    """images to measure the model's profile on, as for train"""
    overwrite: bool = False
    """replace what an earlier import left there"""


@dataclass(frozen=True)
class Inpaint:
    """Fill in a part of pictures."""

    run: Positional[Path]
    """the --out of a train command: with --condition hidden-half or hidden-box, or without any"""
    pictures: Positional[Path]
    """an image or a folder of images"""
    out: Path
    """NAME.png for one grid with each picture before its results, any other name for a folder"""
    mask: str = "lower"
    """what to fill in: lower, upper, left, right, box, or an image that is white there"""
    filling: OmitArgPrefixes[Filling] = field(default_factory=Filling)


@dataclass(frozen=True)
class Upscale:
    """Draw the detail of small pictures."""

    run: Positional[Path]
    """the --out of a train command: with --condition superres, or without any"""
    pictures: Positional[Path]
    """an image or a folder of images"""
    out: Path
    """NAME.png for one grid with each picture before its results, any other name for a folder"""
    factor: int | None = None
    """times larger; left out, the run's own"""
    filling: OmitArgPrefixes[Filling] = field(default_factory=Filling)
