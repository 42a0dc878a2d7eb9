"""Pictures of which a part is known, with the rest drawn."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from infonoise_core.sampling.solvers import Sample
from infonoise_core.training.progress import progress
from infonoise_vision.data.user_images import Pictures
from infonoise_vision.models.conditions import Condition
from infonoise_vision.sampling.images import write_folder, write_grid
from infonoise_vision.sampling.labels import labels
from infonoise_vision.sampling.options import NO_CLASS, Filling
from infonoise_vision.sampling.trained import ImageRun


def fill(
    run: ImageRun,
    filling: Filling,
    out: Path,
    condition: Condition,
    seen: Mapping[str, Tensor],
    pictures: Pictures,
    shown: Tensor,
) -> None:
    """Write each picture's results, and say so.

    Args:
        run: Of images like the pictures.
        filling: How.
        out: A PNG or a folder.
        condition: What is known of pictures.
        seen: Of each, as `Condition.observe` gives it.
        pictures: Their names are those of the files.
        shown: (n, c, h, w) what stands before the results in a grid.
    """
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
