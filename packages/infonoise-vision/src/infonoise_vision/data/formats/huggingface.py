"""Hugging Face datasets, by name on the hub or from a folder; needs the extra `hf`."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.containers import read_file
from infonoise_vision.data.formats.encoded import Encoded
from infonoise_vision.data.formats.source import (
    Content,
    Labels,
    Opened,
    Rows,
    index_labels,
    named_labels,
)

PREFIX = "hf:"
TEST_SPLITS = ("test", "validation", "valid", "val")


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote this folder."""
    alone = (folder / "state.json").exists() and (folder / "dataset_info.json").exists()
    return alone or (folder / "dataset_dict.json").exists()


def read_saved(folder: Path) -> Opened:
    """What `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote."""
    datasets = _library()
    try:
        found = datasets.load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be read ({_line(error)}); save it again") from error
    return _opened(datasets, found, folder.resolve().name, str(folder))


def read_hub(name: str) -> Opened:
    """What `datasets.load_dataset(name)` finds: on the hub, or in a local folder of its formats."""
    datasets = _library()
    try:
        found = datasets.load_dataset(name)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{PREFIX}{name}: cannot be loaded ({_line(error)})") from error
    return _opened(datasets, found, name.rstrip("/").rpartition("/")[2], PREFIX + name)


def _library() -> Any:
    try:
        return importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise InputError(
            "Hugging Face datasets need datasets: pip install 'infonoise-vision[hf]'"
        ) from error


def _opened(datasets: Any, found: Any, name: str, where: str) -> Opened:
    if isinstance(found, datasets.Dataset):
        return Opened(_source(datasets, found, name, where))
    splits = list(found)
    train = "train" if "train" in splits else splits[0]
    test = next((split for split in TEST_SPLITS if split in splits and split != train), None)
    held_out = _source(datasets, found[test], name, f"{where}, {test}") if test else None
    return Opened(_source(datasets, found[train], name, f"{where}, {train}"), held_out)


def _source(datasets: Any, data: Any, name: str, where: str) -> Encoded:
    """Images of the first column that holds them, with the labels of `_labels`."""
    features = data.features
    images = [k for k, kind in features.items() if isinstance(kind, datasets.Image)]
    if not images:
        columns = ", ".join(features)
        raise InputError(f"{where}: has no column of images, but {columns}; cast one to Image")
    column = images[0]
    labels, classes = _labels(datasets, data, where)
    files = data.select_columns([column]).cast_column(column, datasets.Image(decode=False))

    def contents(rows: Rows) -> Iterator[Content]:
        for row in rows:
            stored = files[int(row)][column]
            if stored is None:
                yield InputError(f"{where}, image {row}: is missing; remove the row")
            else:
                yield stored["bytes"] or read_file(Path(stored["path"]))

    return Encoded(
        name, [f"{where}, image {i}" for i in range(len(data))], contents, labels, classes
    )


def _labels(datasets: Any, data: Any, where: str) -> tuple[Labels, tuple[str, ...]]:
    """Of the first column with class names, or one called label, labels or fine_label."""
    features = data.features
    known = [k for k, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    known += [k for k in ("label", "labels", "fine_label") if k in features]
    if not known:
        return None, ()
    key = known[0]
    stored = np.asarray(data[key][:])
    if stored.ndim != 1 or stored.dtype.kind not in "iuU":
        raise InputError(
            f"{where}: column '{key}' holds no class for every image; complete or drop it"
        )
    if isinstance(features[key], datasets.ClassLabel):
        if (stored == -1).all():  # what the hub writes for a test split without labels
            return None, ()
        return named_labels(where, stored.astype(np.int64), tuple(features[key].names))
    return index_labels(where, stored)


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
