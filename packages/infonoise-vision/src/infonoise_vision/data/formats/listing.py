"""Labels that one file gives for all images: EDM's dataset.json, Hugging Face's metadata."""

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
    found: dict[str, Any] = {}
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
        folder = PurePosixPath(container.names[place]).parent
        for row in rows:
            if not isinstance(row.get(FILE_COLUMN), str):
                raise InputError(f"{where}: a row has no {FILE_COLUMN}; give every row one")
            found[str(folder / row[FILE_COLUMN])] = row.get(column)
    stored = [found.get(container.names[i]) for i in places]
    if None in stored or "" in stored:
        bare = next(i for i, label in zip(places, stored, strict=True) if label in (None, ""))
        raise InputError(
            f"{container.where(bare)}: has no label in {container.where(metadata[0])}; add a row"
            " for it, or move it away"
        )
    where = container.where(metadata[0])
    numbers = [v for v in stored if isinstance(v, int) and not isinstance(v, bool)]
    if len(numbers) == len(stored):
        return index_labels(where, numbers)
    if not all(isinstance(label, int | str) for label in stored):
        raise InputError(f"{where}: has labels that are neither numbers nor names; correct them")
    return index_labels(where, [str(label) for label in stored])


def _rows(where: str, kind: str, content: bytes) -> list[Mapping[str, Any]]:
    text = content.decode("utf-8-sig", "replace")
    if kind == ".csv":
        try:
            lines, separator = table_lines(io.StringIO(text, newline=""))
            rows: list[Mapping[str, Any]] = [*csv.DictReader(lines, delimiter=separator)]
        except csv.Error as error:
            raise InputError(f"{where}: is no table ({error}); write it again") from error
        labels = [c for c in LABEL_COLUMNS if rows and c in rows[0]][:1]
        numbers = labels and all(str(row[labels[0]]).isdecimal() for row in rows)
        return [{**row, labels[0]: int(row[labels[0]])} for row in rows] if numbers else rows
    parsed = [parse_json(line, where) for line in text.splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in parsed):
        raise InputError(f"{where}: has a line that is no object; write one object a line")
    return parsed
