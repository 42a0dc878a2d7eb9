"""Stretches of a record on either strand, and the windows cut around them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from infonoise_bio.alphabet import PAD, reverse_complement
from infonoise_bio.data.formats.options import Around, Edge
from infonoise_core.errors import InputError


class Letters(Protocol):
    """Letters of a sequence: bytes, or what reads them from a file."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, places: slice, /) -> bytes:
        """Those from one place to another, both within it."""


@dataclass(frozen=True)
class Part:
    """Bases start .. end - 1 (0-based) of a record, read on strand +1 or -1."""

    start: int
    end: int
    strand: int = 1

    def __len__(self) -> int:
        return self.end - self.start

    def point(self, offset: int) -> int:
        """Boundary that lies `offset` bases after the 5' end on this strand."""
        return self.start + offset if self.strand > 0 else self.end - offset

    def between(self, first: int, last: int) -> "Part":
        """The part from boundary offset `first` to `last`, both counted from the 5' end."""
        low, high = sorted((self.point(first), self.point(last)))
        return Part(low, high, self.strand)


@dataclass(frozen=True)
class Region:
    """A feature or an interval: parts in the order in which they are read, from 5' to 3'.

    Attributes:
        where: How error messages call it.
        fields: What the file says of it.
        summit: Bases from its 5' end to its summit; None where it has none.
        open_start, open_end: Whether that end, 5' or 3', lies beyond what the file has of it.
        pseudo: Whether it is of a pseudogene.
        stranded: Whether the file says which strand it is on; it is read forward where not.
    """

    parts: tuple[Part, ...]
    where: str
    fields: Mapping[str, str] = field(default_factory=dict)
    summit: int | None = None
    open_start: bool = False
    open_end: bool = False
    pseudo: bool = False
    stranded: bool = True

    def __len__(self) -> int:
        return sum(map(len, self.parts))


@dataclass(frozen=True)
class Placement:
    """Which window is cut for a region.

    Attributes:
        around: `feature` takes all of the region, its parts joined, with both flanks; `start`,
            `center`, `end` and `summit` take `upstream` bases before and `downstream` bases from
            that point on. The base at the start or summit is the first one downstream; the base at
            the end is the last one upstream.
        upstream, downstream: Bases.
        edge: What happens to a window that leaves a linear record: drop it, mask what is missing,
            or error. Windows of circular records go on across the origin.
    """

    around: Around = "feature"
    upstream: int = 0
    downstream: int = 0
    edge: Edge = "drop"

    def __post_init__(self) -> None:
        if self.upstream < 0 or self.downstream < 0:
            raise InputError(
                f"--upstream {self.upstream} --downstream {self.downstream}: give 0 or more bases"
            )
        if self.around != "feature" and self.upstream + self.downstream == 0:
            raise InputError(
                f"--around {self.around}: give the window's size with --upstream and --downstream"
            )

    @property
    def directed(self) -> bool:
        """Whether the window of the other strand lies elsewhere."""
        return self.around in ("start", "end") or self.upstream != self.downstream

    def window(self, region: Region) -> tuple[Part, ...]:
        """The parts to be read, from 5' to 3'."""
        up, down = self.upstream, self.downstream
        if self.around == "feature":
            return _flanked(region.parts, up, down)
        middle = len(region) // 2
        if self.around == "summit" and region.summit is not None:
            middle = region.summit
        elif self.around in ("start", "end"):
            middle = 0 if self.around == "start" else len(region)
        part, offset = _locate(region.parts, middle)
        return (part.between(offset - up, offset + down),)


def _flanked(parts: tuple[Part, ...], up: int, down: int) -> tuple[Part, ...]:
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return (first.between(-up, len(first) + down),)
    return (first.between(-up, len(first)), *parts[1:-1], last.between(0, len(last) + down))


def _locate(parts: tuple[Part, ...], offset: int) -> tuple[Part, int]:
    """The part that holds boundary `offset` of the joined bases, and the offset within it."""
    for part in parts[:-1]:
        if offset < len(part):
            return part, offset
        offset -= len(part)
    return parts[-1], offset


def check_inside(region: Region, length: int) -> None:
    """InputError where the region itself, without flanks, is not within its record."""
    for part in region.parts:
        if not 0 <= part.start <= part.end <= length:
            raise InputError(
                f"{region.where}: {part.start}-{part.end} (from 0) lies outside its record of"
                f" {length} bases; give coordinates of this very sequence"
            )


def cut(letters: Letters, circular: bool, parts: tuple[Part, ...], edge: Edge) -> bytes | None:
    """Letters of the parts in order; None where they leave the record and edge is not `mask`.

    A window that has no base of the record is none in any case.
    """
    if not circular and not any(p.start < len(letters) and p.end > 0 for p in parts):
        return None
    pieces = []
    for part in parts:
        piece = _wrapped(letters, part) if circular else _clipped(letters, part, edge)
        if piece is None:
            return None
        pieces.append(piece if part.strand > 0 else reverse_complement(piece))
    return b"".join(pieces)


def _wrapped(letters: Letters, part: Part) -> bytes | None:
    n = len(letters)
    if len(part) > n:
        return None
    start = part.start % n
    # A slice ends where its letters do, whatever holds them.
    return letters[start : start + len(part)] + letters[0 : max(0, start + len(part) - n)]


def _clipped(letters: Letters, part: Part, edge: Edge) -> bytes | None:
    n = len(letters)
    before, after = min(len(part), max(0, -part.start)), min(len(part), max(0, part.end - n))
    if (before or after) and edge != "mask":
        return None
    return PAD * before + letters[max(0, part.start) : part.end] + PAD * after


def window_name(record: str, parts: tuple[Part, ...], length: int) -> str:
    """Like NC_000932.1:382-1444(-): from 0, the end not included, in reading order.

    So are the names of bedtools getfasta, and all places that this package prints.

    Args:
        length: Of a circular record, so that positions beyond the origin are those of the
            record; 0 for a linear one.
    """
    names = []
    for part in parts:
        start, end = part.start, part.end
        if length:
            start, end = part.start % length, (part.end - 1) % length + 1
        names.append(f"{start}-{end}({'+' if part.strand > 0 else '-'})")
    return f"{record}:{','.join(names)}"
