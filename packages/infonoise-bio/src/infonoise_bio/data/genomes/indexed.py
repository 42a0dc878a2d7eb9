"""FASTA by its index (.fai): windows are read from their place, not with a chromosome."""

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from infonoise_bio.alphabet import rna_to_dna
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import check_letters
from infonoise_bio.data.formats.regions import Letters
from infonoise_core.errors import InputError
from infonoise_core.reading import packing_of

# Of a header line, so much is looked at.
_HEADER = 4096


@dataclass(frozen=True)
class Chromosome:
    """A sequence of a genome whose letters lie in the file: a `Whole`."""

    id: str
    letters: Letters
    where: str
    circular: bool = False


class _OfFasta:
    """Letters of one record, by pyfaidx."""

    def __init__(self, index: Any, name: str, where: str) -> None:
        self._index, self._name, self._where = index, name, where
        self._length = int(index.index[name].rlen)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, places: slice, /) -> bytes:
        start, stop, _ = places.indices(self._length)
        if stop <= start:
            return b""
        letters = str(self._index.fetch(self._name, start + 1, stop)).encode()
        check_letters(letters, f"{self._where} from {start} on")
        return rna_to_dna(letters)


@contextmanager
def indexed_fasta(path: Path) -> Iterator[Any]:
    """pyfaidx's index of a plain or bgz FASTA file, or None where it has none.

    The index lies beside the file, or in a folder of its own for now where none can be written
    there. It cannot be made of lines that differ in length, nor of names taken twice.
    """
    pyfaidx: Any = importlib.import_module("pyfaidx")
    with tempfile.TemporaryDirectory() as folder:
        for name in (None, str(Path(folder) / "genome.fai")):
            try:
                index = pyfaidx.Faidx(str(path), name, as_raw=True)
            except PermissionError:
                continue
            except OSError as error:
                if error.errno:
                    continue
                break
            except (pyfaidx.FastaIndexingError, pyfaidx.UnsupportedCompressionFormat, ValueError,
                    ImportError):  # fmt: skip
                break
            try:
                _check_index(index, path)
                yield index
            finally:
                index.close()
            return
        yield None


def _check_index(index: Any, path: Path) -> None:
    """InputError for an index of another file, whose places would be believed: no bgz's, though."""
    with path.open("rb") as file:
        if packing_of(file.read(10)) is not None:
            return
        for name, entry in index.index.items():
            if entry.rlen and not _is_there(file, name, entry):
                raise InputError(
                    f"{path}.fai: is not of this file, as its record '{name}' shows; remove it, or"
                    " make it again"
                )


def _is_there(file: BinaryIO, name: str, entry: Any) -> bool:
    """Whether a header of that name stands before the letters of an entry, and none within."""
    start = max(0, entry.offset - _HEADER)
    file.seek(start)
    before = file.read(entry.offset - start)
    header = before[:-1].rpartition(b"\n")[2]
    words = header[1:].split(None, 1)
    is_whole = header.startswith(b">") or (start > 0 and header == before[:-1])
    row, column = divmod(entry.rlen - 1, entry.lenc)
    file.seek(entry.offset + row * entry.lenb + column)
    last = file.read(4)
    ends = last[1:].strip()
    return (
        before.endswith(b"\n")
        and is_whole
        and (not header.startswith(b">") or words[:1] == [name.encode()])
        and last[:1].strip() not in (b"", b">")
        and (not ends or ends.startswith(b">"))
    )


def fasta_genome(index: Any, path: Path, counts: Counts) -> Iterator[Chromosome]:
    """The sequences of a FASTA file by its index, in its order."""
    for name in index.index:
        where = f"{path}: record '{name}'"
        yield counted(Chromosome(name, _OfFasta(index, name, where), where), counts)


def counted(found: Chromosome, counts: Counts) -> Chromosome:
    """The same, counted."""
    counts.records += 1
    counts.bases += len(found.letters)
    return found
