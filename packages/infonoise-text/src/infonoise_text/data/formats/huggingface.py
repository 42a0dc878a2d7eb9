"""Data sets of the Hugging Face `datasets` library, from the hub or a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.extras import require
from infonoise_text.data.reading import SPLIT_NAMES, Document, Reading, text_of

HUB = "hf:"


def read(source: str, reading: Reading) -> Iterator[Document]:
    """The documents of all splits that are given, or of the only one.

    Args:
        source: NAME or NAME,CONFIG on the hub, or a folder that `save_to_disk` wrote.
    """
    splits = _open(source)
    known = {name: rows for name, rows in splits.items() if name in SPLIT_NAMES}
    for name in splits:
        if known and name not in known:
            reading.leave_out(name, "no split of that name is known")
    for name, rows in (known or splits).items():
        split = SPLIT_NAMES[name] if len(known) > 1 else None
        for number, row in enumerate(rows, start=1):
            where = f"{HUB}{source}, row {number}" + (f" of {name}" if len(splits) > 1 else "")
            try:
                yield Document(text_of(row, reading.field, where, "column"), split)
            except InputError as error:
                reading.refuse(error)


def _open(source: str) -> dict[str, Any]:
    """Name of a split -> its rows."""
    library = require("datasets", "infonoise-text[hf]", f"{HUB}{source}: a Hugging Face data set")
    name, _, config = source.partition(",")
    try:
        if Path(name).is_dir():
            found = library.load_from_disk(name)
        else:
            found = library.load_dataset(name, config or None, streaming=True)
    except Exception as error:  # network, missing name, missing split: no common type
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{HUB}{source}: cannot be opened ({reason})") from error
    return dict(found) if isinstance(found, dict) else {"train": found}
