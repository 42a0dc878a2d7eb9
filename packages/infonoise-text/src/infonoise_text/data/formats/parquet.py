"""Parquet: one document a row."""

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_text.data.formats.text import everything
from infonoise_text.data.reading import Document, NoFieldError, Reading, named

SUFFIXES = (".parquet",)
_ROWS = 256  # read at a time


def read(stream: BinaryIO, where: str, reading: Reading) -> Iterator[Document]:
    """The text of each row."""
    parquet = require("pyarrow.parquet", "infonoise-text[parquet]", f"{where}: reading Parquet")
    arrow = require("pyarrow", "infonoise-text[parquet]", f"{where}: reading Parquet")
    # It is read from its end; what comes packed or in a tar has none until it is there.
    source = stream if stream.seekable() else io.BytesIO(everything(stream, where))
    try:
        # In this thread alone: where threads of Arrow read a Python file, an error in the file can
        # end the process (a known fault of Arrow, issue 45214).
        with parquet.ParquetFile(source, pre_buffer=False) as file:
            names = file.schema_arrow.names
            columns = [_column(*way, names, where) for way in reading.fields.items()]
            number = 0
            for batch in file.iter_batches(_ROWS, columns=columns, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    try:
                        yield reading.document(row, f"{where}, row {number}", "column")
                    except InputError as error:
                        reading.refuse(error)
    except (OSError, UnicodeDecodeError, arrow.ArrowException) as error:
        raise InputError(f"{where}: cannot be read ({error})") from error


def _column(option: str, field: str, names: Sequence[str], where: str) -> str:
    """The column that a field is, or is inside of."""
    column = field if field in names else field.partition(".")[0]
    if column not in names:
        raise NoFieldError(
            f"{where}: no column {field!r} (its columns: {named(names)}); name it with {option}"
        )
    if names.count(column) > 1:
        raise InputError(
            f"{where}: {names.count(column)} columns are called {column!r}; give one another name"
        )
    return column
