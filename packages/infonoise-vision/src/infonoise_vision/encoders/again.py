"""`reconstruct`: pictures drawn again from their latents."""

from collections.abc import Iterator

import torch
from torch import Tensor

from infonoise_core.training.progress import progress
from infonoise_vision.data.user_images import all_pictures
from infonoise_vision.encoders.given import given_latent
from infonoise_vision.encoders.learn import opened
from infonoise_vision.encoders.options import Reconstruct
from infonoise_vision.encoders.task import clean
from infonoise_vision.sampling.images import write_folder, write_grid
from infonoise_vision.sampling.trained import ImageRun


def reconstruct(run: ImageRun, config: Reconstruct) -> str:
    """Write each picture drawn from its latent; says what was written, and how far it is off."""
    encoder = opened(config.encoder, run)
    pictures = all_pictures(config.pictures, run.shape)
    n, k, scale = len(pictures.names), config.samples, run.objective.scale
    x0 = (scale * pictures.x0).to(run.device).repeat_interleave(k, 0)
    rng = torch.Generator().manual_seed(config.sampler.seed)
    noise = torch.randn(n * k, encoder.latent, generator=rng).to(run.device)
    with torch.no_grad():
        z = clean(encoder, x0, run.channel.sigma_min).sample(noise)
    denoiser = given_latent(run.denoiser, encoder)
    with progress(n * k, "reconstruct") as reporter:
        parts = list(
            run.sampling(config.sampler).chunks(
                denoiser, run.shape, n * k, {"z": z.cpu()}, run.device,
                lambda done, _: reporter.advance(done),
            )
        )  # fmt: skip
    made = (torch.cat([part.x for part in parts]) / scale).reshape(n, k, *run.shape)
    if config.out.suffix.lower() == ".png":
        sheet = torch.cat([pictures.x0[:, None], made], 1).flatten(0, 1)
        write_grid(config.out, sheet, columns=k + 1)
    else:
        write_folder(config.out, _named(pictures.names, made), run.levels)
    off = float((made - pictures.x0[:, None]).square().mean()) ** 0.5
    return f"{config.out}: {n * k} images of {n} pictures, RMSE {off:.4f}"


def _named(names: list[str], made: Tensor) -> Iterator[tuple[str, Tensor]]:
    """stem.png, or stem-1.png, stem-2.png, ... where there are several of each."""
    for name, images in zip(names, made, strict=True):
        for j, image in enumerate(images):
            yield (name if len(images) == 1 else f"{name}-{j + 1}"), image
