"""Parquet: one document a row."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_text.data.formats.text import everything
from infonoise_text.data.reading import NoFieldError, Reading, named, text_of

SUFFIXES = (".parquet",)
_ROWS = 256  # read at a time


def read(stream: BinaryIO, where: str, reading: Reading) -> Iterator[str]:
    """The text of each row."""
    parquet = require("pyarrow.parquet", "infonoise-text[parquet]", f"{where}: reading Parquet")
    arrow = require("pyarrow", "infonoise-text[parquet]", f"{where}: reading Parquet")
    field = reading.field
    # It is read from its end; what comes packed or in a tar has none until it is there.
    source = stream if stream.seekable() else io.BytesIO(everything(stream, where))
    try:
        # In this thread alone: where threads of Arrow read a Python file, an error in the file can
        # end the process (a known fault of Arrow, issue 45214).
        with parquet.ParquetFile(source, pre_buffer=False) as file:
            names = file.schema_arrow.names
            column = field if field in names else field.partition(".")[0]
            if column not in names:
                raise NoFieldError(
                    f"{where}: no column {field!r} (its columns: {named(names)}); name it with"
                    " --field"
                )
            number = 0
            for batch in file.iter_batches(_ROWS, columns=[column], use_threads=False):
                for value in batch.column(0).to_pylist():
                    number += 1
                    try:
                        row = {column: value}
                        yield text_of(row, field, f"{where}, row {number}", "column")
                    except InputError as error:
                        reading.refuse(error)
    except (OSError, UnicodeDecodeError, arrow.ArrowException) as error:
        raise InputError(f"{where}: cannot be read ({error})") from error
