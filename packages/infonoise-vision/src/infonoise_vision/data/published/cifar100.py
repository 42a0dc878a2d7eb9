"""CIFAR-100 as its authors hand it out: the Python archive or the binary one, packed or not."""

from pathlib import PurePosixPath

import numpy as np

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.containers import Container, sound
from infonoise_vision.data.formats.source import Opened, named_labels
from infonoise_vision.data.published.cifar import pickled_fields, pickled_images, pickled_text

_PIXELS = 3072
_NAMES, _BINARY_NAMES = "meta", "fine_label_names.txt"
_PYTHON, _BINARY = ("train", "test"), ("train.bin", "test.bin")


def is_cifar100(container: Container) -> bool:
    """Whether there are the files of CIFAR-100."""
    there = _by_name(container)
    return there.keys() >= {"train", _NAMES} or there.keys() >= {"train.bin", _BINARY_NAMES}


def read_cifar100(container: Container) -> Opened:
    """Training and test images with the 100 fine classes; nothing in a pickle is run."""
    there = _by_name(container)
    python = _NAMES in there
    kinds = _PYTHON if python else _BINARY
    wanted = [name for name in (*kinds, _NAMES if python else _BINARY_NAMES) if name in there]
    ordered = sorted(wanted, key=there.__getitem__)
    contents = sound(container.contents([there[name] for name in ordered]))
    content = dict(zip(ordered, contents, strict=True))
    where = {name: container.where(there[name]) for name in ordered}
    if python:
        classes = _names(where[_NAMES], content[_NAMES])
        read = _pickled
    else:
        classes = tuple(content[_BINARY_NAMES].decode("ascii", "replace").split())
        read = _records
    parts = [read(where[k], content[k], classes) for k in kinds if k in content]
    return Opened(*parts)


def _by_name(container: Container) -> dict[str, int]:
    """Name without folders -> place, of those in the folder that holds the names of the classes."""
    paths = [PurePosixPath(name) for name in container.names]
    home = next((p.parent for p in paths if p.name in (_NAMES, _BINARY_NAMES)), None)
    return {path.name: i for i, path in enumerate(paths) if path.parent == home}


def _names(where: str, content: bytes) -> tuple[str, ...]:
    names = pickled_fields(where, content).get("fine_label_names", [])
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise InputError(f"{where}: has no names of classes; it is not CIFAR-100: fetch it again")
    return tuple(pickled_text(name) for name in names)


def _pickled(where: str, content: bytes, classes: tuple[str, ...]) -> Arrays:
    pixels, labels = pickled_images(where, content, "fine_labels", "CIFAR-100")
    return Arrays("CIFAR-100", pixels, 256, *named_labels(where, labels, classes))


def _records(where: str, content: bytes, classes: tuple[str, ...]) -> Arrays:
    """Records of a coarse label, a fine one, and 3072 pixels channel by channel."""
    size = 2 + _PIXELS
    if not content or len(content) % size:
        raise InputError(
            f"{where}: has {len(content)} bytes, no multiple of {size}; it is cut short or not"
            " CIFAR-100: fetch it again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    labels = records[:, 1].astype(np.int64)
    pixels = records[:, 2:].reshape(-1, 3, 32, 32)
    return Arrays("CIFAR-100", pixels, 256, *named_labels(where, labels, classes))
