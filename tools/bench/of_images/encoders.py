"""Latents of digits: ours beside a denoiser that is told z and a beta-VAE."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_vision.domain import DOMAIN
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.fid import frechet_distance
from infonoise_vision.evaluation.groups import haar_bands
from infonoise_vision.methods.diffusion import channel_of
from infonoise_vision.methods.options import ImageOptions, Objective
from of_images import vision_runs
from of_images.latent_systems import (
    BETA,
    LATENT,
    LEVELS,
    OURS,
    TOLD,
    VAE_NAME,
    Made,
    code_of,
    systems,
)
from of_pretrained.strips import strip
from report import Cell, Goal, Section, Strip, Table
from suite import Tick

# Processor seconds of the frozen denoiser and of the encoder beside it; the others have both.
SECONDS, SECONDS_QUICK = (60.0, 60.0), (1.0, 1.0)
# Held-out images drawn again.
IMAGES = 256


@dataclass(frozen=True)
class Quality:
    """How well images are drawn from latents.

    Attributes:
        rmse: From the image whose latent it is, pixels from -1 to 1.
        unrelated: The same from another image.
        cost: Nats of the latents, KL from N(0, I).
        again: Fréchet distance of images drawn from latents of held-out ones.
        free: Of images drawn from z ~ N(0, I).
        detail: Root mean square of the finest Haar details.
    """

    rmse: float
    unrelated: float
    cost: float
    again: float
    free: float
    detail: float


def section(quick: bool, seed: int, tick: Tick) -> Section:
    """All three, with latents of the same size, in the same time."""
    options = ImageOptions(Objective(head="edm"))
    parts = DOMAIN.load("digits", options)
    objective = DOMAIN.settled(options, parts, {}).objective
    judge = vision_runs.classifier(parts.train, tick)
    x0, low = parts.held_out.x0(slice(IMAGES)), channel_of(objective).sigma_min
    others = parts.train.x0(slice(IMAGES))
    rows: list[Sequence[Cell]] = [
        ["real images", *[None] * 5, _far(others, x0, judge), None, detail(x0)]
    ]
    found: dict[str, Quality] = {}
    shown: list[Strip] = [strip("held out", x0)]
    for one in systems(parts.train, objective, SECONDS_QUICK if quick else SECONDS, seed, tick):
        tick(f"{one.name}: draws")
        q, again = _measured(one, x0, low, judge, seed)
        found[one.name] = q
        rows.append([
            one.name, one.parameters, one.steps, q.rmse, q.unrelated, q.cost, q.again, q.free,
            q.detail,
        ])  # fmt: skip
        shown.append(strip(one.name, again))
    seconds = sum(SECONDS_QUICK if quick else SECONDS)
    return Section("Latents of digits", [_table(rows, seconds)], _goals(found), strips=shown)


def _measured(
    made: Made, x0: Tensor, low: float, judge: Classifier, seed: int
) -> tuple[Quality, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    code = code_of(made, x0, low)
    again = made.decode(code.sample(torch.randn(len(x0), LATENT, generator=rng)), seed)
    free = made.decode(torch.randn(len(x0), LATENT, generator=rng), seed + 1)
    again, free = again.clamp(-1, 1), free.clamp(-1, 1)
    quality = Quality(
        rmse(again, x0), rmse(again.roll(1, 0), x0), float(code.kl().mean()),
        _far(again, x0, judge), _far(free, x0, judge), detail(again),
    )  # fmt: skip
    return quality, again


def rmse(one: Tensor, other: Tensor) -> float:
    """Root mean square difference of images (n, c, h, w)."""
    return float((one - other).square().mean().sqrt())


def detail(images: Tensor) -> float:
    """Root mean square of the Haar details of cells of 2x2 pixels, of images (n, c, h, w)."""
    return float(haar_bands(images)["detail 2"].square().mean().sqrt())


def _far(one: Tensor, real: Tensor, judge: Classifier) -> float:
    return frechet_distance(judge.features_of(real), judge.features_of(one))


def _table(rows: Sequence[Sequence[Cell]], seconds: float) -> Table:
    columns = [
        "system", "parameters", "training steps", "RMSE", "RMSE of another", "cost, nats",
        f"fd_clf_{IMAGES}, from latents", f"fd_clf_{IMAGES}, from N(0, I)", "finest details",
    ]  # fmt: skip
    formats = dict(zip(
        columns, ("", ",d", ",d", ".3f", ".3f", ".1f", ".2f", ".2f", ".3f"), strict=True
    ))  # fmt: skip
    del formats["system"]
    return Table(
        "The same encoder, beside three decoders",
        f"Digits at 8x8, latents of {LATENT} numbers, {seconds:.0f} seconds of one processor for"
        " each system, of which ours spends half on the denoiser that then stays as it is. beta is"
        f" {BETA} for all. {IMAGES} held-out images are drawn again from a latent each, by Heun's"
        f" solver on {LEVELS} levels where there is noise: root mean square difference from the"
        " image and from another one, the latents' KL from N(0, I), Fréchet distance in features of"
        " a classifier of the training images, and of as many images from latents of N(0, I). The"
        " last column is the root mean square of the finest Haar details: below that of real images"
        " they are blurred.",
        columns, rows, formats,
    )  # fmt: skip


def _goals(found: dict[str, Quality]) -> list[Goal]:
    ours, told, vae = (found[name] for name in (OURS, TOLD, VAE_NAME))
    return [
        Goal("Ours: RMSE over that of an unrelated image", ours.rmse / ours.unrelated, "at most",
             0.7, ".2f"),
        Goal("Ours: RMSE over the beta-VAE's", ours.rmse / vae.rmse, "at most", 1.5, ".2f",
             "Squared error is what a VAE is trained on, and a sharp draw is farther by it than"
             " a blurred mean."),
        Goal("Ours: RMSE over that of the denoiser told z", ours.rmse / told.rmse, "at most", 1.2,
             ".2f"),
        Goal("Ours: Fréchet distance of draws from N(0, I) over the beta-VAE's",
             ours.free / vae.free, "at most", 0.5, ".2f", "27 against 55 in a pilot."),
    ]  # fmt: skip
