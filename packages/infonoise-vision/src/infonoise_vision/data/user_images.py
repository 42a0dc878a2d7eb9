"""A user's own pictures, brought to what a run was trained on."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import is_shown
from infonoise_core.reading import read_bytes
from infonoise_vision.data.formats.containers import FILE_BYTES
from infonoise_vision.data.formats.decode import decode
from infonoise_vision.data.formats.kinds import is_image
from infonoise_vision.data.formats.source import Bytes

# Grey level from which a pixel of a mask is to be filled in.
_FILLED = 128
_LUMA = np.array([0.299, 0.587, 0.114])
MASKS = ("lower", "upper", "left", "right", "box")


@dataclass(frozen=True)
class Pictures:
    """names: of the files, without their endings.  x0: (n, c, h, w) between -1 and 1."""

    names: list[str]
    x0: Tensor


def read_pictures(source: Path, shape: tuple[int, int, int]) -> Pictures:
    """An image file, or all those in a folder, as images of `shape` (c, h, w).

    The centred square is cut out and brought to h = w pixels; colours become grey (ITU-R 601) for a
    run on grey images, and grey fills all channels of one on colours.

    Raises:
        InputError: For what cannot be read, and for pictures of another size where the run's
            images are no squares.
    """
    if not source.exists():
        raise InputError(f"{source}: not found; give an image or a folder of images")
    files = [source]
    if source.is_dir():
        files = sorted(
            f for f in source.iterdir() if is_image(f.name) and is_shown(f.name) and not f.is_dir()
        )
        others = [f for f in source.iterdir() if is_shown(f.name) and f not in files]
        folders = sorted(f for f in others if f.is_dir())
        if not files:
            fix = f"give a folder in it, such as {folders[0]}" if folders else "give some"
            raise InputError(f"{source}: holds no image files; {fix}")
        if others:
            print(
                f"note: {source}: {len(others) - len(folders)} files of no ending that is read and"
                f" {len(folders)} folders are left out",
                file=sys.stderr,
            )
    if shape[0] not in (1, 3):
        raise InputError(f"the run's images have {shape[0]} channels, and pictures have 1 or 3")
    names = [file.stem for file in files]
    if len(set(names)) < len(names):
        raise InputError(f"{source}: two files differ in their endings alone; rename one")
    images = [_picture(file, shape) for file in files]
    return Pictures(names, torch.from_numpy(np.stack(images)))


def all_pictures(sources: Sequence[Path], shape: tuple[int, int, int]) -> Pictures:
    """Those of several files and folders, in their order; see `read_pictures` for the `shape`."""
    if not sources:
        raise InputError("no pictures are given; name images or folders of them behind the run")
    several = [read_pictures(source, shape) for source in sources]
    names = [name for pictures in several for name in pictures.names]
    twin = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twin is not None:
        raise InputError(
            f"{' '.join(map(str, sources))}: two pictures are called {twin}, but for folders and"
            " endings; rename one"
        )
    return Pictures(names, torch.cat([pictures.x0 for pictures in several]))


def _picture(file: Path, shape: tuple[int, int, int]) -> np.ndarray:
    channels, height, width = shape
    pixels = _decoded(file, height, width).astype(np.float32)
    if len(pixels) > channels:
        pixels = np.tensordot(_LUMA, pixels, 1)[None]
    whole = np.broadcast_to(pixels, shape)
    return np.ascontiguousarray(whole * 2 / 255 - 1, np.float32)


def _decoded(file: Path, height: int, width: int) -> Bytes:
    pixels = decode(read_bytes(file, FILE_BYTES), str(file), height if height == width else None)
    if pixels.shape[1:] != (height, width):
        raise InputError(
            f"{file}: is {pixels.shape[2]}x{pixels.shape[1]} pixels and the run's images are"
            f" {width}x{height}; bring it to that size"
        )
    return pixels


def known_part(mask: str, shape: tuple[int, int, int]) -> Tensor:
    """(1, 1, h, w) of 0 and 1: where a picture is known.

    Args:
        mask: The part to fill in, lower, upper, left or right half or the box in the middle; or
            an image file, white where it is to be filled.
    """
    _, h, w = shape
    known = torch.ones(1, 1, h, w)
    parts = {
        "lower": np.s_[h // 2 :, :], "upper": np.s_[: h // 2, :],
        "left": np.s_[:, : w // 2], "right": np.s_[:, w // 2 :],
        "box": np.s_[h // 4 : h - h // 4, w // 4 : w - w // 4],
    }  # fmt: skip
    if mask in parts:
        known[0, 0][parts[mask]] = 0
        return known
    file = Path(mask)
    if not file.is_file():
        raise InputError(f"--mask {mask}: give one of {', '.join(MASKS)}, or an image file")
    grey = _decoded(file, h, w).mean(0)
    known[0, 0] = torch.from_numpy((grey < _FILLED).astype(np.float32))
    if not 0 < float(known.mean()) < 1:
        raise InputError(f"--mask {mask}: is all one colour; make it white where to fill in")
    return known


def is_rectangle(part: Tensor) -> bool:
    """Whether the ones of a part (1, 1, h, w) of 0 and 1 fill a rectangle."""
    rows, columns = part[0, 0].amax(1), part[0, 0].amax(0)
    beside = all(int(line.diff().abs().sum() + line[0] + line[-1]) == 2 for line in (rows, columns))
    return beside and torch.equal(part[0, 0], rows[:, None] * columns)
