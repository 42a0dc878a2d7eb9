"""Labels that one file gives for all images: EDM's dataset.json, Hugging Face's metadata."""

import codecs
import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.reading import parse_json, table_lines
from infonoise_vision.data.formats.containers import DATASET_JSON, METADATA, Container
from infonoise_vision.data.formats.source import Labels, index_labels

# Columns of metadata that hold the class, first one first.
LABEL_COLUMNS = ("label", "labels", "class", "cls", "category", "fine_label")
FILE_COLUMN = "file_name"


def listings(container: Container) -> tuple[int | None, list[int]]:
    """Places of dataset.json, if there is one, and of Hugging Face's metadata."""
    named = {i: PurePosixPath(container.names[i]).name for i in container.notes}
    listing = next((i for i, name in named.items() if name == DATASET_JSON), None)
    return listing, [i for i, name in named.items() if name in METADATA]


def listed_labels(
    container: Container, listing: int, places: list[int]
) -> tuple[Labels, tuple[str, ...]]:
    """Labels of EDM's dataset.json: {"labels": [[name, class], ...]}, or null for none."""
    where = container.where(listing)
    content = parse_json(container.notes[listing], where)
    pairs = content.get("labels") if isinstance(content, dict) else None
    if pairs is None:
        return None, ()
    try:
        labels = {str(name): label for name, label in pairs}
    except (TypeError, ValueError) as error:
        raise InputError(f'{where}: "labels" is no list of [name, class]; correct it') from error
    folder = PurePosixPath(container.names[listing]).parent
    paths = [PurePosixPath(container.names[i]) for i in places]
    names = [str(p.relative_to(folder) if p.is_relative_to(folder) else p) for p in paths]
    bare = [name for name in names if name not in labels]
    if bare or len(labels) != len(names):
        missing = f"; {bare[0]} has none" if bare else ""
        raise InputError(
            f"{where}: has {len(labels)} labels for {len(names)} images{missing}; give each image"
            ' one, or "labels": null'
        )
    stored = [labels[name] for name in names]
    wrong = next((v for v in stored if not isinstance(v, int) or isinstance(v, bool)), None)
    if wrong is not None:
        raise InputError(f"{where}: label {wrong!r} is no whole number; give class numbers")
    return index_labels(where, stored)


def metadata_labels(
    container: Container, metadata: Sequence[int], places: list[int]
) -> tuple[Labels, tuple[str, ...]] | None:
    """Labels of metadata.csv or metadata.jsonl, one row an image; None where they give no class.

    Each lies in a folder with the images that it names in its column file_name.
    """
    table: dict[str, Any] = {}
    first = container.where(metadata[0])
    for place in metadata:
        where = container.where(place)
        rows = _rows(where, PurePosixPath(where).suffix.lower(), container.notes[place])
        column = next((c for c in LABEL_COLUMNS if rows and c in rows[0]), None)
        if column is None:
            columns = ", ".join(str(name) for name in (rows[0] if rows else {}))
            print(
                f"note: {where}: has columns {columns or '(none)'}, of which none is a class"
                f" ({', '.join(LABEL_COLUMNS[:3])}, ...); it is not used",
                file=sys.stderr,
            )
            return None
        _add_rows(table, where, rows, column, PurePosixPath(container.names[place]).parent)
    _compare_with_images(table, first, [container.names[i] for i in places])
    stored = [table.get(container.names[i]) for i in places]
    if None in stored or "" in stored:
        bare = next(i for i, label in zip(places, stored, strict=True) if label in (None, ""))
        raise InputError(
            f"{container.where(bare)}: has no label in {first}; add a row for it, or move it away"
        )
    numbers = [v for v in stored if isinstance(v, int) and not isinstance(v, bool)]
    if len(numbers) == len(stored):
        return index_labels(first, numbers)
    if not all(isinstance(label, int | str) for label in stored):
        raise InputError(f"{first}: has labels that are neither numbers nor names; correct them")
    return index_labels(first, [str(label) for label in stored])


def _add_rows(
    table: dict[str, Any],
    where: str,
    rows: Sequence[Mapping[str, Any]],
    column: str,
    folder: PurePosixPath,
) -> None:
    """Add the label of each row to those by an image's name in the container."""
    for row in rows:
        name, label = row.get(FILE_COLUMN), row.get(column)
        if not isinstance(name, str):
            raise InputError(f"{where}: a row has no {FILE_COLUMN}; give every row one")
        known = table.setdefault(str(folder / name), label)
        if known != label:
            raise InputError(
                f"{where}: names {name} twice, as {known} and as {label}; keep one of the rows"
            )


def _compare_with_images(table: Mapping[str, Any], where: str, images: Sequence[str]) -> None:
    """A line about rows of no image; InputError where all are."""
    here = set(images)
    absent = [name for name in table if name not in here]
    if absent and len(absent) == len(table):
        raise InputError(
            f"{where}: names no image that is here, first {absent[0]}; under {FILE_COLUMN} give"
            " paths as they lie beside it"
        )
    if absent:
        print(
            f"note: {where}: {len(absent)} rows are of no image that is here, first {absent[0]}",
            file=sys.stderr,
        )


def _rows(where: str, kind: str, content: bytes) -> list[Mapping[str, Any]]:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if wide else "utf-8-sig", "replace")
    if kind == ".csv":
        try:
            lines, separator = table_lines(io.StringIO(text, newline=""))
            rows: list[Mapping[str, Any]] = [*csv.DictReader(lines, delimiter=separator)]
        except csv.Error as error:
            raise InputError(f"{where}: is no table ({error}); write it again") from error
        labels = [c for c in LABEL_COLUMNS if rows and c in rows[0]][:1]
        numbers = labels and all(str(row[labels[0]]).isdecimal() for row in rows)
        return [{**row, labels[0]: int(row[labels[0]])} for row in rows] if numbers else rows
    parsed = [
        parse_json(line, f"{where}, line {number}")
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    if not all(isinstance(row, dict) for row in parsed):
        raise InputError(f"{where}: has a line that is no object; write one object a line")
    return parsed
