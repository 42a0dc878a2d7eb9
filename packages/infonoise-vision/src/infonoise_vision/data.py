"""Files -> examples: digits, a folder of images or an .npz archive become one ImageSet.

Each source has one reader here, chosen by what the path is; `files` and `npz` know the formats.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_core.errors import InputError

Index = int | slice | Sequence[int] | NDArray[np.int64] | Tensor
Pixels = NDArray[np.uint8] | NDArray[np.float32]

MIN_IMAGES = 8


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images in memory, as grey levels or as real numbers.

    name: of the source, for reports.
    pixels: (n, channels, height, width), uint8 where `levels` is set, else float32.
    levels: number of grey levels of discrete images (2 binarised, 17 scikit-learn's digits,
        256 bytes); None where real numbers are used as they are.
    labels: (n,) int64 class index, or None.
    classes: class names; empty without labels.
    """

    name: str
    pixels: Pixels
    levels: int | None
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4:
            raise InputError(
                f"{self.name}: pixels have shape {self.pixels.shape}; "
                "give (images, channels, height, width)"
            )
        wanted = np.float32 if self.levels is None else np.uint8
        if self.pixels.dtype != wanted:
            raise InputError(
                f"{self.name}: pixels are {self.pixels.dtype} with levels={self.levels}; "
                "give uint8 with levels, float32 without"
            )
        if self.labels is not None and self.labels.shape != (len(self),):
            raise InputError(
                f"{self.name}: labels have shape {self.labels.shape} for {len(self)} images; "
                "give one label per image"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        _, c, h, w = self.pixels.shape
        return c, h, w

    @property
    def dim(self) -> int:
        """Number of values of one image, channels * height * width."""
        c, h, w = self.shape
        return c * h * w

    def x0(self, index: Index) -> Tensor:
        """Images as the model sees them, (b, c, h, w) float32; one number gives b = 1.

        Discrete images: 2 * pixel / (levels - 1) - 1, so that they fill [-1, 1].
        """
        if isinstance(index, slice):
            rows = np.arange(*index.indices(len(self)))
        else:
            rows = np.atleast_1d(np.asarray(index))
        pixels = torch.from_numpy(self.pixels[rows]).to(torch.float32)
        return pixels if self.levels is None else pixels * 2 / (self.levels - 1) - 1

    def take(self, rows: NDArray[np.int64]) -> "ImageSet":
        """The images at `rows`, in that order."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, pixels=self.pixels[rows], labels=labels)

    def split(self, held_out: float = 0.2, seed: int = 0) -> tuple["ImageSet", "ImageSet"]:
        """Training and held-out images: disjoint, in their old order, the same for one `seed`.

        All copies of an image, whatever their labels, fall on one side. So the held-out side has
        round(held_out * n) images, or a few less where copies do not fit (more only where even
        the smallest group of copies is bigger). Raises InputError where one side would be empty.
        """
        if not 0 < held_out < 1:
            raise InputError(f"held_out={held_out}: give a share between 0 and 1, like 0.2")
        groups: dict[bytes, list[int]] = {}
        for row, image in enumerate(self.pixels):
            content = (image + 0).tobytes()  # + 0: minus zero equals zero
            groups.setdefault(hashlib.blake2b(content, digest_size=16).digest(), []).append(row)
        if len(groups) < 2:
            raise InputError(f"{self.name}: all {len(self)} images are the same; nothing to split")
        target = min(max(round(held_out * len(self)), 1), len(self) - 1)
        copies = list(groups.values())
        chosen: list[int] = []
        for i in np.random.default_rng(seed).permutation(len(copies)):
            if len(chosen) + len(copies[i]) <= target:
                chosen += copies[i]
        chosen = chosen or min(copies, key=len)
        mask = np.zeros(len(self), bool)
        mask[chosen] = True
        return self.take(np.flatnonzero(~mask)), self.take(np.flatnonzero(mask))


def to_bytes(x0: Tensor | NDArray[np.float32], levels: int | None = None) -> NDArray[np.uint8]:
    """Images (n, c, h, w) in [-1, 1] -> (n, h, w, c) bytes to show or save; the inverse of x0.

    levels: number of grey levels to round to before they are spread over 0..255, so that level k
    becomes round(255 k / (levels - 1)); None means 256. Values beyond [-1, 1] are clipped, and a
    ValueError is raised for NaN, which no grey level can show.
    """
    x0 = torch.as_tensor(x0).detach().to("cpu", torch.float32)
    if x0.isnan().any():
        raise ValueError("images to show hold NaN: the model or the sampler has diverged")
    top = (levels or 256) - 1
    grey = ((x0.clamp(-1, 1) + 1) / 2 * top).round()
    shown: NDArray[np.uint8] = (grey * 255 / top).round().to(torch.uint8).movedim(1, -1).numpy()
    return np.ascontiguousarray(shown)


def load_images(
    source: str | Path | None = None,
    *,
    size: int | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageSet:
    """Read images from `source` into memory.

    source: None or "digits" for scikit-learn's 8x8 digits, a folder of image files, or an .npz
        archive (see `read_folder`, `read_npz`).
    size: cut the centred square out of each image and bring it to size x size.
    limit: keep that many images, evenly spaced through the source.
    progress: called with (done, total) while image files are decoded.

    Byte images with no values but 0 and 1, or 0 and 255, are binarised images: levels = 2.
    Raises InputError for whatever cannot be read, with the file or key at fault.
    """
    if size is not None and size < 1:
        raise InputError(f"--size {size}: give the side of the square in pixels, 1 or more")
    if limit is not None and limit < MIN_IMAGES:
        raise InputError(f"--limit {limit}: at least {MIN_IMAGES} images are needed")
    if source is None or source == "digits":
        return read_digits(size, limit)
    path = Path(source)
    if path.is_dir():
        return read_folder(path, size, limit, progress)
    if not path.exists():
        raise InputError(f"{source}: not found; give a folder of images, an .npz file or 'digits'")
    if path.suffix.lower() == ".npz":
        return read_npz(path, size, limit)
    raise InputError(
        f"{source}: not a kind of file read here; give a folder of images, an .npz file or 'digits'"
    )


def read_digits(size: int | None, limit: int | None) -> ImageSet:
    """scikit-learn's bundled digits: 1,797 images of 8x8 in 17 grey levels, 10 classes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = _kept_rows("digits", len(digits.images), limit)
    pixels = _resized(digits.images[rows, None].astype(np.uint8), size)
    labels = digits.target[rows].astype(np.int64)
    return ImageSet("digits", pixels, 17, labels, tuple(str(name) for name in digits.target_names))


def read_folder(
    folder: Path,
    size: int | None,
    limit: int | None,
    progress: Callable[[int, int], None] | None,
) -> ImageSet:
    """Image files anywhere below `folder`, in sorted order; `files.decode` says how one is read.

    The first-level subfolders are the classes, where there are two or more and all images lie in
    them. One channel where every image is grey, else three.
    """
    from infonoise_vision import files

    found = files.find_images(folder)
    labels, classes = files.folder_classes(folder, found)
    rows = _kept_rows(str(folder), len(found), limit)
    pixels, levels = _binarised(files.decode_files([found[i] for i in rows], size, progress))
    name = folder.resolve().name
    return ImageSet(name, pixels, levels, labels[rows] if classes else None, classes)


def read_npz(path: Path, size: int | None, limit: int | None) -> ImageSet:
    """An archive written by numpy.savez: images, and perhaps labels and levels.

    Images: the key `images`, `x_train`, `x`, `data` or `arr_0`, else the only array; (n, h, w),
    (n, h, w, c) or (n, c, h, w), where the smaller of the two outer numbers counts the channels.
    Whole numbers 0..255 are grey levels, truth values are two levels, real numbers are used as
    they are. Labels: the key `labels`, `y_train` or `y`, (n,), whole numbers or text.
    Levels: the key `levels`, one number, for grey levels other than 256.
    """
    from infonoise_vision import npz

    archive = npz.read_archive(path)
    rows = _kept_rows(str(path), len(archive.images), limit)
    pixels, levels = _resized(archive.images[rows], size), archive.levels
    if levels is None and pixels.dtype == np.uint8:
        pixels, levels = _binarised(pixels)
    labels = None if archive.labels is None else archive.labels[rows]
    return ImageSet(path.stem, pixels, levels, labels, archive.classes)


def _kept_rows(where: str, count: int, limit: int | None) -> NDArray[np.int64]:
    """All rows, or `limit` of them evenly spaced, so that sorted classes all stay in."""
    if count < MIN_IMAGES:
        raise InputError(f"{where}: holds {count} images; at least {MIN_IMAGES} are needed")
    kept = min(count, limit or count)
    return np.arange(kept) * count // kept


def _resized(pixels: Pixels, size: int | None) -> Pixels:
    if size is None or pixels.shape[2:] == (size, size):
        return pixels
    from infonoise_vision import files

    return files.resize_array(pixels, size)


def _binarised(pixels: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
    """Byte images and their number of levels: 2, as 0 and 1, where there are just two, else 256."""
    top = pixels.max()
    if top not in (1, 255) or not np.isin(pixels[:1], (0, top)).all():
        return pixels, 256
    two = ((pixels == 0) | (pixels == top)).all() and (pixels == 0).any()
    return (pixels // top, 2) if two else (pixels, 256)
