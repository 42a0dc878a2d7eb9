"""What a user names as text -> documents.

Nothing in a text is changed: line ends, white space and control characters stay as they are.
"""

import pydoc_data.topics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infonoise_text.data.files import files_of, read_files
from infonoise_text.data.formats import huggingface
from infonoise_text.data.options import EMBEDDED
from infonoise_text.data.reading import Document, Reading


@dataclass
class Documents:
    """Texts that can be read any number of times, in the same order.

    Those that are empty or white space alone are left out.

    Attributes:
        name: Of the source, for reports.
        read: What gives the documents and fills in what a pass has found.
        new: A fresh record of a pass.
        reading: Of the last pass; complete when that was.
    """

    name: str
    read: Callable[[Reading], Iterator[Document]]
    new: Callable[[], Reading] = Reading
    reading: Reading = field(default_factory=Reading)

    @classmethod
    def of(cls, name: str, texts: Iterable[str]) -> "Documents":
        """Texts that are there already."""
        return cls(name, lambda _: map(Document, texts))

    def __iter__(self) -> Iterator[Document]:
        self.reading = self.new()
        return self.reading.counted(self.read(self.reading))


def open_documents(
    source: str = EMBEDDED,
    field: str = "text",
    *,
    val: str | None = None,
    test: str | None = None,
    skip_bad: int = 0,
) -> Documents:
    """The documents of `source`; reading them raises InputError at what cannot be read.

    A text file is one document, and so is each record of JSON, each row of a table and of Parquet.
    Files may be packed (.gz, .xz, .bz2, .zst) and lie in archives (.tar, .zip ...) and folders,
    where those with a known suffix are read, in the order of their names.

    Args:
        source: "pydoc" (the documentation that comes with Python, one document per topic), a file,
            a folder, a pattern such as `books/*.txt`, or "hf:NAME" or "hf:NAME,CONFIG" for a
            Hugging Face data set (a name on the hub or a folder that `save_to_disk` wrote).
        field: Of records, where the text is.
        val, test: Sources of held-out documents.
        skip_bad: How many files or records may be left out because they cannot be read.
    """
    parts = [(source, None), *((s, name) for s, name in ((val, "valid"), (test, "test")) if s)]

    def read(reading: Reading) -> Iterator[Document]:
        for part, split in parts:
            for document in _read(part, reading):
                yield document if split is None else Document(document.text, split)

    name = source
    if source != EMBEDDED and not source.startswith(huggingface.HUB):
        name = Path(source).resolve().name
        files_of(source, Reading())  # what is not there is said at once
    return Documents(name, read, lambda: Reading(field, skip_bad))


def _read(source: str, reading: Reading) -> Iterator[Document]:
    if source == EMBEDDED:
        return map(Document, pydoc_data.topics.topics.values())
    if source.startswith(huggingface.HUB):
        return huggingface.read(source.removeprefix(huggingface.HUB), reading)
    return read_files(files_of(source, reading), reading)
