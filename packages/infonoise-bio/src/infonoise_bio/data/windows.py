"""Records of any length -> windows of one length: cropped, tiled or padded, never invented.

Or as long as they are; in an array they end with padding.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.alphabet import MASKED, PAD, codes_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Placed, Record
from infonoise_bio.data.formats.regions import Part, window_name
from infonoise_bio.data.options import Ambiguous, Windowing
from infonoise_core.errors import InputError

_HIDE_LOWER = bytes.maketrans(bytes(range(97, 123)), b"N" * 26)


def fit(records: Iterable[Record], windowing: Windowing, counts: Counts) -> Iterator[Record]:
    """Windows of one length, in the order of the records; `counts` says what was changed.

    Where lengths are to be as they are, the records themselves, cropped to the window if it is
    given.
    """
    length, first = windowing.window, ""
    for record in records:
        if windowing.as_they_are:
            length, first = min(len(record), windowing.window or len(record)), record.where
        elif length is None:
            length, first = len(record), record.where
        if windowing.window is None and len(record) != length:
            raise InputError(
                f"{record.where} has {len(record)} bases and {first} {length}; give --window for"
                " one length, or --lengths as-they-are"
            )
        if windowing.lower_case == "mask":
            record = replace(record, letters=record.letters.translate(_HIDE_LOWER))
        for window in _cut(record, length, windowing, counts):
            if _is_clear(window, windowing.ambiguous, counts):
                counts.windows += 1
                yield window


def padded(values: bytearray, lengths: NDArray[np.int64], filling: int) -> NDArray[np.uint8]:
    """Rows of these lengths (n,), one after the other -> (n, L), each with `filling` at its end."""
    flat = np.frombuffer(values, np.uint8)
    if len(flat) == len(lengths) * lengths.max():
        return flat.reshape(len(lengths), -1)
    found = np.full((len(lengths), lengths.max()), filling, np.uint8)
    ends = np.cumsum(lengths)
    for row, length, end in zip(found, lengths.tolist(), ends.tolist(), strict=True):
        row[:length] = flat[end - length : end]
    return found


def of_lengths(lengths: NDArray[np.int64]) -> list[str]:
    """What there is to say of sequences that differ in length."""
    low, high, mean = int(lengths.min()), int(lengths.max()), float(lengths.mean())
    if low == high:
        return []
    return [
        f"lengths as they are, {low:,} to {high:,} bases; padding to the longest is"
        f" {1 - mean / high:.0%} of the places and counts nowhere"
    ]


def _cut(record: Record, length: int, windowing: Windowing, counts: Counts) -> Iterator[Record]:
    surplus = len(record) - length
    if surplus < 0:
        yield from _short(record, -surplus, windowing, counts)
    elif windowing.stride is None or surplus == 0:
        start = {"start": 0, "center": surplus // 2, "end": surplus}[windowing.anchor]
        counts.cropped += surplus
        yield replace(record, letters=record.letters[start : start + length])
    else:
        yield from _tiles(record, length, windowing.stride)


def _tiles(record: Record, length: int, stride: int) -> Iterator[Record]:
    """Whole windows only; a rest at the end is left out."""
    for start in range(0, len(record) - length + 1, stride):
        name = window_name(record.id, (Part(start, start + length),), 0)
        piece = record.letters[start : start + length]
        chromosome = record.chromosome or record.id
        yield Placed(name, piece, record.said, record.origin, record.circular, chromosome)


def _short(record: Record, lack: int, windowing: Windowing, counts: Counts) -> Iterator[Record]:
    if windowing.shorter == "error":
        raise InputError(
            f"{record.where} has {len(record)} bases, fewer than the window of"
            f" {len(record) + lack}; give a smaller --window, or --shorter pad or drop"
        )
    if windowing.shorter == "drop":
        counts.short += 1
        return
    before = {"start": 0, "center": lack // 2, "end": lack}[windowing.anchor]
    counts.padded += lack
    yield replace(record, letters=PAD * before + record.letters + PAD * (lack - before))


def _is_clear(record: Record, ambiguous: Ambiguous, counts: Counts) -> bool:
    if ambiguous == "mask":
        return True
    codes = codes_of(record.letters)
    unclear = codes.count(MASKED) - record.letters.count(PAD)
    if unclear and ambiguous == "error":
        at = next(i for i, c in enumerate(codes) if c == MASKED and record.letters[i] != PAD[0])
        raise InputError(
            f"{record.where}: {chr(record.letters[at])!r} at position {at} (from 0) of its window"
            " is not A C G T; give --ambiguous mask or drop"
        )
    counts.unclear += bool(unclear)
    return not unclear
