"""Images drawn from a user's pictures, which are to be their pairs, and how far they are off."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.sampling.solvers import Sample
from infonoise_core.training.progress import progress
from infonoise_vision.data.user_images import Pictures, all_pictures, read_pictures
from infonoise_vision.evaluation.options import Translate
from infonoise_vision.evaluation.pairs import Spread, figures, spread
from infonoise_vision.sampling.images import write_folder, write_grid
from infonoise_vision.sampling.labels import labels
from infonoise_vision.sampling.options import NO_CLASS
from infonoise_vision.sampling.trained import ImageRun


def write_translated(run: ImageRun, config: Translate) -> str:
    """Write the images of each picture; what was written, and how far it is from the targets.

    Args:
        config: Of the verb; --out is free.

    Raises:
        InputError: For a run without pairs, and for pictures that cannot be read.
    """
    if run.objective.condition != "pair":
        raise InputError(
            f"{config.run}: was trained without --condition pair; give a run that was, or complete"
            " pictures with inpaint or upscale"
        )
    pictures = all_pictures(config.pictures, (run.pair_channels, *run.shape[1:]))
    truth = None if config.target is None else _targets(config.target, pictures.names, run.shape)
    n, k = len(pictures.names), config.samples
    found: list[Spread] = []

    def images(chunks: Iterator[Sample]) -> Iterator[Tensor]:
        """Those (k, c, h, w) of each picture; what they are like is noted."""
        singly = (image for part in chunks for image in part.x / run.objective.scale)
        for i in range(n):
            mine = torch.stack([*itertools.islice(singly, k)])
            if truth is not None:
                found.append(spread(mine[None], truth[i : i + 1]))
            yield mine

    with progress(n * k, "translate") as reporter:
        chunks = _chunks(run, config, pictures, reporter.advance)
        first = next(chunks)
        made = images(itertools.chain([first], chunks))
        if config.out.suffix.lower() == ".png":
            sheet, columns = _sheet(pictures.x0, truth, made)
            write_grid(config.out, sheet, columns=columns)
        else:
            write_folder(config.out, _named(pictures.names, made), run.levels)
    line = f"{config.out}: {n * k} images of {n} pictures, {first.nfe} denoiser calls each"
    if not found:
        return line
    square, apart = (torch.cat(parts) for parts in zip(*found, strict=True))
    return f"{line}\n{_words(Spread(square, apart), k)}"


def _chunks(
    run: ImageRun, config: Translate, pictures: Pictures, advance: Callable[[int], None]
) -> Iterator[Sample]:
    n = len(pictures.names) * config.samples
    none = NO_CLASS if run.objective.conditional else None
    given = labels(run, config.label or none, range(n))
    seen = run.objective.scale * pictures.x0
    given["given"] = seen.repeat_interleave(config.samples, 0)
    denoiser = run.guided_denoiser(config.sampler.guidance, config.sampler.seed, run.null())
    return run.sampling(config.sampler).chunks(
        denoiser, run.shape, n, given, run.device, lambda done, _: advance(done)
    )


def _targets(source: Path, names: Sequence[str], shape: tuple[int, int, int]) -> Tensor:
    """What the images of each name should be, (n, c, h, w)."""
    targets = read_pictures(source, shape)
    if len(names) == 1 and len(targets.names) == 1:
        return targets.x0
    lone = [name for name in names if name not in targets.names]
    if lone:
        raise InputError(
            f"--target {source}: holds no picture called {lone[0]}; give one for every picture, of"
            " its name"
        )
    return targets.x0[[targets.names.index(name) for name in names]]


def _sheet(given: Tensor, truth: Tensor | None, made: Iterator[Tensor]) -> tuple[Tensor, int]:
    """Rows of a picture, its target and its images, all of the same channels; and their length."""
    rows = []
    for i, images in enumerate(made):
        beside = [given[i : i + 1]] if truth is None else [given[i : i + 1], truth[i : i + 1]]
        parts = [*beside, images]
        channels = max(part.shape[1] for part in parts)
        rows.append(torch.cat([part.expand(-1, channels, -1, -1) for part in parts]))
    return torch.cat(rows), len(rows[0])


def _named(names: Sequence[str], made: Iterator[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """stem.png, or stem-1.png, stem-2.png, ... where there are several of each."""
    for name, images in zip(names, made, strict=True):
        for j, image in enumerate(images):
            yield (name if len(images) == 1 else f"{name}-{j + 1}"), image


def _words(found: Spread, k: int) -> str:
    of = figures(found)
    line = f"from the targets: RMSE {of.one:.4f}, PSNR {of.psnr_one:.2f} dB"
    if k == 1:
        return line
    return (
        f"{line}; of the nearest of {k}: RMSE {of.best:.4f}, PSNR {of.psnr_best:.2f} dB; two images"
        f" of one picture lie {of.apart:.4f} apart"
    )
