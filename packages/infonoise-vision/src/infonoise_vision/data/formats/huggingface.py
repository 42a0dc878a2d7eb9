"""Hugging Face datasets, by name on the hub or from a folder; needs the extra `hf`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.training.data.huggingface import open_splits
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
PARQUET = ".parquet"
_EXTRA = "infonoise-vision[hf]"
TEST_SPLITS = ("test", "validation", "valid", "val")


def read_saved(folder: Path) -> Opened:
    """What `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote."""
    return _opened(open_splits(str(folder), extra=_EXTRA), folder.resolve().name, str(folder))


def read_hub(name: str) -> Opened:
    """What `datasets.load_dataset(name)` finds: on the hub, or in a local folder of its formats."""
    where = PREFIX + name
    splits = open_splits(name, where=where, extra=_EXTRA)
    return _opened(splits, name.rstrip("/").rpartition("/")[2], where)


def read_parquet(file: Path) -> Opened:
    """One file, with the images in it as files or as bare bytes; needs the extra `hf`."""
    where = str(file)
    splits = open_splits("parquet", files=[where], where=where, extra=_EXTRA)
    return _opened(splits, file.name.partition(".")[0], where)


def read_parquet_folder(folder: Path) -> Opened:
    """Such files, whose names or folders say which split each belongs to, as the hub has them."""
    where = str(folder)
    return _opened(open_splits(where, where=where, extra=_EXTRA), folder.resolve().name, where)


def _opened(splits: dict[str, Any], name: str, where: str) -> Opened:
    if "" in splits:
        return Opened(_source(splits[""], name, where))
    names = list(splits)
    train = "train" if "train" in names else names[0]
    test = next((split for split in TEST_SPLITS if split in names and split != train), None)
    held_out = _source(splits[test], name, f"{where}, {test}") if test else None
    return Opened(_source(splits[train], name, f"{where}, {train}"), held_out)


def _source(data: Any, name: str, where: str) -> Encoded:
    """Images of the first column that holds them, with the labels of `_labels`."""
    import datasets

    images = [k for k, kind in data.features.items() if isinstance(kind, datasets.Image)]
    images = images or [k for k, kind in data.features.items() if _holds_files(kind)]
    if not images:
        columns = ", ".join(data.features)
        raise InputError(f"{where}: has no column of images, but {columns}; cast one to Image")
    if len(images) > 1:
        raise InputError(
            f"{where}: has {len(images)} columns of images, {', '.join(images)}; keep one"
            " (remove_columns) and save the data again"
        )
    column = images[0]
    labels, classes = _labels(data, where)
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


def _holds_files(kind: Any) -> bool:
    """Whether a column holds files as an Image is stored, or their bytes alone."""
    if isinstance(kind, dict):
        return kind.keys() == {"bytes", "path"}
    return getattr(kind, "dtype", None) in ("binary", "large_binary")


def _labels(data: Any, where: str) -> tuple[Labels, tuple[str, ...]]:
    """Of the first column with class names, or one called label, labels or fine_label."""
    import datasets

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
