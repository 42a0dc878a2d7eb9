"""Autoguidance: a run with a weaker one of the same images beside it."""

import math
from dataclasses import replace
from typing import Any

from infonoise_core.app.domain import Domain
from infonoise_core.app.trained import TrainedRun, open_trained
from infonoise_core.errors import InputError
from infonoise_core.sampling.options import SamplerConfig
from infonoise_vision.methods.options import ImageOptions
from infonoise_vision.sampling.options import Guiding
from infonoise_vision.sampling.trained import ImageRun


def with_guide(
    domain: Domain[Any, ImageOptions],
    run: TrainedRun[ImageOptions],
    guiding: Guiding,
    sampler: SamplerConfig,
) -> ImageRun:
    """The run that core has opened, with the guide that the options name.

    Raises:
        InputError: Where there is nothing to guide, and for a guide of other images, or of other
            conditions.
    """
    if sampler.guidance == 1 and guiding.between != (0, math.inf):
        option = "--guidance-min" if guiding.guidance_max is None else "--guidance-max"
        raise InputError(f"{option}: without --guidance it has no say; give that, such as 2")
    images = replace(ImageRun.of(run), between=guiding.between)
    if guiding.guide is None:
        return images
    path = guiding.guide
    if sampler.guidance == 1:
        raise InputError(f"--guide {path}: without --guidance it has no say; give that, such as 2")
    guide = ImageRun.of(open_trained(domain, path, sampler.device, guiding.guide_checkpoint))
    differs = _difference(images, guide)
    if differs:
        raise InputError(f"--guide {path}: {differs}; give a weaker run like {run.path}")
    return replace(images, guide=guide.denoiser)


def _difference(run: ImageRun, guide: ImageRun) -> str:
    """What a guide has otherwise than the run; empty where it fits."""
    if run.objective.staged or guide.objective.staged:
        return "runs in stages are not guided so"
    if run.objective.condition_noise and run.objective.condition is not None:
        return "conditions with noise of their own are not guided so"
    one, other = vars(run.objective), vars(guide.objective)
    ours, theirs = run.settings["images"], guide.settings["images"]
    for name in ("shape", "classes", "latents"):
        if ours.get(name) != theirs.get(name):
            return f"its images have {name} {theirs.get(name)}, and the run's {ours.get(name)}"
    for name in ("scale", "conditional", "condition", "factor"):
        if one[name] != other[name]:
            option = f"--{name.replace('_', '-')}"
            return f"was trained with {option} {other[name]}, and the run with {one[name]}"
    return ""
