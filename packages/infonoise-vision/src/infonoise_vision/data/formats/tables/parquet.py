"""Parquet files with a column of images, as the hub has them; needs the extra `parquet`."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_core.reading import check_regular
from infonoise_vision.data.formats.encoded import Encoded
from infonoise_vision.data.formats.folders import TEST, TRAIN
from infonoise_vision.data.formats.source import Content, Labels, Opened, Rows
from infonoise_vision.data.formats.tables.columns import (
    Column,
    chosen_splits,
    content_of,
    image_column,
    label_column,
    labels_of,
)

SUFFIX = ".parquet"
_EXTRA = "infonoise-vision[parquet]"
# Read at a time: of large photographs little memory.
_ROWS, _BUFFER = 64, 1 << 20
# How the hub names the parts of a split: train-00000-of-00002.
_PART = re.compile(r"(.+?)-\d+-of-\d+")


def read_parquet(file: Path) -> Opened:
    """One file, with the images in it as files or as bare bytes."""
    return Opened(_source([file], file.name.partition(".")[0], str(file)))


def read_parquet_folder(folder: Path, names: Sequence[str]) -> Opened:
    """Such files, whose names or folders say which split each belongs to, as the hub has them.

    Args:
        names: Of all files in the folder.
    """
    splits: dict[str, list[Path]] = {}
    for name in sorted(name for name in names if name.lower().endswith(SUFFIX)):
        splits.setdefault(_split(name), []).append(folder / name)
    train, test = chosen_splits(list(splits), str(folder))

    def source(split: str) -> Encoded:
        return _source(splits[split], folder.resolve().name, f"{folder}, {split}")

    return Opened(source(train), source(test) if test else None)


def _split(name: str) -> str:
    """Which a file belongs to: what the hub calls its part, or a word of its path, else train."""
    stem = name[: -len(SUFFIX)]
    part = _PART.fullmatch(stem.rpartition("/")[2])
    words = re.findall("[a-z]+", (part[1] if part else stem).lower())
    known = next((word for word in (*TRAIN, *TEST) if word in words), None)
    return known or (part[1] if part else TRAIN[0])


def _source(paths: Sequence[Path], name: str, where: str) -> Encoded:
    files = _Files(paths)
    images, key = image_column(files.columns, where), label_column(files.columns)
    labels: Labels = None
    classes: tuple[str, ...] = ()
    if key is not None:
        named = files.columns[key].classes
        labels, classes = labels_of(files.column(key), named, f"{where}: column '{key}'")

    def contents(rows: Rows) -> Iterator[Content]:
        for row, stored in zip(rows, files.values(images, rows), strict=True):
            yield content_of(stored, f"{where}, image {row}")

    return Encoded(
        name, [f"{where}, image {i}" for i in range(sum(files.rows))], contents, labels, classes
    )


class _Files:
    """Files with the same columns, whose rows follow one another."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        heads = [_head(path) for path in paths]
        self._schema = heads[0][0]
        self.rows = [rows for _, rows in heads]
        for path, (schema, _) in zip(paths, heads, strict=True):
            if schema.names != self._schema.names:
                raise InputError(
                    f"{path}: has the columns {', '.join(schema.names)}, but {paths[0]} has"
                    f" {', '.join(self._schema.names)}; give files of one set"
                )

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What each holds: Hugging Face's note of it, or the type it is stored in."""
        noted = _noted(self._schema.metadata or {})
        return {field.name: _column(noted.get(field.name), field.type) for field in self._schema}

    def column(self, name: str) -> list[Any]:
        """All values of a small one."""
        values: list[Any] = []
        for path, rows in zip(self._paths, self.rows, strict=True):
            with _opened(path) as file:
                read = file.read(columns=[name], use_threads=False).column(0).to_pylist()
            if len(read) != rows:
                raise _damaged(path, f"{len(read)} values of {name} for {rows} rows")
            values += read
        return values

    def values(self, name: str, rows: Rows) -> Iterator[Any]:
        """Those of a column at ascending rows."""
        starts = np.cumsum([0, *self.rows])
        for path, start, end in zip(self._paths, starts, starts[1:], strict=False):
            wanted = rows[(rows >= start) & (rows < end)] - start
            if len(wanted):
                yield from _values(path, name, wanted)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file; what goes wrong with it is one InputError.

    It is opened by its path and read without threads: where threads of Arrow read a Python file, an
    error in the file can end the process (a known fault of Arrow, issue 45214).
    """
    parquet = require("pyarrow.parquet", _EXTRA, f"{path}: reading Parquet")
    arrow = require("pyarrow", _EXTRA, f"{path}: reading Parquet")
    check_regular(path)
    try:
        with parquet.ParquetFile(
            path, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
        ) as file:
            yield file
    except (OSError, UnicodeDecodeError, arrow.ArrowException) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise _damaged(path, reason) from error


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: cannot be read as Parquet ({reason}); copy it here anew")


def _head(path: Path) -> tuple[Any, int]:
    """Schema and number of rows."""
    with _opened(path) as file:
        rows: int = file.metadata.num_rows
        # No picture is a single bit: a damaged head says so.
        if rows > 8 * path.stat().st_size:
            raise _damaged(path, f"says it holds {rows} rows, more than bits")
        return file.schema_arrow, rows


def _noted(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _column(note: Any, stored: Any) -> Column:
    """Of what Hugging Face notes of it, and of Arrow's type."""
    types = require("pyarrow.types", _EXTRA, "Parquet")

    kind = note.get("_type") if isinstance(note, dict) else None
    names = note.get("names") if kind == "ClassLabel" else None
    classes = None
    if isinstance(names, list):
        classes = tuple(str(name) for name in names)
    if types.is_struct(stored):
        files = {stored.field(i).name for i in range(stored.num_fields)} == {"bytes", "path"}
    else:
        files = types.is_binary(stored) or types.is_large_binary(stored)
    return Column(kind == "Image", files, classes)


def _values(path: Path, name: str, rows: Rows) -> Iterator[Any]:
    """Values of a column at ascending rows of one file; only the groups with some are read."""
    with _opened(path) as file:
        start, found = 0, 0
        for group in range(file.metadata.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            here = rows[(rows >= start) & (rows < end)]
            if len(here):
                for value in _picked(file.iter_batches(_ROWS, [group], [name], False), start, here):
                    found += 1
                    yield value
            start = end
    if found != len(rows):
        raise _damaged(path, f"{found} values of {name} for {len(rows)} rows")


def _picked(batches: Iterator[Any], start: int, rows: Rows) -> Iterator[Any]:
    """The values at ascending rows, in batches of which the first begins at `start`."""
    for batch in batches:
        here = rows[(rows >= start) & (rows < start + len(batch))] - start
        yield from batch.column(0).take(here.tolist()).to_pylist()
        start += len(batch)
