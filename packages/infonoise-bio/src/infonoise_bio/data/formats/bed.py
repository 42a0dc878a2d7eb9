"""BED files -> intervals on the sequences of a genome."""

from pathlib import Path

from infonoise_bio.data.formats.regions import Part, Region
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError


def read_bed(path: Path) -> dict[str, list[Region]]:
    """Intervals by chromosome; name, score and strand where the file has them."""
    intervals: dict[str, list[Region]] = {}
    with open_text(path) as (handle, place):
        for number, line in enumerate(handle, 1):
            words = line.rstrip("\r\n").split("\t" if "\t" in line else None)
            if not words or line.isspace() or line.startswith(("#", "track", "browser")):
                continue
            where = f"{path}: line {number}"
            intervals.setdefault(words[0], []).append(_interval(words, where))
            place.record = f"line {number}"
    if not intervals:
        raise InputError(f"{path}: holds no interval; give lines of chromosome, start and end")
    return intervals


def _interval(words: list[str], where: str) -> Region:
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
    strand = words[5] if len(words) > 5 else "."
    if strand not in ("+", "-", "."):
        raise InputError(f"{where}: strand {strand!r}; give +, - or .")
    said = dict(zip(("name", "score", "strand"), words[3:6], strict=False))
    return Region((Part(start, end, -1 if strand == "-" else 1),), where, said)
