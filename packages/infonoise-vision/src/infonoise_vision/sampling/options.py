"""Options of sampling; imports neither torch nor numpy."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes

from infonoise_core.config.renamed import formerly
from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig

# The name of no class, for --label.
NO_CLASS = "none"
# Ways to take what is known of an image: as the run was trained, or without any training for it.
METHODS = ("trained", "ddnm", "replace")
# Of --seeds: more are a slip of the pen.
_MOST_SEEDS = 10_000_000


@dataclass(frozen=True)
class Guiding:
    """What --guidance leads away from, and where."""

    guide: Path | None = None
    """autoguidance: an earlier or smaller run on the same images, which --guidance leads away from
    in place of leading to the class"""
    guide_checkpoint: int | None = None
    """--guide: the optimizer step of a checkpoint that it kept, in place of the newest"""
    guidance_min: float = 0.0
    """no guidance below this noise level"""
    guidance_max: float | None = None
    """no guidance above this noise level"""

    @property
    def between(self) -> tuple[float, float]:
        """Noise levels of guidance."""
        return self.guidance_min, math.inf if self.guidance_max is None else self.guidance_max

    def __post_init__(self) -> None:
        low, high = self.between
        if not 0 <= low < high:
            raise InputError(
                f"--guidance-min {low:g} and --guidance-max {high:g}: give noise levels, the lower"
                " first"
            )
        if self.guide is None and self.guide_checkpoint is not None:
            raise InputError(
                f"--guide-checkpoint {self.guide_checkpoint}: is one of --guide; give that as well"
            )


@dataclass(frozen=True)
class SampleExtras:
    """Which images are generated."""

    guiding: OmitArgPrefixes[Guiding] = field(default_factory=Guiding)
    seeds: str | None = None
    """one image for each of these, such as 0-63,100, in place of --samples and --seed"""
    label: Annotated[str | None, formerly("class")] = None
    """name or number of a class, or none for no class; left out, each class in turn"""
    latents: Path | None = None
    """where the autoencoder of a run on latents is now, if it has moved"""

    def __post_init__(self) -> None:
        if self.seeds is not None:
            parse_seeds(self.seeds)


@dataclass(frozen=True)
class Filling:
    """How what is missing of an image is drawn."""

    method: str | None = None
    """trained (runs with --condition), ddnm or replace (runs without); left out, the run's own"""
    samples: Annotated[int, formerly("each")] = 1
    """results for each picture"""
    label: Annotated[str | None, formerly("class")] = None
    """name or number of a class, for a run that knows classes"""
    overwrite: bool = False
    """replace what is at --out"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"--samples {self.samples}: give at least 1")
        if self.method is not None:
            check_method(self.method)


def check_method(name: str) -> None:
    """InputError for a name that no method has."""
    if name not in METHODS:
        raise InputError(f"--method {name}: no such method; give one of {', '.join(METHODS)}")


def parse_seeds(text: str) -> list[int]:
    """The numbers that a text such as "0-3,7" names: [0, 1, 2, 3, 7]."""
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise InputError(f"--seeds {text}: give numbers and ranges, such as 0-63,100")
        more = range(int(found[1]), int(found[2] or found[1]) + 1)
        if len(seeds) + len(more) > _MOST_SEEDS:
            raise InputError(f"--seeds {text}: names more than {_MOST_SEEDS:,} images")
        seeds += more
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds {text}: names a seed twice")
    return seeds
