"""Data sets of the Hugging Face `datasets` library, from the hub or a folder."""

from collections.abc import Iterator

from infonoise_core.errors import InputError
from infonoise_core.training.data.huggingface import open_splits
from infonoise_text.data.reading import SPLIT_NAMES, Document, Reading

HUB = "hf:"


def read(source: str, reading: Reading) -> Iterator[Document]:
    """The documents of all splits that are given, or of the only one.

    Args:
        source: NAME or NAME,CONFIG on the hub, or a folder that `save_to_disk` wrote.
    """
    name, _, config = source.partition(",")
    splits = open_splits(
        name, config or None, where=f"{HUB}{source}", extra="infonoise-text[hf]", streaming=True
    )
    splits = {split or "train": rows for split, rows in splits.items()}
    known = {name: rows for name, rows in splits.items() if name in SPLIT_NAMES}
    for name in splits:
        if known and name not in known:
            reading.leave_out(name, "no split of that name is known")
    for name, rows in (known or splits).items():
        split = SPLIT_NAMES[name] if len(known) > 1 else None
        for number, row in enumerate(rows, start=1):
            where = f"{HUB}{source}, row {number}" + (f" of {name}" if len(splits) > 1 else "")
            try:
                yield reading.document(row, where, "column")._replace(split=split)
            except InputError as error:
                reading.refuse(error)
