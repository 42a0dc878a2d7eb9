"""Splits by stretches: of a genome where sequences say where they lie, else of the file."""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.options import Splitting
from infonoise_core.errors import InputError

# Record, first base and the one after the last, from 0, which is before the first where a window
# of a circular record goes on across the origin; or None where a sequence does not say.
Place = tuple[str, int, int] | None

# As in chr1:100-200(+), or chr1:100-200(+),300-400(+) of a joined window; perhaps behind a name and
# ::, as bedtools writes it, and with what `read_sources` puts behind an id that was taken.
_PLACES = re.compile(r"^(?:\S*?::)?(\S+?):((?:-?\d+--?\d+(?:\([+-]\))?,?)+)(?:\|\S+)?$")
_SPAN = re.compile(r"(-?\d+)-(-?\d+)")
# Share of the sequences left out at each border, where only the file's order is known.
_GAP = 0.01


def place_of(record: Record) -> Place:
    """Where a window was cut, by its id."""
    match = _PLACES.match(record.id)
    if match is None:
        return None
    spans = [(int(a), int(b)) for a, b in _SPAN.findall(match[2])]
    # Of a joined window the part across the origin says where it begins.
    across = [a for a, b in spans if a > b]
    return match[1], min(across or [a for a, _ in spans]), max(b for _, b in spans)


def single_place(record: Record) -> tuple[str, int, bool]:
    """Sequence, first base and whether it is read forward; the record itself if it does not say."""
    place = place_of(record)
    if place is None or place[2] - place[1] != len(record):
        return record.id, 0, True
    return place[0], place[1], "(-)" not in record.id


def split_by_region(
    places: Sequence[Place], length: int, splitting: Splitting
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], str]:
    """Validation and test are each one stretch, with a gap to their neighbours.

    Args:
        places: Of the sequences, in the order of the file.
        length: Bases of a sequence: the gap between parts, where places are known.
        splitting: The shares, and the seed that says where the stretches lie.

    Returns:
        Index into SPLITS (n,), which sequences are kept (n,), and one line that says what was done.

    Raises:
        InputError: Where a part would be empty.
    """
    n = len(places)
    known = [place for place in places if place is not None]
    by_place = len(known) == n
    order = sorted(range(n), key=lambda i: known[i]) if by_place else list(range(n))
    val, test = (round(share * n) for share in (splitting.val, splitting.test))
    val, test = (
        max(1, size) if share else 0
        for size, share in ((val, splitting.val), (test, splitting.test))
    )
    # With another seed the stretches lie elsewhere: the order is turned.
    turn = int(n * ((splitting.split_seed * 0.6180339887498949) % 1))
    order = order[turn:] + order[:turn]
    parts = np.zeros(n, np.uint8)
    parts[order[n - test - val : n - test]] = 1
    parts[order[n - test :] if test else []] = 2
    drop = _near(parts, known, length) if by_place else _at_borders(order, parts)
    keep = np.ones(n, np.bool_)
    keep[drop] = False
    sizes = np.bincount(parts[keep], minlength=3)
    needed = [True, bool(val), bool(test)]
    if any(is_needed and not size for is_needed, size in zip(needed, sizes, strict=True)):
        raise InputError(
            f"too few to hold some out: {n} sequences leave {sizes[0]} to train on,"
            f" {sizes[1]} for validation and {sizes[2]} for the test; give more, or another --split"
        )
    what = "stretches of the genome" if by_place else "stretches of the file"
    return parts, keep, f"split by region: {what}; {int((~keep).sum()):,} at their borders left out"


def _near(parts: NDArray[np.uint8], places: Sequence[tuple[str, int, int]], gap: int) -> list[int]:
    """Sequences that lie within `gap` bases of one that is held out more than they are."""
    drop = []
    for part in (1, 2):
        stretches = _merged(
            (name, first - gap, last + gap)
            for i, place in enumerate(places)
            if parts[i] == part
            for name, first, last in _straight(place)
        )
        for i, place in enumerate(places):
            name = place[0]
            if parts[i] < part and any(
                _meets(stretches.get(name, []), first, last) for _, first, last in _straight(place)
            ):
                drop.append(i)
    return drop


def _straight(place: tuple[str, int, int]) -> list[tuple[str, int, int]]:
    """A place, or its two where it goes on across the origin."""
    name, first, last = place
    return [place] if first <= last else [(name, first, sys.maxsize // 2), (name, 0, last)]


def _meets(stretches: list[tuple[int, int]], first: int, last: int) -> bool:
    """Whether one of them, in order and apart, has a base from the first to the last."""
    # The last stretch that begins before this one ends.
    at = bisect_right(stretches, last, key=lambda span: span[0]) - 1
    return at >= 0 and stretches[at][1] >= first


def _merged(spans: Iterable[tuple[str, int, int]]) -> dict[str, list[tuple[int, int]]]:
    """Stretches by name, in order, those that touch as one."""
    found: dict[str, list[tuple[int, int]]] = {}
    for name, first, last in sorted(spans):
        stretches = found.setdefault(name, [])
        if stretches and first <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], max(last, stretches[-1][1]))
        else:
            stretches.append((first, last))
    return found


def _at_borders(order: list[int], parts: NDArray[np.uint8]) -> list[int]:
    """The last ones before a part that is held out more than theirs, the first ones after it."""
    gap = max(1, round(_GAP * len(order)))
    drop = []
    for at in range(len(order)):
        before, here = parts[order[at - 1]], parts[order[at]]
        if here > before:
            drop += [order[(at - 1 - i) % len(order)] for i in range(gap)]
        elif before > here:
            drop += [order[(at + i) % len(order)] for i in range(gap)]
    return [i for i in drop if parts[i] < 2]
