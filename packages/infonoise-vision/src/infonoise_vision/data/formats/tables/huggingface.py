"""Hugging Face datasets, by name on the hub or from a folder; needs the extra `hf`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infonoise_core.training.data.huggingface import open_splits
from infonoise_vision.data.formats.encoded import Encoded
from infonoise_vision.data.formats.source import Content, Labels, Opened, Rows
from infonoise_vision.data.formats.tables.columns import (
    Column,
    chosen_splits,
    content_of,
    image_column,
    label_column,
    labels_of,
)

PREFIX = "hf:"
_EXTRA = "infonoise-vision[hf]"


def read_saved(folder: Path) -> Opened:
    """What `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote."""
    return _opened(open_splits(str(folder), extra=_EXTRA), folder.resolve().name, str(folder))


def read_hub(name: str) -> Opened:
    """What `datasets.load_dataset(name)` finds: on the hub, or in a local folder of its formats."""
    where = PREFIX + name
    splits = open_splits(name, where=where, extra=_EXTRA)
    return _opened(splits, name.rstrip("/").rpartition("/")[2], where)


def _opened(splits: dict[str, Any], name: str, where: str) -> Opened:
    if "" in splits:
        return Opened(_source(splits[""], name, where))
    train, test = chosen_splits(list(splits), where)
    held_out = _source(splits[test], name, f"{where}, {test}") if test else None
    return Opened(_source(splits[train], name, f"{where}, {train}"), held_out)


def _source(data: Any, name: str, where: str) -> Encoded:
    import datasets

    columns = {key: _column(kind) for key, kind in data.features.items()}
    images, key = image_column(columns, where), label_column(columns)
    labels: Labels = None
    classes: tuple[str, ...] = ()
    if key is not None:
        stored = data[key][:]
        labels, classes = labels_of(stored, columns[key].classes, f"{where}: column '{key}'")
    files = data.select_columns([images]).cast_column(images, datasets.Image(decode=False))

    def contents(rows: Rows) -> Iterator[Content]:
        for row in rows:
            yield content_of(files[int(row)][images], f"{where}, image {row}")

    return Encoded(
        name, [f"{where}, image {i}" for i in range(len(data))], contents, labels, classes,
        apart=True,
    )  # fmt: skip


def _column(kind: Any) -> Column:
    import datasets

    if isinstance(kind, datasets.Image):
        return Column(image=True, files=True)
    if isinstance(kind, datasets.ClassLabel):
        return Column(classes=tuple(kind.names))
    if isinstance(kind, dict):
        return Column(files=kind.keys() == {"bytes", "path"})
    return Column(files=getattr(kind, "dtype", None) in ("binary", "large_binary"))
