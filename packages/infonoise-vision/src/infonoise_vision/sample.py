"""Images from a trained denoiser, and grids of them as PNG."""

import io
import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from infonoise_core.solver import Sample, solve
from infonoise_core.training.randomness import Stream, generator
from infonoise_vision.data import to_bytes


def generate(
    denoiser: nn.Module,
    shape: tuple[int, int, int],
    n: int,
    sigmas: Tensor,
    *,
    solver: str = "heun",
    seed: int = 0,
    chunk: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Sample:
    """n images of shape (channels, height, width), in x0's range, on the CPU.  nfe counts calls per
    image.

    The starting noise is drawn on the CPU, so a seed gives the same images on every device up to
    rounding.
    """
    device = next(denoiser.parameters()).device
    denoiser.eval()
    parts, nfe = [], 0
    for start in range(0, n, chunk):
        rng = generator(seed, Stream.SAMPLE, start)
        noise = float(sigmas[0]) * torch.randn(min(chunk, n - start), *shape, generator=rng)
        sample = solve(denoiser, noise.to(device), sigmas, solver)
        parts.append(sample.x.cpu())
        nfe = sample.nfe
        if progress is not None:
            progress(len(parts[-1]), n)
    return Sample(torch.cat(parts), nfe)


def png_grid(x0: Tensor, zoom: int | None = None, columns: int | None = None) -> bytes:
    """A PNG of images (n, c, h, w) side by side, one pixel apart, enlarged so that small ones can
    be seen.  Channels that are neither grey nor colour stand in a row, in grey.
    """
    images = to_bytes(x0)
    if images.shape[3] not in (1, 3):
        images = np.concatenate(np.split(images, images.shape[3], axis=3), axis=2)
    n, h, w, c = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (h + 1) + 1, columns * (w + 1) + 1, c), 128, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = (i // columns) * (h + 1) + 1, (i % columns) * (w + 1) + 1
        sheet[top : top + h, left : left + w] = image
    picture = Image.fromarray(sheet[..., 0] if c == 1 else sheet)
    zoom = zoom or max(1, 640 // picture.width)
    picture = picture.resize(
        (zoom * picture.width, zoom * picture.height), Image.Resampling.NEAREST
    )
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()
