"""Which column of a table holds the images and which the labels, and what is in them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.containers import read_file
from infonoise_vision.data.formats.folders import TEST, TRAIN
from infonoise_vision.data.formats.source import Content, Labels, index_labels, named_labels

# Of columns of labels without class names.
_LABELS = ("label", "labels", "fine_label", "class", "cls", "category")


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        image: Whether it says that it holds images.
        files: Whether it holds files: bytes, or bytes with the path they had.
        classes: Names that its numbers count into.
    """

    image: bool = False
    files: bool = False
    classes: tuple[str, ...] | None = None


def chosen_splits(names: Sequence[str], where: str) -> tuple[str, str | None]:
    """The split to train on and the one to hold out; a line about the others."""
    train = next((name for name in TRAIN if name in names), names[0])
    test = next((name for name in TEST if name in names and name != train), None)
    left = [name for name in names if name not in (train, test)]
    if left:
        out = f", holds {test} out" if test else ""
        print(f"note: {where}: trains on {train}{out}; {_in_short(left)} left out", file=sys.stderr)
    return train, test


def image_column(columns: Mapping[str, Column], where: str) -> str:
    """The one of images; InputError where there is none, or several."""
    found = [name for name, column in columns.items() if column.image]
    found = found or [name for name, column in columns.items() if column.files]
    if not found:
        raise InputError(
            f"{where}: has no column of images, but {_in_short([*columns])}; cast one to Image"
        )
    if len(found) > 1:
        raise InputError(
            f"{where}: has {len(found)} columns of images, {', '.join(found)}; keep one"
            " (remove_columns) and save the data again"
        )
    return found[0]


def label_column(columns: Mapping[str, Column]) -> str | None:
    """The first with class names, or one called label, class, category or the like."""
    named = [name for name, column in columns.items() if column.classes is not None]
    return next(iter([*named, *(name for name in _LABELS if name in columns)]), None)


def labels_of(
    stored: Sequence[Any], classes: tuple[str, ...] | None, where: str
) -> tuple[Labels, tuple[str, ...]]:
    """Class index of each row, and the names.

    Args:
        stored: The column.
        classes: What it counts into, where that is known.
        where: Names the column.
    """
    try:
        labels = np.asarray(stored)
    except (OverflowError, ValueError):  # too large, or lists among them
        labels = np.asarray(None)
    if labels.dtype.kind == "f" and labels.ndim == 1 and bool((labels == labels.round()).all()):
        labels = labels.astype(np.int64)  # as pandas keeps a column that once lacked some
    if labels.ndim != 1 or labels.dtype.kind not in ("iu" if classes is not None else "iuU"):
        raise InputError(
            f"{where} holds no class for every image{_first_odd(stored)}; complete or drop it"
        )
    if classes is None:
        return index_labels(where, labels)
    if (labels == -1).all():  # what the hub writes for a test split without labels
        return None, ()
    return named_labels(where, labels.astype(np.int64), classes)


def content_of(stored: Any, where: str) -> Content:
    """The bytes of an image: stored alone, or beside the path of its file, or there."""
    path = stored.get("path") if isinstance(stored, dict) else None
    content = stored.get("bytes") if isinstance(stored, dict) else stored
    if isinstance(content, bytes) and content:
        return content
    if isinstance(path, str) and path and "\0" not in path:
        found = read_file(Path(path))
        return InputError(f"{where}: {found}") if isinstance(found, InputError) else found
    return InputError(f"{where}: is missing; remove the row")


def _first_odd(stored: Sequence[Any]) -> str:
    """Words about the first value that is no class."""
    for row, value in enumerate(stored):
        if value is None:
            return f": row {row} has none"
        whole = isinstance(value, float) and value.is_integer()
        if isinstance(value, bool) or not (whole or isinstance(value, (int, str, np.integer))):
            return f": row {row} has {str(value)[:40]}"
    return ""


def _in_short(names: Sequence[str]) -> str:
    return (
        ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:8])} and {len(names) - 8} more"
    )
