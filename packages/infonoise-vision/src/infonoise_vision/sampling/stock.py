"""A run of a network of Diffusers as a pipeline of its own classes."""

import importlib
from typing import Any

from infonoise_core.integrations.diffusers_levels import kind_of
from infonoise_vision.models import theirs
from infonoise_vision.sampling.trained import ImageRun

STOCK_PAGE = """---
library_name: diffusers
tags: [infonoise, diffusion, images]
---

# {run}

A model of images trained with [infonoise-vision](https://pypi.org/project/infonoise-vision/) on a
network of Diffusers, in classes of its own: `pip install diffusers`, then

    pipeline = diffusers.DiffusionPipeline.from_pretrained("this folder")
"""


def stock_pipeline(run: ImageRun) -> Any:
    """A pipeline of Diffusers' own classes, where they make the run's images; else None."""
    settings, objective = run.settings.get(theirs.KEY), run.objective
    if settings is None or objective.scale != 1:
        return None
    library: Any = importlib.import_module("diffusers")
    network = theirs.unwrapped(run.denoiser)
    if settings.get(theirs.SCHEDULER) is None:
        if objective.unit != 1:
            # Its scheduler tells the network of log(sigma) / 4 in no other unit.
            return None
        low, high = objective.span
        scheduler = library.EDMEulerScheduler(
            sigma_min=low, sigma_max=high, sigma_data=objective.std
        )
        return library.ConsistencyModelPipeline(unet=network, scheduler=scheduler)
    scheduler = theirs.scheduler_of(settings)
    kinds = {"ddpm": "DDPMPipeline", "edm": "ConsistencyModelPipeline"}
    name = kinds.get(kind_of(scheduler))
    if name is None or (name == "DDPMPipeline" and objective.conditional):
        return None
    return getattr(library, name)(unet=network, scheduler=scheduler)
