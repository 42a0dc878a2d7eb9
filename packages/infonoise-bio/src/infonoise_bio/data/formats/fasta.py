"""Writing FASTA: complete or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

from infonoise_bio.alphabet import PAD
from infonoise_bio.data.formats.record import Record
from infonoise_core.errors import InputError

_WRAP = 80


def check_output(out: Path, overwrite: bool) -> None:
    """InputError where `out` cannot be written or must not be replaced."""
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give a file name")
    if out.exists() and not overwrite:
        raise InputError(f"--out {out} exists: give another name or --overwrite")


def write_fasta(out: Path, records: Iterable[Record]) -> int:
    """Write records as they come, with their fields as key=value; returns their number.

    The file appears when it is complete: after an error or an interruption there is none.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    number = 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as handle:
            for record in records:
                words = (f"{k}={'_'.join(v.split())}" for k, v in record.fields.items() if v)
                handle.write(f">{' '.join([record.id, *words])}\n")
                text = record.letters.replace(PAD, b"N").decode("ascii")
                for start in range(0, len(text), _WRAP):
                    handle.write(text[start : start + _WRAP] + "\n")
                number += 1
        os.replace(temporary, out)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return number
