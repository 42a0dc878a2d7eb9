"""Options of encoders; imports neither torch nor numpy."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.config import EngineConfig, TrainConfig


@dataclass(frozen=True, kw_only=True)
class Encode:
    """Experimental: learn latents of images beside a run that stays as it is, and write them.

    The same command goes on after an interruption. latents.npz in --out has those of all images.
    """

    run: Positional[Path]
    """the --out of a train command, without classes, conditions and stages"""
    out: Path
    """folder for the encoder and the latents"""
    latent: int = 24
    """numbers of a latent"""
    rank: int = 4
    """of the part of the precision of latents that is not diagonal"""
    beta: float = 0.03
    """weight of what a latent costs beside what it tells; with 1 there is no reason to have any"""
    data: str | None = None
    """the images, if they have moved since training"""
    overwrite: bool = False
    """replace what an earlier encode left in --out"""
    engine: OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    train: OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig(steps=2000, batch_size=64, lr=1e-3)
    )

    def __post_init__(self) -> None:
        for name, least in (("latent", 1), ("rank", 0)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)}: give at least {least}")
        if not self.beta >= 0:
            raise InputError(f"--beta {self.beta:g}: give 0 or more")


@dataclass(frozen=True)
class Reconstruct:
    """Experimental: draw pictures again from their latents alone."""

    encoder: Positional[Path]
    """the --out of an encode command"""
    pictures: Positional[tuple[Path, ...]]
    """images or folders of images"""
    out: Path
    """NAME.png for one grid with each picture before its results, any other name for a folder"""
    samples: int = 1
    """results for each picture"""
    run: Path | None = None
    """the run whose denoiser it stands beside, if that has moved"""
    overwrite: bool = False
    """replace what is at --out"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"--samples {self.samples}: give at least 1")
