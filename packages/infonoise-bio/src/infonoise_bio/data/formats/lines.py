"""One sequence a line -> records, named by their lines."""

import re
from collections.abc import Iterator
from pathlib import Path

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError

# A first line of nothing else, and not so short that it could be a word.
_SEQUENCE = re.compile(r"[ACGTUNRYSWKMBDHV]{4,}", re.IGNORECASE)


def is_sequence(line: str) -> bool:
    """Whether a line is a sequence and nothing else."""
    return _SEQUENCE.fullmatch(line.strip()) is not None


def read_lines(path: Path, counts: Counts) -> Iterator[Record]:
    """Each line that is not empty and no comment (#), called seq1, seq2, ... in their order."""
    with open_text(path) as (handle, place):
        for number, line in enumerate(handle, 1):
            letters = line.strip()
            if letters.startswith("#"):
                counts.comments += 1
            elif len(letters.split()) > 1:
                raise InputError(
                    f"{path}: line {number} holds several words; give one sequence a line, or a"
                    " table (.tsv) with a line of column names above it"
                )
            elif letters:
                yield make_record(f"seq{counts.records + 1}", letters, {}, place, counts)
    if not counts.records:
        raise InputError(f"{path}: holds no sequence; give one a line")
