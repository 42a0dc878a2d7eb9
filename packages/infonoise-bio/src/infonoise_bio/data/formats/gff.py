"""GFF3 and GTF -> features of one type on the sequences of a genome.

Lines are read here and not by gffutils, which passes over lines that it cannot read, in silence,
and takes 60 microseconds for each of the others.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.regions import Part, Region
from infonoise_bio.data.formats.textfile import open_text
from infonoise_core.errors import InputError

_COLUMNS = 9
# What of a feature goes along with its window.
_KEPT = ("ID", "Name", "gene", "gene_name", "gene_id", "transcript_id", "locus_tag", "product",
         "gene_biotype", "gene_type", "biotype", "label")  # fmt: skip
# Features whose lines belong together where nothing else says so.
_CODING = ("CDS", "start_codon", "stop_codon")
_GTF_WORD = re.compile(r'\s*(\S+)\s+(?:"([^"]*)"|([^;\s]+))\s*(?:;|$)')


@dataclass(eq=False)
class Annotation:
    """Features of a file.

    Attributes:
        regions: By the name of the sequence that they lie on, in the order of the file.
        circular: Names of sequences that the file calls circular.
    """

    regions: dict[str, list[Region]] = field(default_factory=dict)
    circular: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Lines:
    """The lines of one feature."""

    parts: list[Part]
    where: str
    said: Mapping[str, str]
    stranded: bool


def read_gff(path: Path, feature: str | None, counts: Counts) -> Annotation:
    """Features of one type; the lines of one feature (of one ID, or CDS of one transcript) joined.

    Raises:
        InputError: Names the line that cannot be read, or the types there are.
    """
    kinds: Counter[str] = Counter()
    found: dict[tuple[str, str], _Lines] = {}
    annotation = Annotation()
    for number, words in _rows(path, counts):
        where = f"{path}: line {number}"
        said = _attributes(words[8])
        kinds[words[2]] += 1
        if said.get("Is_circular", "").lower() == "true":
            annotation.circular.add(words[0])
        if words[2] != feature:
            continue
        part = _part(words, where)
        key = words[0], _name(words[2], said) or f"line {number}"
        lines = found.setdefault(
            key,
            _Lines(
                [], f"{where}, {words[0]}:{part.start}-{part.end}", said, words[6] in ("+", "-")
            ),
        )
        lines.parts.append(part)
    if not found:
        there = ", ".join(f"{kind} ({n:,})" for kind, n in kinds.most_common(12)) or "none"
        ask = "say which features; give --feature" if feature is None else f"has no '{feature}'"
        raise InputError(f"{path}: {ask}; it has {there}")
    for (name, _), lines in found.items():
        annotation.regions.setdefault(name, []).append(_region(lines, feature or ""))
    return annotation


def _rows(path: Path, counts: Counts) -> Iterator[tuple[int, list[str]]]:
    """Numbers and columns of lines that are neither comments nor sequence."""
    with open_text(path) as (handle, place):
        for number, line in enumerate(handle, 1):
            if line.startswith(("##FASTA", ">")):
                return
            if line.isspace() or line.startswith(("#", "track ", "browser ")):
                counts.comments += line.startswith("#") and not line.startswith("##")
                continue
            place.record = f"line {number}"
            words = line.rstrip("\r\n").split("\t")
            if len(words) != _COLUMNS:
                raise InputError(
                    f"{path}: line {number} has {len(words)} columns, not {_COLUMNS} separated by"
                    " tabs; give GFF3 or GTF"
                )
            yield number, words


def _part(words: list[str], where: str) -> Part:
    """The file counts from 1, both ends included."""
    try:
        start, end = int(words[3]) - 1, int(words[4])
    except ValueError:
        raise InputError(f"{where}: has no start and end as whole numbers") from None
    if not 0 <= start < end <= 1 << 40:
        raise InputError(f"{where}: {words[3]} to {words[4]} is no stretch; correct it")
    if words[6] not in ("+", "-", ".", "?"):
        raise InputError(f"{where}: strand {words[6]!r}; give +, - or .")
    return Part(start, end, -1 if words[6] == "-" else 1)


def _attributes(text: str) -> dict[str, str]:
    """The ninth column: key=value of GFF3, or key "value" of GTF."""
    first = text.lstrip().partition(";")[0]
    if "=" in first and not re.match(r'\S+\s+"', first):
        pairs = (word.partition("=") for word in text.split(";") if "=" in word)
        return {key.strip(): unquote(value.strip()) for key, _, value in pairs}
    return {key: quoted or plain for key, quoted, plain in _GTF_WORD.findall(text)}


def _name(kind: str, said: Mapping[str, str]) -> str:
    """What the lines of one feature share; nothing where each is a feature of its own."""
    if "ID" in said:
        return said["ID"]
    if kind not in _CODING:
        return ""
    return said.get("transcript_id") or said.get("Parent", "")


def _region(lines: _Lines, feature: str) -> Region:
    said, strand = lines.said, lines.parts[0].strand
    if any(part.strand != strand for part in lines.parts):  # trans-splicing, in the file's order
        parts = tuple(lines.parts)
    else:
        parts = tuple(sorted(lines.parts, key=lambda part: strand * part.start))
    # NCBI's words for ends that lie beyond the sequence.
    low, high = "." in said.get("start_range", ""), "." in said.get("end_range", "")
    biotypes = (said.get(key, "") for key in ("gene_biotype", "gene_type", "biotype"))
    return Region(
        parts,
        lines.where,
        {"feature": feature, **{key: said[key] for key in _KEPT if said.get(key)}},
        open_start=low if strand > 0 else high,
        open_end=high if strand > 0 else low,
        pseudo=said.get("pseudo") == "true"
        or "pseudogene" in said
        or any("pseudogene" in biotype for biotype in biotypes),
        stranded=lines.stranded,
    )
