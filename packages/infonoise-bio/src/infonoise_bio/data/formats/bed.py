"""BED files -> intervals on the sequences of a genome."""

from itertools import pairwise
from pathlib import Path

from infonoise_bio.data.formats.regions import Part, Region
from infonoise_bio.data.formats.textfile import open_text, stem_of
from infonoise_core.errors import InputError

_FIELDS = ("name", "score", "strand", "signalValue", "pValue", "qValue")
# Columns of narrowPeak, and from how many on there are blocks.
_PEAK, _BLOCKS = 10, 12

# Bases of a genome at most, with room; Python counts no further than 64 bits.
_LONGEST = 1 << 40


def read_bed(path: Path) -> dict[str, list[Region]]:
    """Intervals by chromosome, with what else the file says of them.

    Ten columns are narrowPeak's, with a summit; twelve are BED's with blocks, which are joined.
    """
    intervals: dict[str, list[Region]] = {}
    peaks = stem_of(path)[1] in (".narrowpeak", ".broadpeak")
    with open_text(path) as (handle, place):
        for number, line in enumerate(handle, 1):
            words = line.rstrip("\r\n").split("\t" if "\t" in line else None)
            if not words or line.isspace() or line.startswith(("#", "track", "browser")):
                continue
            where = f"{path}: line {number}"
            intervals.setdefault(words[0], []).append(
                _interval(words, where, peaks or len(words) == _PEAK)
            )
            place.record = f"line {number}"
    if not intervals:
        raise InputError(f"{path}: holds no interval; give lines of chromosome, start and end")
    return intervals


def _interval(words: list[str], where: str, peaks: bool) -> Region:
    try:
        start, end = int(words[1]), int(words[2])
    except (IndexError, ValueError):
        raise InputError(
            f"{where}: has no start and end as whole numbers; give chromosome, start, end,"
            " separated by tabs"
        ) from None
    where = f"{where}, {words[0]}:{start}-{end}"
    if start >= end:
        raise InputError(f"{where}: the end must lie after the start")
    if max(abs(start), abs(end)) > _LONGEST:
        raise InputError(f"{where}: no sequence is so long; correct the interval")
    strand = words[5] if len(words) > 5 else "."
    if strand not in ("+", "-", "."):
        raise InputError(f"{where}: strand {strand!r}; give +, - or .")
    fields = dict(zip(_FIELDS[: 6 if peaks else 3], words[3:], strict=False))
    if fields.get("name") == ".":  # how BED says that there is none
        del fields["name"]
    whole = Part(start, end, -1 if strand == "-" else 1)
    if peaks and len(words) >= _PEAK:
        summit = _summit(words[9], whole, where)
        return Region((whole,), where, fields, summit, stranded=strand != ".")
    return Region(_blocks(words, whole, where), where, fields, stranded=strand != ".")


def _summit(text: str, whole: Part, where: str) -> int | None:
    """Bases from the 5' end to the summit, which the file counts from the start; -1 for none."""
    try:
        offset = int(text)
    except ValueError:
        raise InputError(
            f"{where}: summit {text!r} is no whole number; give -1 for none, or fewer columns than"
            " narrowPeak's ten"
        ) from None
    if offset == -1:
        return None
    if not 0 <= offset < len(whole):
        raise InputError(
            f"{where}: its summit, {offset} bases from its start, lies outside its {len(whole)};"
            " correct it, or give -1 for none"
        )
    return offset if whole.strand > 0 else len(whole) - 1 - offset


def _blocks(words: list[str], whole: Part, where: str) -> tuple[Part, ...]:
    """The blocks of a line of twelve columns, in reading order; else the whole interval."""
    if len(words) < _BLOCKS:
        return (whole,)
    try:
        sizes, starts = (
            [int(word) for word in column.split(",") if word] for column in words[10:12]
        )
        number = int(words[9])
    except ValueError:
        raise InputError(f"{where}: its blocks (columns 10 to 12) are no whole numbers") from None
    parts = [
        Part(whole.start + at, whole.start + at + size, whole.strand)
        for at, size in zip(starts, sizes, strict=False)
    ]
    ordered = all(a.end <= b.start for a, b in pairwise(parts))
    inside = all(whole.start <= p.start < p.end <= whole.end for p in parts)
    if not len(sizes) == len(starts) == number or not parts or not ordered or not inside:
        raise InputError(
            f"{where}: its blocks (columns 10 to 12) are not {number} that follow each other"
            " within it"
        )
    return tuple(parts if whole.strand > 0 else parts[::-1])
