"""Image files -> byte arrays: what a folder holds, how one file is decoded, cropped, resized."""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from infonoise_core.errors import InputError

Progress = Callable[[int, int], None]
SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
    *(".pbm", ".pgm", ".pnm", ".ppm"),
)


def find_images(folder: Path) -> list[Path]:
    """Image files anywhere under `folder`, told by suffix, sorted by path, without hidden ones."""
    files = list(_walk(folder))
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not images:
        holds = f"holds {len(files)} files but no image" if files else "is empty"
        kinds = " ".join(SUFFIXES)
        raise InputError(f"{folder}: {holds}; give a folder of image files ({kinds})")
    return sorted(images, key=lambda file: file.relative_to(folder).parts)


def _walk(folder: Path) -> Iterator[Path]:
    visited = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in visited:  # a link to a folder already seen, perhaps back up
            folders.clear()
            continue
        visited.add(real)
        # macOS leaves copies named ._cat.png in archives, below __MACOSX or beside the images.
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        yield from (Path(root, name) for name in files if not name.startswith("."))


def folder_classes(folder: Path, files: list[Path]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class index of each file and the class names, which are the first-level subfolders.

    Both are empty where a file lies in `folder` itself or all lie below one subfolder.
    """
    parts = [file.relative_to(folder).parts for file in files]
    names = sorted({part[0] for part in parts})
    if len(names) < 2 or any(len(part) == 1 for part in parts):
        return np.empty(0, np.int64), ()
    index = {name: i for i, name in enumerate(names)}
    return np.array([index[part[0]] for part in parts], np.int64), tuple(names)


def decode_files(
    files: list[Path], size: int | None, progress: Progress | None
) -> NDArray[np.uint8]:
    """Decode `files` in order -> (n, c, h, w); c is 1 if every image is grey, else 3.

    `progress(done, total)` is called after each file. Raises InputError where sizes differ.
    """
    first = decode(files[0], size)
    height, width = first.shape[1:]
    pixels = np.empty((len(files), 1, height, width), np.uint8)
    for i, file in enumerate(files):
        image = decode(file, size) if i else first
        if image.shape[1:] != (height, width):
            other = f"{image.shape[2]}x{image.shape[1]}"
            raise InputError(
                f"{files[0]} is {width}x{height} pixels but {file} is {other}: "
                "bring all images to one size with --size N"
            )
        if len(image) > pixels.shape[1]:
            pixels = np.repeat(pixels, 3, axis=1)
        pixels[i] = image  # a grey image among coloured ones fills all three channels
        if progress is not None:
            progress(i + 1, len(files))
    return pixels


def decode(file: Path, size: int | None) -> NDArray[np.uint8]:
    """One image file -> (c, h, w), c = 1 where the three colours agree everywhere, else 3.

    Transparency is laid over white; palette, CMYK and other colours become RGB; 16-bit grey keeps
    its high byte, as Pillow does with 16-bit RGB; the camera's orientation tag is obeyed.
    Raises InputError, naming the file, for what cannot be read and for animations.
    """
    try:
        with Image.open(file) as opened:
            # MPO is a photograph with a preview or a second eye behind it: the first frame is it.
            frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
            if size is not None:
                # A JPEG can be decoded at 1/2, 1/4 or 1/8: 0.02 s instead of 0.13 s for 12
                # megapixels. Four pixels a side are left for the mean of each cell.
                opened.draft(None, (4 * size, 4 * size))
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{file}: cannot be read ({reason}); mend or remove the file") from error
    if frames > 1:
        raise InputError(f"{file}: has {frames} frames; save each frame as an image of its own")
    plain = _grey_or_rgb(image, file)
    array = np.asarray(plain if size is None else crop_square(plain, size))
    if array.ndim == 2:
        return array[None]
    channels = 1 if (array == array[..., :1]).all() else 3
    return np.ascontiguousarray(array[..., :channels].transpose(2, 0, 1))


def _grey_or_rgb(image: Image.Image, file: Path) -> Image.Image:
    """Any Pillow image -> mode L or RGB."""
    if image.mode == "F":
        raise InputError(f"{file}: holds real numbers; collect such images in an .npz file")
    if image.mode.startswith("I"):  # 16 bits, or 32 where a format has no mode for 16
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{file}: has pixels outside 0..65535; save it with 8 or 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def crop_square(image: Image.Image, size: int) -> Image.Image:
    """Cut the centred square out and bring it to (size, size): mean of each cell, or bicubic up."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    smaller = size <= side
    return square.resize(
        (size, size), Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    )


def resize_array(
    pixels: NDArray[np.uint8] | NDArray[np.float32], size: int
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """`crop_square` for arrays (n, c, h, w) of grey levels or real numbers, rounded once.

    Values stay within the range the array had: bicubic curves leave it near edges.
    """
    n, c, h, w = pixels.shape
    planes = pixels.reshape(n * c, h, w).astype(np.float32)
    resized = np.stack([np.asarray(crop_square(Image.fromarray(p), size)) for p in planes])
    resized = resized.clip(pixels.min(), pixels.max()).reshape(n, c, size, size)
    return resized.round().astype(np.uint8) if pixels.dtype == np.uint8 else resized
