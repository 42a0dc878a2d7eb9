"""One door to genomes: FASTA, 2bit or GenBank, one sequence after the other."""

from collections.abc import Iterator
from pathlib import Path

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.fasta import read_fasta
from infonoise_bio.data.formats.genbank import read_genbank
from infonoise_bio.data.formats.kinds import format_of
from infonoise_bio.data.genomes.indexed import fasta_genome, indexed_fasta
from infonoise_bio.data.genomes.twobit import twobit_genome
from infonoise_bio.data.genomes.whole import Whole
from infonoise_core.errors import InputError

# A smaller file is read as it is, at most a chromosome at a time: that is as fast, and needs no
# index beside it.
_LARGE = 16 << 20


def open_genome(path: Path, counts: Counts) -> Iterator[Whole]:
    """The sequences of a genome, in the order of the file."""
    kind = format_of(path)
    if kind == "twobit":
        yield from twobit_genome(path, counts)
    elif kind in ("genbank", "embl"):
        yield from read_genbank(path, counts, kind=kind)
    elif kind != "fasta":
        raise InputError(f"--genome {path}: this is {kind}; give FASTA, 2bit, GenBank or EMBL")
    elif path.stat().st_size < _LARGE and not path.with_name(f"{path.name}.fai").exists():
        yield from read_fasta(path, counts)
    else:
        with indexed_fasta(path) as index:
            if index is None:
                yield from read_fasta(path, counts)
            else:
                yield from fasta_genome(index, path, counts)
