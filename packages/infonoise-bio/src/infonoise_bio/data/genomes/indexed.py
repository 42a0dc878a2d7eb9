"""FASTA by its index (.fai): windows are read from their place, not with a chromosome."""

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infonoise_bio.alphabet import rna_to_dna
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import check_letters
from infonoise_bio.data.formats.regions import Letters


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
                yield index
            finally:
                index.close()
            return
        yield None


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
