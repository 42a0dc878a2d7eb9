"""`infonoise-vision inpaint` and `upscale`: images of which a part or the coarse form is known."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.sampling.solvers import Sample
from infonoise_core.training.progress import progress
from infonoise_vision.data.user_images import Pictures, is_rectangle, known_part, read_pictures
from infonoise_vision.domain import open_run
from infonoise_vision.models.conditions import Coarse, Condition, Region, region
from infonoise_vision.options import Inpaint, Upscale
from infonoise_vision.sampling.images import check_out, write_folder, write_grid
from infonoise_vision.sampling.labels import labels
from infonoise_vision.sampling.options import NO_CLASS, Filling
from infonoise_vision.sampling.trained import ImageRun


def run_inpaint(config: Inpaint) -> None:
    """Write each picture with the masked part drawn anew."""
    check_out(config.out, config.filling.overwrite)
    run = open_run(config.run, config.filling.sampler.device)
    kind = run.objective.condition
    if kind not in (None, "hidden-half", "hidden-box"):
        raise InputError(f"{config.run}: was trained with --condition {kind}; give one for regions")
    known = known_part(config.mask, run.shape)
    if kind == "hidden-half" and config.mask != "lower":
        raise InputError(
            f"--mask {config.mask}: {config.run} has learned to fill in the lower half alone; give"
            " a run with --condition hidden-box or with none"
        )
    if kind == "hidden-box" and not is_rectangle(1 - known):
        raise InputError(
            f"--mask {config.mask}: {config.run} has learned to fill in rectangles; give one, or a"
            " run without --condition"
        )
    pictures = read_pictures(config.pictures, run.shape)
    x0 = run.objective.scale * pictures.x0
    seen = region(x0, known.expand(len(x0), -1, -1, -1))
    shown = torch.where(known > 0, pictures.x0, 0)
    _fill(run, config.filling, config.out, Region(run.shape, box=True), seen, pictures, shown)


def run_upscale(config: Upscale) -> None:
    """Write each picture larger by the factor."""
    check_out(config.out, config.filling.overwrite)
    run = open_run(config.run, config.filling.sampler.device)
    kind, own = run.objective.condition, run.objective.factor
    if kind not in (None, "superres"):
        raise InputError(f"{config.run}: was trained with --condition {kind}; give superres")
    factor = own if config.factor is None else config.factor
    if kind == "superres" and factor != own:
        raise InputError(
            f"--factor {factor}: {config.run} was trained with {own}; leave --factor out"
        )
    condition = Coarse(run.shape, factor)
    c, h, w = run.shape
    pictures = read_pictures(config.pictures, (c, h // factor, w // factor))
    shown = condition.enlarge(pictures.x0)
    seen = {"given": run.objective.scale * shown}
    _fill(run, config.filling, config.out, condition, seen, pictures, shown)


def _fill(
    run: ImageRun,
    filling: Filling,
    out: Path,
    condition: Condition,
    seen: Mapping[str, Tensor],
    pictures: Pictures,
    shown: Tensor,
) -> None:
    n = len(shown) * filling.samples
    none = NO_CLASS if run.objective.conditional else None
    given = labels(run, filling.label or none, range(n))
    given |= {k: v.repeat_interleave(filling.samples, 0) for k, v in seen.items()}
    method = filling.method or ("trained" if run.objective.condition else "ddnm")
    denoiser = run.completing(method, condition, filling.sampler)
    sampling = run.sampling(filling.sampler)
    with progress(n, "fill in") as reporter:
        chunks = sampling.chunks(
            denoiser, run.shape, n, given, run.device, lambda done, _: reporter.advance(done)
        )
        first = next(chunks)
        if out.suffix.lower() == ".png":
            filled = torch.cat([first.x, *(part.x for part in chunks)]) / run.objective.scale
            rows = filled.reshape(len(shown), filling.samples, *run.shape)
            sheet = torch.cat([shown[:, None], rows], 1).flatten(0, 1)
            write_grid(out, sheet, columns=filling.samples + 1)
        else:
            write_folder(out, _named(pictures.names, filling.samples, first, chunks, run))
    print(f"{out}: {n} images, {first.nfe} denoiser calls each, method {method}")


def _named(
    names: list[str], each: int, first: Sample, rest: Iterator[Sample], run: ImageRun
) -> Iterator[tuple[str, Tensor]]:
    """stem.png, or stem-1.png, stem-2.png, ... where there are several of each."""
    number = 0
    for part in itertools.chain([first], rest):
        for image in part.x / run.objective.scale:
            name = names[number // each]
            yield (name if each == 1 else f"{name}-{number % each + 1}"), image
            number += 1
