"""Prompts in a file."""

import re
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_text.data.files import is_known, read_file
from infonoise_text.data.formats import text
from infonoise_text.data.formats.packed import unpacked_name
from infonoise_text.data.reading import NoFieldError, Reading


def read_prompts(path: Path, field: str = "prompt") -> list[str]:
    """Of records (.jsonl, .json, .csv, .parquet ...) that field, of other files each line.

    Raises:
        InputError: Where there are none, or a line has none.
    """
    if not path.is_file():
        raise InputError(f"--prompts {path}: not found; give a file with a prompt in each line")
    if is_known(path.name) and not unpacked_name(path.name.lower()).endswith(text.SUFFIXES):
        try:
            found = [record.text for record in read_file(path, Reading(field=field))]
        except NoFieldError as error:
            what = str(error).rpartition(";")[0]
            raise InputError(f"{what}; give records with that field, or plain lines") from error
    else:
        lines = "".join(document.text for document in read_file(path, Reading()))
        found = [line for line in re.split("\r\n|\r|\n", lines) if line.strip()]
    if not found:
        raise InputError(f"{path}: no prompts in it; give a line for each")
    if "" in found:
        raise InputError(
            f"{path}: prompt {found.index('') + 1} is empty; leave its record out, or use sample"
        )
    return found
