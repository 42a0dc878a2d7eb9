"""Prompts in a file."""

from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.reading import read_bytes
from infonoise_text.data.formats import json_records
from infonoise_text.data.formats.text import decoded
from infonoise_text.data.reading import NoFieldError, Reading


def read_prompts(path: Path, field: str = "prompt") -> list[str]:
    """Of .jsonl the field of each line, of other files each line.

    Raises:
        InputError: Where there are none, or a line has none.
    """
    if not path.is_file():
        raise InputError(f"--prompts {path}: not found; give a file with a prompt in each line")
    if path.suffix in json_records.LINES:
        with path.open("rb") as file:
            records = json_records.read_lines(file, str(path), Reading(field=field))
            try:
                found = [record.text for record in records]
            except NoFieldError as error:
                what = str(error).rpartition(";")[0]
                raise InputError(f"{what}; give records with that field, or plain lines") from error
    else:
        lines = decoded(read_bytes(path), str(path)).splitlines()
        found = [line for line in lines if line.strip()]
    if not found:
        raise InputError(f"{path}: no prompts in it; give a line for each")
    return found
