"""STL-10 as its authors hand it out: binary files of 96x96 colour images."""

import sys
from pathlib import PurePosixPath

import numpy as np

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.containers import Container, sound
from infonoise_vision.data.formats.source import Bytes, Opened, named_labels

_SIDE = 96
_BYTES = 3 * _SIDE * _SIDE
_NAMES = "class_names.txt"
_UNLABELED = "unlabeled_X.bin"
_CLASSES = (*("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),)


def is_stl10(container: Container) -> bool:
    """Whether there are the training images of STL-10."""
    return any(PurePosixPath(name).name == "train_X.bin" for name in container.names)


def read_stl10(container: Container) -> Opened:
    """The 5,000 training and 8,000 test images; the unlabelled ones are left out, and said to be.

    Each image lies channel by channel, column by column.
    """
    there = {PurePosixPath(name).name: i for i, name in enumerate(container.names)}
    wanted = [f"{part}_{kind}.bin" for part in ("train", "test") for kind in "Xy"]
    chosen = sorted((i, name) for name, i in there.items() if name in (*wanted, _NAMES))
    contents = sound(container.contents([place for place, _ in chosen]))
    content = dict(zip((name for _, name in chosen), contents, strict=True))
    if _UNLABELED in there:
        print(
            f"note: {container.path}: the unlabelled images ({_UNLABELED}) are left out",
            file=sys.stderr,
        )
    classes = tuple(content[_NAMES].decode("ascii", "replace").split()) if _NAMES in content else ()
    parts = []
    for part in ("train", "test"):
        if f"{part}_X.bin" in content:
            where = container.where(there[f"{part}_X.bin"])
            pixels = _pixels(where, content[f"{part}_X.bin"])
            labels = content.get(f"{part}_y.bin")
            parts.append(_arrays(where, pixels, labels, classes or _CLASSES))
    return Opened(*parts)


def _pixels(where: str, content: bytes) -> Bytes:
    if not content or len(content) % _BYTES:
        raise InputError(
            f"{where}: has {len(content)} bytes, no multiple of {_BYTES}; it is cut short or not"
            " STL-10: fetch it again"
        )
    columns = np.frombuffer(content, np.uint8).reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(columns.transpose(0, 1, 3, 2))


def _arrays(where: str, pixels: Bytes, labels: bytes | None, classes: tuple[str, ...]) -> Arrays:
    if labels is None:
        return Arrays("STL-10", pixels, 256)
    if len(labels) != len(pixels):
        raise InputError(
            f"{where}: has {len(pixels)} images and {len(labels)} labels; fetch it again"
        )
    stored = np.frombuffer(labels, np.uint8).astype(np.int64) - 1
    return Arrays("STL-10", pixels, 256, *named_labels(where, stored, classes))
