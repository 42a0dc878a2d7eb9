"""`infonoise-vision sample`: new images, of a class where the run knows classes."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import Tensor
from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.sampling.solvers import Sample
from infonoise_core.training.progress import Reporter, progress
from infonoise_vision.sampling.images import (
    check_out,
    generate_seeds,
    parse_seeds,
    write_folder,
    write_grid,
)
from infonoise_vision.sampling.trained import TrainedRun, open_trained, refuse_nan

NO_CLASS = "none"


@dataclass(frozen=True)
class SampleCommand:
    """Generate images from a trained run."""

    run: Positional[Path]
    """the --out of a train command"""
    out: Path
    """NAME.png for all images in one grid, any other name for a folder of PNGs"""
    n: int = 64
    """how many images"""
    seeds: str | None = None
    """one image for each of these, such as 0-63,100, in place of --n and --seed"""
    label: Annotated[str | None, tyro.conf.arg(name="class")] = None
    """name or number of a class, or none for no class; left out, each class in turn"""
    overwrite: bool = False
    """replace what is at --out"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )


def run_sample(config: SampleCommand) -> None:
    """Generate images and write them, all or none."""
    check_out(config.out, config.overwrite)
    if config.n < 1:
        raise InputError(f"--n {config.n}: give at least 1")
    seeds = None if config.seeds is None else parse_seeds(config.seeds)
    n = config.n if seeds is None else len(seeds)
    run = open_trained(config.run, config.sampler.device)
    if run.objective.condition not in (None, "label"):
        raise InputError(
            f"{config.run}: was trained with --condition {run.objective.condition}: complete images"
            " with inpaint or upscale"
        )
    condition = labels(run, config.label, range(n) if seeds is None else seeds)
    with progress(n, "sample") as reporter:
        chunks = _chunks(run, config, seeds, n, condition, reporter)
        first = next(chunks)
        if config.out.suffix.lower() == ".png":
            images = torch.cat([first.x, *(part.x for part in chunks)])
            write_grid(config.out, images / run.objective.scale, levels=run.levels)
        else:
            names = (f"{number:06d}" for number in seeds or range(n))
            write_folder(config.out, _named(names, first, chunks, run.objective.scale), run.levels)
    print(f"{config.out}: {n} images, {first.nfe} denoiser calls each")


def labels(run: TrainedRun, name: str | None, places: Sequence[int]) -> dict[str, Tensor]:
    """Keyword arguments that give a run's denoiser the classes of n images.

    Args:
        name: Of one class for all, or NO_CLASS; None gives each class in turn.
        places: (n,) place of each image, or its seed, by which classes take turns.

    Returns:
        (n, ...) each; empty for a run without classes.

    Raises:
        InputError: For a name that it does not know, where it knows no classes at all, and for
            none where it was never trained without.
    """
    classes, objective = run.classes, run.objective
    if not (objective.conditional or objective.condition == "label"):
        if name is not None:
            raise InputError(
                f"--class {name}: {run.path} knows no classes; train with --conditional"
            )
        return {}
    n = len(places)
    label = torch.tensor(places) % len(classes)
    if name is not None:
        label = torch.full((n,), class_index(name, classes))
    key = "label" if objective.conditional else "withheld"
    if name is not None and int(label[0]) == len(classes) and key not in run.null():
        raise InputError(
            f"--class {NO_CLASS}: {run.path} was never trained without a class; give one, or train"
            " with a --label-dropout or --condition-dropout above 0"
        )
    given = {"label": label} if objective.conditional else {}
    condition = run.condition()
    if condition is not None and objective.condition == "label":
        blank = torch.zeros(1).expand(n, *run.shape)
        given |= condition.observe(blank, label.clamp_max(len(classes) - 1))
        given["withheld"] = label == len(classes)
    return given


def class_index(name: str, classes: tuple[str, ...]) -> int:
    """Of a class by its name or else its number; len(classes) for none."""
    if name in classes:
        return classes.index(name)
    if name == NO_CLASS:
        return len(classes)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    shown = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
    raise InputError(
        f"--class {name}: no such class; give a number from 0 to {len(classes) - 1} or one of"
        f" {shown}"
    )


def _chunks(
    run: TrainedRun,
    config: SampleCommand,
    seeds: list[int] | None,
    n: int,
    condition: dict[str, Tensor],
    reporter: Reporter,
) -> Iterator[Sample]:
    sampler, sampling = config.sampler, run.sampling(config.sampler)

    def advance(done: int, _: int) -> None:
        reporter.advance(done)

    if seeds is None:
        denoiser = run.guided_denoiser(sampler.guidance, sampler.seed, run.null())
        yield from sampling.chunks(denoiser, run.shape, n, condition, run.device, advance)
        return
    # The noise of a condition is an image's own as well.
    alone = run.objective.condition_noise > 0
    for start in range(0, n, 1 if alone else n):
        rows = slice(start, start + 1 if alone else n)
        denoiser = run.guided_denoiser(sampler.guidance, seeds[start], run.null())
        parts = generate_seeds(
            denoiser, run.shape, seeds[rows], sampling.sigmas, solver=sampler.solver,
            churn=sampling.churn, s_noise=sampler.s_noise, chunk=sampler.chunk,
            condition={k: v[rows] for k, v in condition.items()}, device=run.device,
            progress=advance,
        )  # fmt: skip
        yield from map(refuse_nan, parts)


def _named(
    names: Iterator[str], first: Sample, rest: Iterator[Sample], scale: float
) -> Iterator[tuple[str, Tensor]]:
    for part in itertools.chain([first], rest):
        for image in part.x / scale:
            yield next(names), image
