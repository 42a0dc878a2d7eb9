"""Generated images: one for each seed, and as a PNG or a folder of them."""

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.files import check_output, whole_file, whole_folder, write_bytes
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.solvers import Sample, solve
from infonoise_core.together import at_most, in_turn
from infonoise_vision.data.images import to_bytes
from infonoise_vision.models.staged import StagedDenoiser
from infonoise_vision.sampling.staged import StagedLevels, solve_staged, solve_whole

# Images of a grid that is looked at.
SHOWN = 64
ARCHIVE = ".npz"
# Endings of pictures that are not written here.
_OTHERS = frozenset(
    {ARCHIVE, ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg", ".pdf"}
)


def generate_each(
    denoiser: Denoiser,
    shape: tuple[int, ...],
    draws: Sequence[tuple[int, int]],
    sigmas: Tensor | StagedLevels,
    *,
    solver: str,
    churn: Churn | None,
    s_noise: float,
    chunk: int,
    condition: Mapping[str, Tensor],
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
    model: StagedDenoiser | None = None,
) -> Iterator[Sample]:
    """One image of `shape` per draw, in chunks on the CPU, whatever stands beside it.

    Args:
        draws: (n,) seed and place of each image, which its noise is a function of.
        sigmas: (k,) descending, or those of stages.
        condition: Keyword arguments of the denoiser, a row for each draw.
        device: Where the denoiser is.
        progress: Called with (images just done, all).
        model: In stages, what the denoiser is made of.
    """
    n = len(draws)
    chunk = at_most(chunk, n)

    def made(k: int) -> Sample:
        rows = slice(k * chunk, min((k + 1) * chunk, n))
        rngs = [generator(seed, Stream.SAMPLE, place) for seed, place in draws[rows]]
        given = {k: v[rows].to(device) for k, v in condition.items()}
        if isinstance(sigmas, StagedLevels) and model is not None:
            sample = solve_staged(
                denoiser, model, sigmas, partial(_noise, rngs), solver=solver, churn=churn,
                s_noise=s_noise, condition=given, device=device,
            )  # fmt: skip
            return Sample(sample.x.cpu(), sample.nfe)
        levels = sigmas.all if isinstance(sigmas, StagedLevels) else sigmas
        if model is not None and not model.uniform:
            sample = solve_whole(
                denoiser, model, levels, partial(_noise, rngs), solver=solver, churn=churn,
                s_noise=s_noise, condition=given, device=device,
            )  # fmt: skip
        else:
            start_noise = float(levels[0]) * _noise(rngs, shape)
            sample = solve(
                denoiser, start_noise.to(device), levels, solver,
                churn=churn, s_noise=s_noise, generator=rngs, condition=given,
            )  # fmt: skip
        return Sample(sample.x.cpu(), sample.nfe)

    for sample in in_turn(math.ceil(n / chunk), made):
        yield sample
        if progress is not None:
            progress(len(sample.x), n)


def _noise(rngs: Sequence[torch.Generator], shape: tuple[int, ...]) -> Tensor:
    """(n, *shape) unit noise, a generator for each image."""
    return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])


def check_out(out: Path, overwrite: bool, *, archive: bool = False) -> None:
    """InputError for a file or folder that must not be replaced.

    Args:
        archive: Whether it may be an .npz.
    """
    if out.suffix.lower() == ARCHIVE and archive:
        check_output(out, overwrite)
        return
    if out.suffix.lower() in _OTHERS:
        more = f", NAME{ARCHIVE} for an archive" if archive else ""
        raise InputError(f"--out {out}: give NAME.png for a grid{more}, or the name of a folder")
    if out.suffix.lower() == ".png" and out.is_dir():
        raise InputError(f"--out {out} is a folder: give a file name")
    blocking = next((path for path in out.parents if path.is_file()), None)
    if blocking is not None:
        raise InputError(f"--out {out}: {blocking} is a file; give another folder")
    if not out.exists():
        return
    if not overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")
    if out.suffix.lower() == ".png":
        return
    if not out.is_dir() or any(p.suffix != ".png" or p.is_dir() for p in out.iterdir()):
        raise InputError(f"--out {out}: is no folder of PNGs, and is not replaced: give another")


def write_grid(
    out: Path, x0: Tensor, columns: int | None = None, levels: int | None = None
) -> None:
    """All images (n, c, h, w) in one PNG, whole or not at all.

    Args:
        levels: Grey levels of the data.
    """
    write_bytes(out, png_grid(x0, columns=columns, levels=levels))


def write_folder(out: Path, images: Iterable[tuple[str, Tensor]], levels: int | None = None) -> int:
    """A folder with one PNG per name and image (c, h, w), whole or not at all; returns how many.

    Args:
        levels: Grey levels of the data.
    """
    number = 0
    with whole_folder(out) as folder:
        for name, image in images:
            (folder / f"{name}.png").write_bytes(png(image, levels))
            number += 1
    return number


def write_archive(
    out: Path,
    images: Iterable[Tensor],
    labels: NDArray[np.int64] | None = None,
    levels: int | None = None,
) -> None:
    """One .npz of all images (b, c, h, w), as guided diffusion writes its samples.

    `arr_0` holds bytes (n, h, w, c), `arr_1` their labels (n,) where there are some; whole or not
    at all.
    """
    arrays = {"arr_0": np.concatenate([to_bytes(part, levels) for part in images])}
    if labels is not None:
        arrays["arr_1"] = labels
    with whole_file(out) as temporary, temporary.open("wb") as file:
        np.savez(file, **cast(Any, arrays))


def png(image: Tensor, levels: int | None = None) -> bytes:
    """A PNG of one image (c, h, w), pixel by pixel, rounded to so many grey levels."""
    pixels = to_bytes(image[None], levels)[0]
    if pixels.shape[2] not in (1, 3):
        pixels = np.concatenate(np.split(pixels, pixels.shape[2], axis=2), axis=1)
    out = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(out, format="PNG")
    return out.getvalue()


def png_grid(
    x0: Tensor, zoom: int | None = None, columns: int | None = None, levels: int | None = None
) -> bytes:
    """A PNG of images (n, c, h, w) side by side, one pixel apart.

    They are enlarged so that small ones can be seen. Channels that are neither grey nor colour
    stand in a row, in grey.

    Args:
        zoom: Pixels of the PNG to each of an image, a side; None for what fits.
        columns: Images in a row; None for a square sheet.
        levels: Grey levels of the data.
    """
    images = to_bytes(x0, levels)
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
