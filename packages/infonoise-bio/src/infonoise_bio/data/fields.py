"""What the file says of a sequence, by the name of a field."""

import numpy as np

from infonoise_bio.data.formats.record import Record
from infonoise_core.errors import InputError

_LARGEST = float(np.finfo(np.float32).max)


def field_of(record: Record, name: str, option: str) -> str:
    """The text of a field; InputError where there is none, which names those there are."""
    value = record.fields.get(name)
    if value is None:
        there = ", ".join(record.fields) or "none"
        raise InputError(f"{record.where} has no field '{name}' ({option}); its fields: {there}")
    return value


def number_of(record: Record, name: str) -> float:
    """The number in a field; InputError for what is none, or too large."""
    text = field_of(record, name, "--numbers")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= _LARGEST:
        raise InputError(
            f"{record.where}: {name} is {text!r}, no number; correct it or drop the row"
        )
    return value
