"""Images as the latents of an autoencoder of Diffusers, encoded once and kept; and back to images.

A latent is the mean of the encoder's posterior, moved and scaled so that all numbers of the
training images have the mean 0 and EDM's standard deviation, 0.5.
"""

import hashlib
import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.files import read_json, whole_folder, write_json
from infonoise_core.reading import sha256_of
from infonoise_core.training.allocation import within
from infonoise_core.training.progress import progress
from infonoise_vision.data.cache import cache_folder
from infonoise_vision.data.formats.packed import is_packed
from infonoise_vision.data.formats.source import CHUNK
from infonoise_vision.data.images import ImageSet, Parts
from infonoise_vision.data.latent_code import LatentCode

# Of the numbers of all training latents.
DEVIATION = 0.5
# Images that the autoencoder sees at a time.
_AT_ONCE = 16
_CLASS, _CONFIG, _WEIGHTS = "AutoencoderKL", "config.json", "diffusion_pytorch_model.safetensors"
_CODE = "latents.json"
_PARTS = ("train", "held_out")


def in_latents(parts: Parts, folder: Path, source: str | None) -> Parts:
    """The latents of images, from where they are kept, or encoded now and put there.

    A prepared set keeps them with itself, other data in the cache (INFONOISE_CACHE).

    Args:
        parts: Images of 1 or as many channels as the autoencoder has.
        folder: Of the autoencoder, as save_pretrained writes it.
        source: The data by their name.

    Raises:
        InputError: For what is no such folder, and for images that it cannot take.
    """
    digest = digest_of(folder)
    place = cache_folder()
    if source is not None and is_packed(Path(source)) and os.access(source, os.W_OK):
        place = Path(source)
    kept = place / f"latents-{_key(parts, digest)}"
    if not (kept / _CODE).is_file():
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise InputError(
                f"--latents {folder}: several processes cannot encode one set; run infonoise-vision"
                " prepare with --latents first and give its --out"
            )
        with whole_folder(kept) as new:
            _encode(parts, folder, digest, new)
    code = LatentCode(**read_json(kept / _CODE, f"remove {kept}"))
    train, held_out = (
        replace(
            images, pixels=np.load(kept / f"{name}.npy", mmap_mode="r", allow_pickle=False),
            levels=None, code=code,
        )
        for name, images in zip(_PARTS, parts.both, strict=True)
    )  # fmt: skip
    return replace(parts, train=train, held_out=held_out)


def decoded(x0: Tensor, code: LatentCode, folder: Path) -> Tensor:
    """Images (n, c, h, w) in [-1, 1] of latents of scale 1.

    Raises:
        InputError: Where the folder's autoencoder is not the one that encoded.
    """
    if digest_of(folder) != code.digest:
        raise InputError(
            f"--latents {folder}: is another autoencoder than the one whose latents were trained"
            " on; give that one"
        )
    vae = _autoencoder(folder)
    with torch.no_grad():
        parts = [vae.decode(code.raw(z)).sample for z in torch.split(x0, _AT_ONCE)]
    images: Tensor = torch.cat(parts).clamp(-1, 1)
    return images.mean(1, keepdim=True) if code.grey else images


def refuse_other_code(summary: Mapping[str, Any], images: ImageSet, where: Path) -> None:
    """InputError where a model was trained on latents and these are others, or images.

    Args:
        summary: What its config.json says of its images.
        where: The model.
    """
    own = summary.get("latents")
    own, found = own and own["digest"], images.code and images.code.digest
    if own != found:
        raise InputError(
            f"--from {where}: was trained on {'latents' if own else 'images'}, and these are"
            f" {'latents of another autoencoder' if own and found else 'others'}; give --latents"
            " as there"
        )


def digest_of(folder: Path) -> str:
    """Of an autoencoder's settings and weights; InputError for a folder without."""
    files = [folder / _CONFIG, folder / _WEIGHTS]
    if not all(file.is_file() for file in files):
        raise InputError(
            f"--latents {folder}: has no {_CONFIG} with {_WEIGHTS}; give the folder of an"
            f" {_CLASS} of Diffusers, such as a pipeline's vae"
        )
    if (kind := read_json(files[0], "save it again").get("_class_name")) != _CLASS:
        raise InputError(f"--latents {folder}: holds {kind}; give the folder of an {_CLASS}")
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()[:16]


@lru_cache(maxsize=2)
def _autoencoder(folder: Path) -> Any:
    require("diffusers", "infonoise-vision[diffusers]", "--latents")
    library: Any = importlib.import_module("diffusers")
    with within(folder / _WEIGHTS, folder):
        vae = library.AutoencoderKL.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
        )
    return vae.eval().requires_grad_(False)


def _key(parts: Parts, digest: str) -> str:
    """Of the images' content and of the autoencoder."""
    found = hashlib.blake2b(digest.encode())
    for images in parts.both:
        found.update(repr((images.pixels.shape, images.levels)).encode())
        for start in range(0, len(images), CHUNK):
            found.update(np.ascontiguousarray(images.pixels[start : start + CHUNK]).tobytes())
    return found.hexdigest()[:16]


def _encode(parts: Parts, folder: Path, digest: str, new: Path) -> None:
    """Write the raw latents, measure them, and bring them to the mean 0 and DEVIATION."""
    vae = _autoencoder(folder)
    grey = parts.train.shape[0] == 1 < vae.config.in_channels
    arrays: list[NDArray[np.float32]] = []
    with progress(sum(len(images) for images in parts.both), "encode") as reporter:
        for name, images in zip(_PARTS, parts.both, strict=True):
            for start, latents in _raw(vae, images, grey, folder):
                if start == 0:
                    file, shape = new / f"{name}.npy", (len(images), *latents.shape[1:])
                    arrays.append(open_memmap(file, mode="w+", dtype=np.float32, shape=shape))
                arrays[-1][start : start + len(latents)] = latents.numpy()
                reporter.advance(len(latents))
    mean, std = _moments(arrays[0])
    if not std > 0:
        raise InputError(f"--latents {folder}: all latents are alike; is it trained?")
    code = LatentCode(digest, mean, DEVIATION / std, grey)
    for array in arrays:
        for start in range(0, len(array), CHUNK):
            rows = slice(start, start + CHUNK)
            array[rows] = (array[rows] - np.float32(code.shift)) * np.float32(code.scale)
        array.flush()  # type: ignore[attr-defined]
    write_json(new / _CODE, vars(code))


def _raw(vae: Any, images: ImageSet, grey: bool, folder: Path) -> Iterator[tuple[int, Tensor]]:
    """Where a part begins, and its latents (b, ...) on the CPU."""
    channels, side = vae.config.in_channels, 2 ** (len(vae.config.block_out_channels) - 1)
    c, h, w = images.shape
    if (c != channels and not grey) or h % side or w % side:
        raise InputError(
            f"--latents {folder}: takes {channels} channels and sides that {side} divides, and"
            f" {images.name} has {c}x{h}x{w}; bring it to another --size"
        )
    for start in range(0, len(images), _AT_ONCE):
        x0 = images.x0(slice(start, start + _AT_ONCE)) / images.scale
        with torch.no_grad():
            yield start, vae.encode(x0.expand(-1, channels, -1, -1)).latent_dist.mode()


def _moments(array: NDArray[np.float32]) -> tuple[float, float]:
    """Mean and standard deviation of all numbers."""
    count = total = square = 0.0
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK].astype(np.float64)
        count, total, square = count + part.size, total + part.sum(), square + (part**2).sum()
    mean = total / count
    return float(mean), float(np.sqrt(max(0.0, square / count - mean**2)))
