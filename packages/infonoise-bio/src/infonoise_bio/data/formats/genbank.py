"""GenBank and EMBL files -> records, with the regions of chosen features, by Bio.SeqIO's parser."""

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from Bio import SeqIO
from Bio.Seq import UndefinedSequenceError
from Bio.SeqFeature import AfterPosition, BeforePosition

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record, make_record
from infonoise_bio.data.formats.regions import Part, Region
from infonoise_bio.data.formats.textfile import Place, open_text
from infonoise_core.errors import InputError

# Qualifiers of a GenBank feature that go along with its window.
_QUALIFIERS = ("locus_tag", "gene", "product", "regulatory_class", "note")
# How records begin.
_STARTS = {"genbank": "LOCUS ", "embl": "ID   "}
WORDS = {"genbank": "GenBank", "embl": "EMBL"}
# How Biopython's words for a file without its end begin, and ours.
_CUT = "Premature end"
_CUT_WORDS = "the file is cut off; get it again"


def read_genbank(
    path: Path, counts: Counts, feature: str | None = None, kind: str = "genbank"
) -> Iterator[Record]:
    """Records of a file, with the regions of features of type `feature`.

    Args:
        path: The file.
        counts: What was met so far; it is added to.
        feature: The type; none without it.
        kind: genbank or embl.

    A promoter may be written as a feature of that type, or as a `regulatory` one of that class:
    both are found.

    Raises:
        InputError: At the end if there was none in the whole file.
    """
    kinds: Counter[str] = Counter()
    name, found = "", 0
    with open_text(path) as (handle, place):
        lines = _Lines(handle, place, kind)
        parser = SeqIO.parse(lines, kind)  # type: ignore[no-untyped-call]
        while (entry := _next_entry(parser, place, counts, kind)) is not None:
            name = entry.id
            kinds.update(word for f in entry.features for word in _kinds(f))
            regions = _regions(entry, feature, path, counts) if feature else ()
            found += len(regions)
            circular = entry.annotations.get("topology") == "circular"
            words = {"organism": str(entry.annotations.get("organism", ""))}
            letters = _defined(entry, path)
            yield make_record(name, letters, words, place, counts, circular, regions)
    if not counts.records:
        start = _STARTS[kind].strip()
        raise InputError(f"{path}: holds no {WORDS[kind]} record; a record starts with {start}")
    if feature and not found and kinds[feature]:
        raise InputError(
            f"{path}: all {kinds[feature]:,} of its {feature} features lie partly in other records;"
            " give the file that has those, too"
        )
    if feature and not found:
        there = ", ".join(f"{kind} ({n})" for kind, n in kinds.most_common(12)) or "no feature"
        raise InputError(f"{path}: record '{name}' has no feature {feature!r}; it has {there}")


class _Lines:
    """The lines of a file, as Biopython's parser asks for them.

    It passes over what stands between records, whatever that is, and takes a record that begins
    before the end of another for a part of that: both are InputErrors here.
    """

    def __init__(self, handle: TextIO, place: Place, kind: str) -> None:
        self._handle, self._place, self._start = handle, place, _STARTS[kind]
        self._begun = self._ended = False

    def read(self, size: int = -1) -> str:
        return self._handle.read(size)

    def readline(self) -> str:
        line = self._handle.readline()
        if line.startswith(self._start):
            if self._begun and not self._ended:
                raise InputError(
                    f"{self._place}: a record begins before the end ('//') of the one before it:"
                    " the file is cut off there; get it again"
                )
            self._begun, self._ended = True, False
        elif line.startswith("//"):
            self._ended = True
        elif self._ended and line.strip():
            raise InputError(
                f"{self._place}: {line.strip()[:30]!r} belongs to no record; take it out, or give a"
                " file of one format"
            )
        return line


def _next_entry(parser: Iterator[Any], place: Place, counts: Counts, kind: str) -> Any:
    """The next record; Biopython's warnings become lines, and a missing end an error."""
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            entry = next(parser, None)
    except (UnicodeDecodeError, InputError):
        raise
    # Biopython's parser raises any of these for a line that is not where it should be.
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        if _CUT in str(error):
            raise InputError(f"{place}: {_CUT_WORDS}") from None
        said = " ".join(str(error).split())
        raise InputError(f"{place}: this is no {WORDS[kind]} that can be read ({said})") from None
    for warning in found:
        text = " ".join(str(warning.message).split())
        if _CUT in text:
            raise InputError(f"{place}: {_CUT_WORDS}")
        counts.remark(f"{entry.id}: {text}" if entry is not None else text)
    return entry


def _defined(entry: Any, path: Path) -> str:
    try:
        return str(entry.seq)
    except UndefinedSequenceError:
        raise InputError(
            f"{path}: record '{entry.id}' has no sequence, only annotation; get the full record"
            " (with ORIGIN)"
        ) from None


def _kinds(feature: Any) -> list[str]:
    classes = feature.qualifiers.get("regulatory_class", [])
    return [feature.type, *classes] if feature.type == "regulatory" else [feature.type]


def _regions(entry: Any, kind: str, path: Path, counts: Counts) -> tuple[Region, ...]:
    regions = []
    chosen = [feature for feature in entry.features if kind in _kinds(feature)]
    for number, feature in enumerate(chosen, 1):
        where = f"{path}: record '{entry.id}', {kind} at {feature.location}"
        if feature.location is None:
            # What the file says of it was no place, and is lost.
            where = f"{path}: record '{entry.id}', {kind} number {number}{_called(feature)}"
            raise InputError(f"{where}: its position is not known; take it out of the file")
        if any(p.ref for p in feature.location.parts):  # a piece of it lies in another record
            counts.remote += 1
            continue
        said = {k: feature.qualifiers[k][0] for k in _QUALIFIERS if k in feature.qualifiers}
        first, last = feature.location.parts[0], feature.location.parts[-1]
        region = Region(
            _parts(feature, where),
            where,
            {"feature": kind, **said},
            open_start=_is_open(first.end if first.strand == -1 else first.start),
            open_end=_is_open(last.start if last.strand == -1 else last.end),
            pseudo=bool({"pseudo", "pseudogene"} & feature.qualifiers.keys()),
        )
        regions.append(region)
    return tuple(regions)


def _called(feature: Any) -> str:
    names = [feature.qualifiers[k][0] for k in _QUALIFIERS if k in feature.qualifiers]
    return f" ({names[0]})" if names else ""


def _is_open(position: Any) -> bool:
    """Whether an end is written as <1 or >100: it lies beyond."""
    return isinstance(position, BeforePosition | AfterPosition)


def _parts(feature: Any, where: str) -> tuple[Part, ...]:
    try:
        return tuple(
            Part(int(p.start), int(p.end), -1 if p.strand == -1 else 1)
            for p in feature.location.parts
        )
    except TypeError:
        raise InputError(f"{where}: its position is not known; take it out of the file") from None
