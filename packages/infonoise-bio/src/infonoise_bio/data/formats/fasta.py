"""Writing FASTA: complete or not at all."""

from collections.abc import Iterable
from pathlib import Path

from infonoise_bio.alphabet import PAD
from infonoise_bio.data.formats.record import Record
from infonoise_core.files import whole_file

_WRAP = 80


def write_fasta(out: Path, records: Iterable[Record]) -> int:
    """Write records as they come, with their fields as key=value; returns their number.

    The file appears when it is complete: after an error or an interruption there is none.
    """
    number = 0
    with whole_file(out) as file, file.open("w", encoding="utf-8", newline="\n") as handle:
        for record in records:
            words = (f"{k}={'_'.join(v.split())}" for k, v in record.fields.items() if v)
            handle.write(f">{' '.join([record.id, *words])}\n")
            text = record.letters.replace(PAD, b"N").decode("ascii")
            for start in range(0, len(text), _WRAP):
                handle.write(text[start : start + _WRAP] + "\n")
            number += 1
    return number
