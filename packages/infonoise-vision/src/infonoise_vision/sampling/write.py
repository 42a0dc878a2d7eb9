"""New images of a run, of a class where it knows classes: in one PNG or a folder of them."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.app.options import SampleOptions
from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.sampling.solvers import Sample
from infonoise_core.training.progress import Reporter, progress
from infonoise_vision.sampling.images import ARCHIVE, write_archive, write_folder, write_grid
from infonoise_vision.sampling.labels import labels
from infonoise_vision.sampling.options import SampleExtras, parse_seeds
from infonoise_vision.sampling.trained import ImageRun


def write_samples(run: ImageRun, command: SampleOptions) -> str:
    """Generate images and write them, all or none; returns a line about what was written.

    Args:
        command: Its options are `SampleExtras`; --out is free.

    Raises:
        InputError: For a run that completes images, and for a class that it does not know.
    """
    if run.objective.condition not in (None, "label"):
        fix = "complete images with inpaint or upscale"
        if run.objective.condition == "pair":
            fix = "draw from pictures with translate"
        raise InputError(
            f"{run.path}: was trained with --condition {run.objective.condition}: {fix}"
        )
    extras: SampleExtras = command.options
    seeds = None if extras.seeds is None else parse_seeds(extras.seeds)
    n = command.samples if seeds is None else len(seeds)
    condition = labels(run, extras.label, range(n) if seeds is None else seeds)
    shown = partial(run.pictures, autoencoder=extras.latents)
    with progress(n, "sample") as reporter:
        chunks = _chunks(run, command.sampler, seeds, n, condition, reporter)
        first = next(chunks)
        if command.out.suffix.lower() == ".png":
            x0 = torch.cat([first.x, *(part.x for part in chunks)])
            write_grid(command.out, shown(x0), levels=run.levels)
        elif command.out.suffix.lower() == ARCHIVE:
            images = (shown(part.x) for part in itertools.chain([first], chunks))
            write_archive(command.out, images, _known(run, condition), run.levels)
        else:
            names = (f"{number:06d}" for number in seeds or range(n))
            write_folder(command.out, _named(names, first, chunks, shown), run.levels)
    return f"{command.out}: {n} images, {first.nfe} denoiser calls each"


def _known(run: ImageRun, condition: dict[str, Tensor]) -> NDArray[np.int64] | None:
    """Classes (n,) of the images; None where one has none."""
    label = condition.get("label")
    if label is None or bool((label >= len(run.classes)).any()):
        return None
    found: NDArray[np.int64] = label.numpy().astype(np.int64)
    return found


def _chunks(
    run: ImageRun,
    sampler: SamplerConfig,
    seeds: list[int] | None,
    n: int,
    condition: dict[str, Tensor],
    reporter: Reporter,
) -> Iterator[Sample]:
    sampling = run.sampling(sampler)

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
        given = {k: v[rows] for k, v in condition.items()}
        draws = [(seed, 0) for seed in seeds[rows]]
        yield from sampling.each(denoiser, run.shape, draws, given, run.device, advance)


def _named(
    names: Iterator[str], first: Sample, rest: Iterator[Sample], shown: Callable[[Tensor], Tensor]
) -> Iterator[tuple[str, Tensor]]:
    for part in itertools.chain([first], rest):
        for image in shown(part.x):
            yield next(names), image
