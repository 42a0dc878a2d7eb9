"""What a command is given as its data: a file, several, a folder of them, or standard input."""

import atexit
import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.kinds import ENDINGS, format_of
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.formats.textfile import stem_of
from infonoise_bio.data.open import read_source
from infonoise_core.errors import InputError

STDIN = "-"
# The field that says which file a sequence is from, for --label.
FILE = "file"
_READ = {ending for endings in ENDINGS.values() for ending in endings} - {".vcf"}


def paths_of(source: str | Path) -> list[Path]:
    """The files that a text names.

    Args:
        source: A file, a folder (its files of sequences by name), a pattern such as ``peaks/*.fa``,
            several of these separated by commas, or - for standard input.
    """
    text = str(source)
    if text == STDIN:
        return [_standard_input()]
    path = Path(text)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and stem_of(p)[1] in _READ)
        if not files:
            raise InputError(f"{path}: is a folder without a file of sequences; give a file")
        return files
    if path.exists():
        return [path]
    if "," in text:
        words = (word.strip() for word in text.split(","))
        return [file for word in words if word for file in paths_of(word)]
    if glob.has_magic(text):
        found = sorted(map(Path, glob.glob(text)))
        if not found:
            raise InputError(f"{text}: no such file")
        return found
    return [path]


def read_sources(
    source: str | Path, reading: Reading, counts: Counts, label: str | None = None
) -> Iterator[Record]:
    """The sequences of all files; an id that an earlier file has taken gets the file's stem.

    Args:
        source: As in `paths_of`.
        reading: How each file is read.
        counts: What was met so far; it is added to.
        label: The field of the class; with `file` each has the stem of its file's name as one.
    """
    paths = paths_of(source)
    if len(paths) == 1:
        for record in read_source(paths[0], reading, counts):
            yield _of_file(record, paths[0]) if label == FILE else record
        return
    _check_files(paths, source, by_file=label == FILE)
    taken: set[str] = set()
    for path in paths:
        own = Counts()
        here: set[str] = set()
        for record in read_source(path, reading, own):
            here.add(record.id)
            if record.id in taken:
                name = f"{record.id}|{stem_of(path)[0]}"
                record = replace(record, id=name, origin=record.where)
            yield _of_file(record, path) if label == FILE else record
        taken |= here
        counts.add(own)


def _check_files(paths: list[Path], source: str | Path, *, by_file: bool) -> None:
    """InputError for a file that is there twice, or two of which a label would make one class."""
    files: dict[Path, None] = {}
    stems: dict[str, Path] = {}
    for path in paths:
        if (real := path.resolve()) in files:
            raise InputError(f"{source}: {path} is named twice; name it once")
        files[real] = None
        before = stems.setdefault(stem_of(path)[0], path)
        if by_file and before is not path:
            raise InputError(
                f"--label {FILE}: {before} and {path} would be one class, '{stem_of(path)[0]}';"
                " rename one"
            )


def kind_of(source: str | Path) -> str:
    """Format of the file, or how many files there are."""
    paths = paths_of(source)
    return format_of(paths[0]) if len(paths) == 1 else f"{len(paths)} files"


def _of_file(record: Record, path: Path) -> Record:
    return replace(record, said={FILE: stem_of(path)[0], **record.fields})


@cache
def _standard_input() -> Path:
    """What is piped in, as a file: it is read more than once."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("-: nothing is piped in; give a file, or pipe one in")
    folder = Path(tempfile.mkdtemp(prefix="infonoise-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    if not path.stat().st_size:
        raise InputError("-: nothing is piped in; give a file, or pipe one in")
    return path
