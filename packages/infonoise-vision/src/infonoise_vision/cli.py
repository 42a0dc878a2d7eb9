"""infonoise-vision: prepare, train, sample, evaluate, profile, compare."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_vision
from infonoise_core.errors import InputError
from infonoise_core.training import command
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engine import EngineConfig, pick_device
from infonoise_core.training.loop import load_denoiser
from infonoise_core.training.profile import Profile, run_profile
from infonoise_core.training.progress import progress
from infonoise_core.training.run import (
    Run,
    print_measures,
    profile_of,
    read_run_of,
    run_settings,
    run_training,
)
from infonoise_core.training.sampling import SamplerConfig, generate
from infonoise_core.training.schedules import make_schedule
from infonoise_vision.compare import Compare, run_compare
from infonoise_vision.evaluate import ImageEvaluation
from infonoise_vision.prepare import Prepare, run_prepare
from infonoise_vision.sample import png_grid
from infonoise_vision.task import Objective, describe

COMMAND = "infonoise-vision train"


@dataclass(frozen=True)
class Train:
    """Train a denoiser on images; the same command goes on after an interruption."""

    out: Path
    """folder for checkpoints, metrics and profile"""
    data: Positional[str] = "digits"
    """digits (scikit-learn's, 8x8), a folder or archive of images, or hf:NAME"""
    schedule: str = "infonoise"
    """how noise levels are drawn: edm, log-uniform, infonoise or another"""
    overwrite: bool = False
    """replace an earlier run in --out"""
    engine: OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    objective: OmitArgPrefixes[Objective] = field(default_factory=Objective)
    train: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class SampleCommand:
    """Generate images from a trained run into a PNG grid."""

    run: Positional[Path]
    """the --out of a train command"""
    out: Path
    """PNG file to write"""
    n: int = 64
    """how many images"""
    overwrite: bool = False
    """replace the file --out"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained run on the images it did not see."""

    run: Positional[Path]
    """the --out of a train command"""
    data: str | None = None
    """the images, if they have moved since training"""
    samples: int = 256
    """generated and held-out images of the distance"""
    device: str = "auto"
    """cpu, cuda or auto"""


def run_train(config: Train) -> None:
    """Train, evaluate, and leave a run in config.out."""
    objective = config.objective
    images, held_out = objective.load(config.data)
    run = Run(
        task=objective.task(images, config.train.seed),
        schedule=make_schedule(config.schedule, objective.setting(config.train.updates, images)),
        evaluation=ImageEvaluation(images, held_out, objective.sigma_min, objective.sigma_max),
        settings=run_settings(COMMAND, config, images=describe(images, held_out)),
        about=f"{len(images)} images {'x'.join(map(str, images.shape))} of {images.name}",
    )
    run_training(run, config)


def run_sample(config: SampleCommand) -> None:
    """Generate images and write them as one PNG."""
    settings = read_run_of(COMMAND, config.run)
    if config.n < 1:
        raise InputError(f"--n {config.n}: give at least 1")
    if config.out.is_dir():
        raise InputError(f"--out {config.out} is a folder: give a file name")
    if config.out.exists() and not config.overwrite:
        raise InputError(f"--out {config.out} exists: give another name or --overwrite")
    sampler, objective = config.sampler, settings["objective"]
    profile = profile_of(config.run) if sampler.needs_profile else None
    sigmas = sampler.sigmas(objective["sigma_min"], objective["sigma_max"], profile)
    churn = sampler.churning(profile)
    denoiser = _denoiser_of(config.run, settings, sampler.device)
    shape = tuple(settings["images"]["shape"])
    config.out.parent.mkdir(parents=True, exist_ok=True)
    with progress(config.n, "sample") as reporter:
        sample = generate(
            denoiser, shape, config.n, sigmas, solver=sampler.solver, churn=churn,
            s_noise=sampler.s_noise, seed=sampler.seed, chunk=sampler.chunk,
            progress=lambda done, _: reporter.advance(done),
        )  # fmt: skip
    if not sample.x.isfinite().all():
        raise InputError(f"{config.run}: its images are not finite; train again with a lower --lr")
    temporary = config.out.with_name(f".{config.out.name}.tmp")
    temporary.write_bytes(png_grid(sample.x / objective["scale"]))
    temporary.replace(config.out)
    print(f"{config.out}: {config.n} images, {sample.nfe} denoiser calls each")


def run_evaluate(config: Evaluate) -> None:
    """Print the measures of a run on its held-out images."""
    settings = read_run_of(COMMAND, config.run)
    objective = Objective(**settings["objective"])
    if config.samples < 2:
        raise InputError(f"--samples {config.samples}: a distance needs at least 2")
    data = config.data or settings["data"]
    images, held_out = objective.load(data)
    found, known = describe(images, held_out), settings["images"]
    differs = next((k for k in known if k != "name" and found[k] != known[k]), None)
    if differs:
        raise InputError(
            f"{data}: not the images of {config.run}, whose {differs} is {known[differs]} and not"
            f" {found[differs]}; give the same ones with --data"
        )
    denoiser = _denoiser_of(config.run, settings, config.device)
    evaluation = ImageEvaluation(
        images, held_out, objective.sigma_min, objective.sigma_max, config.samples
    )
    print_measures(evaluation, evaluation(denoiser))


def main(argv: list[str] | None = None) -> int:
    """Entry point of `infonoise-vision`."""
    return command.run(
        "infonoise-vision",
        infonoise_vision.__version__,
        {
            "prepare": (Prepare, run_prepare),
            "train": (Train, run_train),
            "sample": (SampleCommand, run_sample),
            "evaluate": (Evaluate, run_evaluate),
            "profile": (Profile, run_profile),
            "compare": (Compare, run_compare),
        },
        argv,
    )


def _denoiser_of(run: Path, settings: dict[str, Any], device: str) -> nn.Module:
    shape = tuple(settings["images"]["shape"])
    classes = len(settings["images"].get("classes", ()))
    denoiser = Objective(**settings["objective"]).denoiser(shape, classes, seed=0)
    load_denoiser(run, denoiser)
    return denoiser.to(pick_device(device)).eval()


if __name__ == "__main__":
    sys.exit(main())
