"""CIFAR-10 as its authors hand it out: the binary archive or the Python one, packed or unpacked."""

import pickle
import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.containers import Container, sound
from infonoise_vision.data.formats.source import Bytes, Opened, named_labels
from infonoise_vision.data.published.unpickle import load_plain

_BATCH = re.compile(r"(data_batch_\d+|test_batch)(\.bin)?$")
_SHAPE = (3, 32, 32)
_PIXELS = 3072
# More than any set of this kind has.
_CLASSES = 1000
_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def is_cifar(container: Container) -> bool:
    """Whether there are batches of CIFAR-10."""
    return any(PurePosixPath(name).name.startswith("data_batch_") for name in container.names)


def read_cifar(container: Container) -> Opened:
    """Training and test images of CIFAR-10; both kinds of archive hold the same ones.

    The Python archive is made of pickles: they are read without running anything in them.
    """
    named = [(PurePosixPath(name).name, i) for i, name in enumerate(container.names)]
    batches = [(base, place) for base, place in named if _BATCH.fullmatch(base)]
    meta = [(b, i) for b, i in named if b in ("batches.meta", "batches.meta.txt")]
    wanted = sorted(batches + meta, key=lambda item: item[1])
    content = dict(
        zip(
            (base for base, _ in wanted),
            sound(container.contents([place for _, place in wanted])),
            strict=True,
        )
    )
    where = {base: container.where(place) for base, place in wanted}
    classes = next((_classes(where[b], content[b]) for b, _ in meta), _NAMES)
    train = sorted(base for base, _ in batches if base.startswith("data"))
    test = [base for base, _ in batches if base.startswith("test")]
    _refuse_gaps(container, train)
    parts = [
        _joined([_batch(where[b], b, content[b]) for b in bases], str(container.path), classes)
        for bases in (train, test)
        if bases
    ]
    return Opened(*parts)


def _refuse_gaps(container: Container, train: list[str]) -> None:
    numbers = {int("".join(filter(str.isdigit, base))) for base in train}
    missing = sorted(set(range(1, 6)) - numbers)
    if missing:
        raise InputError(f"{container.path}: data_batch_{missing[0]} is missing; fetch it again")


def _joined(parts: list[tuple[Bytes, np.ndarray]], where: str, classes: tuple[str, ...]) -> Arrays:
    pixels = np.concatenate([pixels for pixels, _ in parts])
    labels = np.concatenate([labels for _, labels in parts]).astype(np.int64)
    return Arrays("CIFAR-10", pixels, 256, *named_labels(where, labels, classes))


def _batch(where: str, base: str, content: bytes) -> tuple[Bytes, np.ndarray]:
    if base.endswith(".bin"):
        return _binary(where, content)
    return pickled_images(where, content, "labels", "CIFAR-10")


def _binary(where: str, content: bytes) -> tuple[Bytes, np.ndarray]:
    """Records of one label byte and 3072 pixels, channel by channel."""
    if not content or len(content) % (1 + _PIXELS):
        raise InputError(
            f"{where}: has {len(content)} bytes, no multiple of {1 + _PIXELS}; it is cut short or"
            " not CIFAR-10: fetch it again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return records[:, 1:].reshape(-1, *_SHAPE), records[:, 0]


def pickled_images(
    where: str, content: bytes, key: str, kind: str
) -> tuple[Bytes, NDArray[np.int64]]:
    """Images and labels of a pickled dict: `data` (n, 3072) bytes, `key` n whole numbers.

    Args:
        kind: What messages call such a set.
    """
    fields = pickled_fields(where, content)
    data, labels = fields.get("data"), fields.get(key)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_PIXELS,):
        raise InputError(f"{where}: its data are no rows of {_PIXELS} bytes; it is not {kind}")
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise InputError(f"{where}: has no list of labels; it is not {kind}")
    if not all(0 <= label < _CLASSES for label in labels):
        raise InputError(f"{where}: has labels that are no class; it is not {kind}")
    if len(labels) != len(data):
        raise InputError(
            f"{where}: has {len(labels)} labels for {len(data)} images; fetch it again"
        )
    return data.reshape(-1, *_SHAPE), np.array(labels, np.int64)


def _classes(where: str, content: bytes) -> tuple[str, ...]:
    if where.endswith(".txt"):
        return tuple(content.decode("ascii", "replace").split())
    names = pickled_fields(where, content).get("label_names", [])
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        return _NAMES
    return tuple(pickled_text(name) for name in names)


def pickled_fields(where: str, content: bytes) -> dict[str, Any]:
    """The fields of a pickled dict, without running anything in it."""
    try:
        fields = load_plain(content).items()
        return {pickled_text(key): value for key, value in fields if isinstance(key, bytes | str)}
    except pickle.UnpicklingError as error:
        raise InputError(f"{where}: cannot be read ({error}); fetch it again") from error


def pickled_text(value: bytes | str) -> str:
    """Text, which Python 2 pickled as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
