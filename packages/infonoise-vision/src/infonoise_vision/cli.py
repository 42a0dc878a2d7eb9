"""infonoise-vision: train, sample, evaluate, profile, compare."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from tyro.conf import OmitArgPrefixes, Positional

import infonoise_vision
from infonoise_core.errors import InputError
from infonoise_core.grid import entropic_grid, karras_grid
from infonoise_core.solver import SOLVERS
from infonoise_core.training import command
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.engine import EngineConfig, make_engine, pick_device
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
from infonoise_core.training.sampling import generate
from infonoise_core.training.schedules import make_schedule
from infonoise_vision.compare import Compare, run_compare
from infonoise_vision.evaluate import ImageEvaluation
from infonoise_vision.sample import png_grid
from infonoise_vision.task import Objective, describe, load_split, make_denoiser

COMMAND = "infonoise-vision train"


@dataclass(frozen=True)
class Train:
    """Train a denoiser on images; the same command goes on after an interruption."""

    out: Path
    """folder for checkpoints, metrics and profile"""
    data: Positional[str] = "digits"
    """folder of images, .npz file, or digits (scikit-learn's, 8x8)"""
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
    steps: int = 18
    """noise levels of the solver"""
    solver: str = "heun"
    """euler, heun, dpmpp-2m or gradient-estimation"""
    grid: str = "karras"
    """noise levels: karras or entropic (by the run's profile)"""
    seed: int = 0
    """of the starting noise"""
    device: str = "auto"
    """cpu, cuda or auto"""
    overwrite: bool = False
    """replace the file --out"""


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
    images, held_out = load_split(config.data, objective.size)
    run = Run(
        task=objective.task(images, config.train.seed),
        schedule=make_schedule(config.schedule, objective.setting(config.train.updates, images)),
        evaluation=ImageEvaluation(images, held_out, objective.sigma_min, objective.sigma_max),
        settings=run_settings(COMMAND, config, images=describe(images, held_out)),
        about=f"{len(images)} images {'x'.join(map(str, images.shape))} of {images.name}",
    )
    engine = make_engine(config.engine)
    run_training(run, config.train, engine, config.out, overwrite=config.overwrite)


def run_sample(config: SampleCommand) -> None:
    """Generate images and write them as one PNG."""
    settings = read_run_of(COMMAND, config.run)
    if config.n < 1 or config.steps < 1 or config.seed < 0:
        raise InputError(
            f"--n {config.n}, --steps {config.steps}, --seed {config.seed}:"
            " give at least 1, 1 and 0"
        )
    if config.solver not in SOLVERS:
        raise InputError(
            f"--solver {config.solver}: no such solver; give one of {', '.join(SOLVERS)}"
        )
    if config.out.is_dir():
        raise InputError(f"--out {config.out} is a folder: give a file name")
    if config.out.exists() and not config.overwrite:
        raise InputError(f"--out {config.out} exists: give another name or --overwrite")
    sigmas = _grid(config, settings["objective"])
    denoiser = _denoiser_of(config.run, settings, config.device)
    shape = tuple(settings["images"]["shape"])
    config.out.parent.mkdir(parents=True, exist_ok=True)
    with progress(config.n, "sample") as reporter:
        sample = generate(
            denoiser, shape, config.n, sigmas, solver=config.solver, seed=config.seed,
            progress=lambda done, _: reporter.advance(done),
        )  # fmt: skip
    if not sample.x.isfinite().all():
        raise InputError(f"{config.run}: its images are not finite; train again with a lower --lr")
    temporary = config.out.with_name(f".{config.out.name}.tmp")
    temporary.write_bytes(png_grid(sample.x))
    temporary.replace(config.out)
    print(f"{config.out}: {config.n} images, {sample.nfe} denoiser calls each")


def run_evaluate(config: Evaluate) -> None:
    """Print the measures of a run on its held-out images."""
    settings = read_run_of(COMMAND, config.run)
    objective = settings["objective"]
    if config.samples < 2:
        raise InputError(f"--samples {config.samples}: a distance needs at least 2")
    data = config.data or settings["data"]
    images, held_out = load_split(data, objective["size"])
    found, known = describe(images, held_out), settings["images"]
    differs = next((k for k in known if k != "name" and found[k] != known[k]), None)
    if differs:
        raise InputError(
            f"{data}: not the images of {config.run}, whose {differs} is {known[differs]} and not"
            f" {found[differs]}; give the same ones with --data"
        )
    denoiser = _denoiser_of(config.run, settings, config.device)
    evaluation = ImageEvaluation(
        images, held_out, objective["sigma_min"], objective["sigma_max"], config.samples
    )
    print_measures(evaluation, evaluation(denoiser))


def main(argv: list[str] | None = None) -> int:
    """Entry point of `infonoise-vision`."""
    return command.run(
        "infonoise-vision",
        infonoise_vision.__version__,
        {
            "train": (Train, run_train),
            "sample": (SampleCommand, run_sample),
            "evaluate": (Evaluate, run_evaluate),
            "profile": (Profile, run_profile),
            "compare": (Compare, run_compare),
        },
        argv,
    )


def _grid(config: SampleCommand, objective: dict[str, Any]) -> Tensor:
    low, high = objective["sigma_min"], objective["sigma_max"]
    if config.grid == "karras":
        return karras_grid(config.steps, low, high)
    if config.grid == "entropic":
        return entropic_grid(profile_of(config.run), config.steps, low, high)
    raise InputError(f"--grid {config.grid}: no such grid; give karras or entropic")


def _denoiser_of(run: Path, settings: dict[str, Any], device: str) -> nn.Module:
    shape = tuple(settings["images"]["shape"])
    denoiser = make_denoiser(shape, settings["objective"]["sigma_data"], seed=0)
    load_denoiser(run, denoiser)
    return denoiser.to(pick_device(device)).eval()


if __name__ == "__main__":
    sys.exit(main())
