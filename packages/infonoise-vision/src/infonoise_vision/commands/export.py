"""`infonoise-vision export`: a run as a folder that Hugging Face Diffusers opens."""

from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.files import whole_folder
from infonoise_vision.domain import open_run
from infonoise_vision.models import theirs
from infonoise_vision.options import Export
from infonoise_vision.sampling.stock import STOCK_PAGE, stock_pipeline


def run_export(config: Export) -> None:
    """Write config.out, whole or not at all, and say how to open it."""
    if config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
        raise InputError(f"{config.out} exists: give another folder")
    run = open_run(config.run, "cpu")
    if run.objective.condition is not None:
        raise InputError(
            f"{config.run}: was trained with --condition {run.objective.condition}, and pipelines"
            " of Diffusers take none; give a run without"
        )
    if run.objective.latents is not None:
        raise InputError(
            f"{config.run}: was trained on latents, which the pipeline would show as images; only"
            " runs on images are exported"
        )
    if run.objective.staged:
        raise InputError(
            f"{config.run}: was trained with --stages {run.objective.stages}, and pipelines of"
            " Diffusers draw at one side; give a run without, or share this one with push"
        )
    require("diffusers", "infonoise-vision[diffusers]", "export --to diffusers")
    if (stock := stock_pipeline(run)) is not None:
        with whole_folder(config.out) as folder:
            stock.save_pretrained(folder)
            (folder / "README.md").write_text(
                STOCK_PAGE.format(run=run.path.name), encoding="utf-8"
            )
        print(f"{config.out}: {type(stock).__name__} of Diffusers; open it with")
        print(f"  pipeline = diffusers.DiffusionPipeline.from_pretrained({str(config.out)!r})")
        return
    from infonoise_vision.sampling.diffusers_pipeline import InfoNoisePipeline, Network

    objective = {**run.settings["objective"], "network_format": run.objective.network_format}
    kept = run.settings.get(theirs.KEY)
    network = Network(objective, list(run.shape), list(run.classes), run.levels, kept)
    network.denoiser.load_state_dict(run.denoiser.state_dict())
    sigmas = run.sampling(config.sampler).sigmas
    pipeline: Any = InfoNoisePipeline(network, sigmas.tolist(), config.sampler.solver)
    with whole_folder(config.out) as folder:
        pipeline.save_pretrained(folder)
        (folder / "README.md").write_text(_PAGE.format(run=run.path.name), encoding="utf-8")
    print(f"{config.out}: {len(sigmas)} levels, {config.sampler.solver}; open it with")
    print("  from infonoise_vision.sampling.diffusers_pipeline import InfoNoisePipeline")
    print(f"  pipeline = InfoNoisePipeline.from_pretrained({str(config.out)!r})")


_PAGE = """---
library_name: diffusers
tags: [infonoise, diffusion, images]
---

# {run}

A model of images trained with [infonoise-vision](https://pypi.org/project/infonoise-vision/), as a
pipeline of Diffusers. No code lies here; `pip install infonoise-vision[diffusers]`, then

    from infonoise_vision.sampling.diffusers_pipeline import InfoNoisePipeline
    images = InfoNoisePipeline.from_pretrained("this folder")(batch_size=4).images
"""
