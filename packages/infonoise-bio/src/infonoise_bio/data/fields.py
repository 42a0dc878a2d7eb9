"""What the file says of a sequence, by the name of a field."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from infonoise_bio.data.formats.record import Record
from infonoise_core.errors import InputError
from infonoise_core.shown import amount

# What programs write where a cell has nothing.
_MISSING = ("na", "n/a", "nan", "none", "null", "-", ".")
_COMMA = re.compile(r"[-+]?[\d., ']*,[\d., ']*(?:[eE][-+]?\d+)?")
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
        # Python takes 1_000 for a number, and no one else does.
        value = float("nan" if "_" in text else text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= _LARGEST:
        fix = "correct it or drop the row"
        if _COMMA.fullmatch(text.strip()):
            fix = "write a point for decimals, and nothing between thousands"
        raise InputError(f"{record.where}: {name} is {text!r}, no number; {fix}")
    return value


def labels_like_none(labels: Iterable[str]) -> list[str]:
    """A line for each class whose name is what programs write for a missing value."""
    return [
        f"warning: label '{name}' of {amount(times, 'sequence')} is a class; if it says that there"
        " is none, leave it empty and give --unlabelled"
        for name, times in Counter(labels).items()
        if name.lower() in _MISSING
    ]
