"""Windows cut out of sequences: no place twice, and no name for two sequences."""

from collections.abc import Iterable, Iterator

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Placed, Record
from infonoise_bio.data.formats.regions import Part, Placement, Region, cut, window_name
from infonoise_bio.data.genomes.whole import Whole
from infonoise_core.errors import InputError


def placement_of(reading: Reading) -> Placement:
    """Which window is cut for a feature or an interval."""
    return Placement(reading.around, reading.upstream, reading.downstream, reading.edge)


class Cutter:
    """Cuts windows out of sequences.

    Attributes:
        names: Of the sequences that windows were cut out of.
    """

    def __init__(self, placement: Placement, counts: Counts) -> None:
        self.names: set[str] = set()
        self._placement, self._counts = placement, counts
        self._seen: set[str] = set()

    def windows(
        self, whole: Whole, regions: Iterable[Region], *, circular: bool = False
    ) -> Iterator[Record]:
        """The windows of one sequence, in the order of its regions.

        Args:
            whole: The sequence.
            regions: What windows are cut around.
            circular: Whether it goes on across its end, if it does not say so itself.
        """
        for region in regions:
            if whole.id in self.names:
                raise InputError(
                    f"{whole.where}: the name was taken by an earlier record, so its windows"
                    " could not be distinguished; give every record its own name"
                )
            if self._is_left_out(region):
                continue
            parts = self._placement.window(region)
            if not sum(map(len, parts)):
                raise InputError(f"{region.where}: is empty; give --upstream or --downstream")
            window = self._cut(whole, region, parts, circular or whole.circular)
            if window is not None:
                yield window
        if regions:
            self.names.add(whole.id)

    def _is_left_out(self, region: Region) -> bool:
        """Count what is odd; a place that is not in the file has no window."""
        counts, around = self._counts, self._placement.around
        counts.joined += len(region.parts) > 1 and "feature" not in region.fields
        counts.unstranded += not region.stranded and self._placement.directed
        counts.no_summit += around == "summit" and region.summit is None
        counts.other_summit += around == "center" and region.summit is not None
        unknown = {
            "start": region.open_start,
            "end": region.open_end,
            "center": region.open_start or region.open_end,
        }.get(around, False)
        pseudo = region.pseudo and around in ("start", "end")
        counts.partial += unknown
        counts.pseudo += pseudo and not unknown
        return unknown or pseudo

    def _cut(
        self, whole: Whole, region: Region, parts: tuple[Part, ...], circular: bool
    ) -> Record | None:
        n, placement = len(whole.letters), self._placement
        name = window_name(whole.id, parts, n if circular else 0)
        letters = cut(whole.letters, circular, parts, placement.edge)
        if letters is None:
            _check_edge(region, parts, placement, n)
            self._counts.outside += 1
            return None
        if name in self._seen:
            self._counts.repeated += 1
            return None
        self._seen.add(name)
        return Placed(name, letters, region.fields, region.where, False, whole.id)


def _check_edge(region: Region, parts: tuple[Part, ...], placement: Placement, n: int) -> None:
    if placement.edge == "error":
        low, high = min(p.start for p in parts), max(p.end for p in parts)
        raise InputError(
            f"{region.where}: its window {low}-{high} (from 0) leaves the record of {n} bases; give"
            " smaller flanks, or --edge drop or mask"
        )
