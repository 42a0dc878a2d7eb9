"""Labels that one file gives for all images: EDM's dataset.json, Hugging Face's metadata."""

import codecs
import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from infonoise_core.errors import InputError
from infonoise_core.reading import parse_json, table_lines
from infonoise_vision.data.formats.containers import DATASET_JSON, METADATA, Container
from infonoise_vision.data.formats.part import Part
from infonoise_vision.data.formats.source import Labels, index_labels

# Columns of metadata that hold the class, first one first.
LABEL_COLUMNS = ("label", "labels", "class", "cls", "category", "fine_label")
# Of the images' names; the first is Hugging Face's.
FILE_COLUMNS = ("file_name", "filename", "file", "image")
SPLIT_COLUMN = "split"
_NUMBER = re.compile(r"(\d{1,18})(?:\.0*)?", re.ASCII)
LISTINGS = (DATASET_JSON, *METADATA)


def listings(container: Container, places: Sequence[int]) -> tuple[int | None, list[int]]:
    """Places of dataset.json, if one lies above some images at `places`, and of metadata."""
    named = {i: container.names[i].rpartition("/")[2] for i in container.notes}
    listing = None
    for i, name in named.items():
        around = container.names[i].removesuffix(DATASET_JSON)
        if name == DATASET_JSON and any(container.names[k].startswith(around) for k in places):
            listing = i
            break
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
        labels = {str(name).replace("\\", "/"): label for name, label in pairs}
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
        held = list(rows[0]) if rows else []
        column = next((c for c in LABEL_COLUMNS if c in held), None)
        if column is None:
            print(
                f"note: {where}: has columns {', '.join(held) or '(none)'}, of which none is a"
                f" class ({', '.join(LABEL_COLUMNS[:3])}, ...); it is not used",
                file=sys.stderr,
            )
            return None
        if SPLIT_COLUMN in held:
            print(
                f"note: {where}: its column {SPLIT_COLUMN} is not used; put the images of each part"
                " into a folder of its own, such as train and test",
                file=sys.stderr,
            )
        file = next((c for c in FILE_COLUMNS if c in held), None)
        if file is None:
            raise InputError(
                f"{where}: has columns {', '.join(held)} and no {FILE_COLUMNS[0]}; call the one"
                " with the names of the images so"
            )
        _add_rows(table, where, rows, (file, column), PurePosixPath(container.names[place]).parent)
    _compare_with_images(table, first, container, places)
    stored = [table.get(container.names[i]) for i in places]
    if None in stored or "" in stored:
        bare = next(i for i, label in zip(places, stored, strict=True) if label in (None, ""))
        raise InputError(
            f"{container.where(bare)}: has no label in {first}; add a row for it, or move it away"
        )
    numbers = _whole(stored)
    if numbers is not None:
        return index_labels(first, numbers)
    if not all(isinstance(label, int | str) for label in stored):
        raise InputError(f"{first}: has labels that are neither numbers nor names; correct them")
    return index_labels(first, [str(label) for label in stored])


def _whole(stored: Sequence[Any]) -> list[int] | None:
    """Labels as whole numbers, also where they are written 3.0; None where some are no such."""
    found = []
    for label in stored:
        if isinstance(label, str) and (match := _NUMBER.fullmatch(label)):
            label = int(match[1])
        elif isinstance(label, float) and label.is_integer():
            label = int(label)
        if not isinstance(label, int) or isinstance(label, bool):
            return None
        found.append(label)
    return found


def _add_rows(
    table: dict[str, Any],
    where: str,
    rows: Sequence[Mapping[str, Any]],
    columns: tuple[str, str],
    folder: PurePosixPath,
) -> None:
    """Add the label of each row to those by an image's name in the container.

    Args:
        columns: Of the image's name, and of the label.
    """
    file, column = columns
    for row in rows:
        name, label = row.get(file), row.get(column)
        if not isinstance(name, str):
            raise InputError(f"{where}: a row has no {file}; give every row one")
        known = table.setdefault(str(folder / name.strip().replace("\\", "/")), label)
        if known != label:
            raise InputError(
                f"{where}: names {name} twice, as {known} and as {label}; keep one of the rows"
            )


def _compare_with_images(
    table: Mapping[str, Any], where: str, container: Container, places: Sequence[int]
) -> None:
    """A line about rows of no image; InputError where all are."""
    beside = container.beside if isinstance(container, Part) else ()
    here = {*beside, *(container.names[i] for i in places)}
    absent = [name for name in table if name not in here]
    if absent and len(absent) == len(table):
        raise InputError(
            f"{where}: names no image that is here, first {absent[0]}; under {FILE_COLUMNS[0]} give"
            " paths as they lie beside it"
        )
    if absent:
        print(
            f"note: {where}: {len(absent)} rows are of no image that is here, first {absent[0]}",
            file=sys.stderr,
        )


def _rows(where: str, kind: str, content: bytes) -> list[Mapping[str, Any]]:
    """The rows of a table, under the names of the columns in small letters."""
    text = _text(where, content)
    parsed: list[Any]
    if kind == ".csv":
        try:
            lines, separator = table_lines(io.StringIO(text, newline=""))
            parsed = [*csv.DictReader(lines, delimiter=separator)]
        except csv.Error as error:
            raise InputError(f"{where}: is no table ({error}); write it again") from error
    else:
        # By hand: captions may hold what Python takes for ends of lines.
        parsed = [
            parse_json(line, f"{where}, line {number}")
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
    if not all(isinstance(row, dict) for row in parsed):
        raise InputError(f"{where}: has a line that is no object; write one object a line")
    return [{k.strip().lower(): v for k, v in row.items() if k is not None} for row in parsed]


def _text(where: str, content: bytes) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        print(f"note: {where}: is no UTF-8, and read as Windows-1252", file=sys.stderr)
        return content.decode("cp1252", "replace")
