"""`infonoise-vision inpaint` and `upscale`: images of which a part or the coarse form is known."""

import torch

from infonoise_core.errors import InputError
from infonoise_vision.data.user_images import is_rectangle, known_part, read_pictures
from infonoise_vision.domain import open_run
from infonoise_vision.models.conditions import Coarse, Region, region
from infonoise_vision.options import Inpaint, Upscale
from infonoise_vision.sampling.filled import fill
from infonoise_vision.sampling.images import check_out


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
    fill(run, config.filling, config.out, Region(run.shape, box=True), seen, pictures, shown)


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
    fill(run, config.filling, config.out, condition, seen, pictures, shown)
