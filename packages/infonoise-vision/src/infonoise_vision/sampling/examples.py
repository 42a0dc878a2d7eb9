"""Some images of a run as one PNG, to look at while it is trained and in reports."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.progress import progress
from infonoise_vision.data.images import ImageSet
from infonoise_vision.data.latents import decoded
from infonoise_vision.methods.conditioning import conditioning_of
from infonoise_vision.methods.options import Objective
from infonoise_vision.methods.watching import LEVELS, SOLVER
from infonoise_vision.sampling.drawn import drawn
from infonoise_vision.sampling.images import SHOWN, png_grid
from infonoise_vision.sampling.labels import labels
from infonoise_vision.sampling.trained import ImageRun


def examples(objective: Objective, held_out: ImageSet, classes: int, denoiser: nn.Module) -> bytes:
    """Some images of a denoiser, the same starting noise each time.

    Each class in turn where the denoiser knows classes, held-out ones completed where it was
    trained with a condition.
    """
    sigmas = karras_grid(LEVELS, *objective.span)
    rows = np.arange(SHOWN) % len(held_out)
    inputs: dict[str, Tensor] = {}
    if objective.condition is not None:
        inputs = conditioning_of(objective, held_out, rows)
    elif objective.conditional:
        inputs = {"label": torch.arange(SHOWN) % classes}
    x0 = drawn(
        denoiser, held_out.shape, SHOWN, sigmas, solver=SOLVER, seed=0, condition=inputs
    )  # fmt: skip
    return png_grid(_pictures(x0, held_out, objective))


def real_examples(held_out: ImageSet, objective: Objective) -> bytes:
    """The first held-out images."""
    return png_grid(_pictures(held_out.x0(slice(SHOWN)), held_out, objective))


def _pictures(x0: Tensor, images: ImageSet, objective: Objective) -> Tensor:
    """Of scale 1, and latents decoded."""
    x0 = x0 / images.scale
    if images.code is None or objective.latents is None:
        return x0
    return decoded(x0, images.code, objective.latents)


class PageExamples(NamedTuple):
    """pictures: caption -> PNG.  x0: (n, c, h, w) what was generated, of the run's scale."""

    pictures: dict[str, bytes]
    x0: Tensor


def page_examples(run: ImageRun, held_out: ImageSet, sampler: SamplerConfig) -> PageExamples:
    """Held-out images, and generated ones or the same completed."""
    rows = np.arange(min(SHOWN, len(held_out)))
    sampling = run.sampling(sampler)
    if run.condition() is None:
        inputs = labels(run, None, range(len(rows)))
        caption = "generated images"
    else:
        inputs = run.conditioning(held_out, rows, sampler.seed)
        caption = f"the same, drawn with --condition {run.objective.condition}"
    denoiser = run.guided_denoiser(sampler.guidance, sampler.seed, run.null())
    with progress(len(rows), "sample") as reporter:
        parts = list(
            sampling.chunks(
                denoiser, run.shape, len(rows), inputs, run.device,
                lambda done, _: reporter.advance(done),
            )
        )  # fmt: skip
    x0 = torch.cat([part.x for part in parts])
    pictures = {
        "held-out images": real_examples(held_out, run.objective),
        f"{caption}, {parts[-1].nfe} denoiser calls each": png_grid(run.pictures(x0)),
    }
    return PageExamples(pictures, x0)
