"""What a user names as text -> documents.

Nothing in a text is changed: line ends, white space and control characters stay as they are.
"""

import pydoc_data.topics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_text.data.detokenize import DETOKENIZERS
from infonoise_text.data.files import files_of, read_files
from infonoise_text.data.formats import huggingface, stdin
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
    source: str | Sequence[str] = EMBEDDED,
    field: str = "text",
    *,
    val: str | None = None,
    test: str | None = None,
    detokenize: str | None = None,
    skip_bad: int = 0,
    answer: str | None = None,
) -> Documents:
    """The documents of `source`; reading them raises InputError at what cannot be read.

    A text file is one document, and so is each record of JSON, each row of a table and of Parquet.
    Files may be packed (.gz, .xz, .bz2, .zst) and lie in archives (.tar, .zip ...) and folders,
    where those with a known suffix are read, in the order of their names.

    Args:
        source: "pydoc" (the documentation that comes with Python, one document per topic), a file,
            a folder, a pattern such as `books/*.txt`, or "hf:NAME" or "hf:NAME,CONFIG" for a
            Hugging Face data set (a name on the hub or a folder that `save_to_disk` wrote); "-"
            for what is piped in, text or JSON lines; or several of them.
        field: Of records, where the text is.
        val, test: Sources of held-out documents.
        detokenize: Which of `DETOKENIZERS` makes text of them, if one has to.
        skip_bad: How many files or records may be left out because they cannot be read.
        answer: Of records, where the answer is to the prompt in `field`, if they are pairs.
    """
    if answer is not None:
        _check_pairs(source, field, answer, detokenize)
    sources = [source] if isinstance(source, str) else list(source)
    sources = [str(stdin.spooled()) if name == stdin.NAME else name for name in sources]
    given = [([s], split) for s, split in ((val, "valid"), (test, "test")) if s]

    def as_they_are(reading: Reading) -> Iterator[Document]:
        yield from _read(sources, reading)
        for held_out, split in given:
            for document in _read(held_out, reading):
                yield document._replace(split=split)

    def read(reading: Reading) -> Iterator[Document]:
        documents = as_they_are(reading)
        return documents if detokenize is None else DETOKENIZERS[detokenize](documents)

    # What is not there is said at once.
    for name in [*sources, *(s for held_out, _ in given for s in held_out)]:
        if _is_path(name):
            files_of(name, Reading())
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    return Documents(_name(sources[0]) + more, read, lambda: Reading(field, skip_bad, answer))


def _check_pairs(
    source: str | Sequence[str], field: str, answer: str, detokenize: str | None
) -> None:
    """InputError for what cannot be read as pairs."""
    if answer == field:
        raise InputError(
            f"--answer {answer} is the field of the prompt too: name the prompt's with --field"
        )
    if detokenize is not None:
        raise InputError(f"--answer with --detokenize {detokenize}: that is for whole texts")
    if EMBEDDED in ([source] if isinstance(source, str) else source):
        raise InputError(f"--answer {answer}: {EMBEDDED} has no pairs; give a file of records")


def _is_path(source: str) -> bool:
    return source != EMBEDDED and not source.startswith(huggingface.HUB)


def _name(source: str) -> str:
    return Path(source).resolve().name if _is_path(source) else source


def _read(sources: Sequence[str], reading: Reading) -> Iterator[Document]:
    paths = [source for source in sources if _is_path(source)]
    for source in sources:
        if source == EMBEDDED:
            yield from map(Document, pydoc_data.topics.topics.values())
        elif not _is_path(source):
            yield from huggingface.read(source.removeprefix(huggingface.HUB), reading)
    # Together, for their names may say splits.
    files = [file for path in paths for file in files_of(path, reading)]
    if len(paths) > 1:
        files = [(path, name or path.name) for path, name in files]
    yield from read_files(files, reading)
