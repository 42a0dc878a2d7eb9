"""Quantities as people write them: 3m, 133.5M, 24GiB."""

import re
from collections.abc import Mapping

from infonoise_core.errors import InputError

_COUNTS: Mapping[str, int] = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}
SIZES: Mapping[str, int] = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_duration(text: str) -> float:
    """Seconds from "90s", "3m", "1.5h" or a plain number of seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if match is None or float(match[1]) <= 0:
        raise InputError(f"--budget {text}: give a time such as 90s, 3m or 1.5h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def parse_count(text: str) -> int:
    """133500000 from "133.5M"; K, M and G (or B) are thousands, millions and billions."""
    return _parse(text, text, _COUNTS, "a number such as 133.5M, or the folder of a run")


def parse_size(text: str, option: str) -> int:
    """Bytes from "24GiB"; KiB, MiB and GiB are powers of 1024."""
    return _parse(text, f"{option} {text}", SIZES, "a size such as 24GiB")


def _parse(text: str, what: str, units: Mapping[str, int], want: str) -> int:
    number = text.strip().rstrip("KMGBIkmgbi ")
    unit = units.get(text.strip()[len(number) :].strip().upper())
    try:
        value = float(number) * (unit or 0)
    except ValueError:
        value = 0
    if not 1 <= value < 2**63:
        raise InputError(f"{what}: give {want}")
    return round(value)
