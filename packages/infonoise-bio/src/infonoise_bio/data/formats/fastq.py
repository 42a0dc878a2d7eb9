"""FASTQ -> records, by Biopython's parser; qualities are left aside."""

from collections.abc import Iterator
from pathlib import Path

from Bio.SeqIO.QualityIO import FastqGeneralIterator

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError


def read_fastq(path: Path, counts: Counts) -> Iterator[Record]:
    """Records of a FASTQ file; id is the header's first word."""
    with open_text(path) as (handle, place):
        parser = FastqGeneralIterator(handle)
        while True:
            try:
                title, text, _ = next(parser)
            except StopIteration:
                break
            except UnicodeDecodeError:
                raise
            except ValueError as error:
                raise InputError(
                    f"{place}: this is no FASTQ that can be read ({str(error).rstrip('.')}); get it"
                    " again if it is cut off"
                ) from None
            words = title.split(None, 1)
            if not words:
                raise InputError(f"{place}: the next record has no id; write one after its '@'")
            yield make_record(words[0], text, title, place, counts)
    if not counts.records:
        raise InputError(f"{path}: holds no sequence; give FASTQ with at least one record")
