"""Which files of a container are images, and their labels: dataset.json, notes, or subfolders."""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import without_ours
from infonoise_core.reading import parse_json
from infonoise_vision.data.formats.containers import DATASET_JSON, NOTES, Container, Tars
from infonoise_vision.data.formats.encoded import Encoded
from infonoise_vision.data.formats.source import Content, Labels, Rows, index_labels

SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
    *(".jfif", ".jpe", ".jp2", ".avif", ".tga", ".ico", ".pbm", ".pgm", ".pnm", ".ppm"),
)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")
# Keys of a WebDataset's .json that hold the class, first one first.
LABEL_KEYS = ("label", "cls", "class")


def encoded_images(container: Container, name: str) -> Encoded:
    """The images in a container, recognised by suffix.

    Labels: of dataset.json, as EDM's dataset_tool writes it, where there is one; else of the .cls
    or .json files beside the images, as in a WebDataset; else the first-level subfolders, where
    there are two or more. A dataset.json without labels means none.

    Raises:
        InputError: Where some images have a label and others none.
    """
    names = container.names
    places = [i for i in without_ours(names) if is_image(names[i])]
    if not places and any(map(is_image, names)):
        raise InputError(
            f"{container.path}: is what infonoise wrote, a run or a model, and no data; give the"
            " images that it was trained on, or move other ones out of it"
        )
    if not places:
        holds = f"holds {len(names)} files but no image" if names else "is empty"
        kinds = " ".join(SUFFIXES)
        raise InputError(f"{container.path}: {holds}; give a folder of image files ({kinds})")
    _say_left_out(container)
    labels, classes = _labels(container, places)

    def contents(rows: Rows) -> Iterator[Content]:
        return container.contents([places[row] for row in rows])

    return Encoded(name, [container.where(i) for i in places], contents, labels, classes)


def _say_left_out(container: Container) -> None:
    """A line about the files that are neither images nor labels, if there are any."""
    kinds = Counter(
        _suffix(name) or "without an ending"
        for i, name in enumerate(container.names)
        if not is_image(name) and i not in container.notes
    )
    if kinds:
        ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        counts = ", ".join(f"{n} {kind}" for kind, n in ordered[:6])
        more = ", ..." if len(kinds) > 6 else ""
        print(
            f"note: {container.path}: left out as no images of a kind that is read: {counts}{more}",
            file=sys.stderr,
        )


def is_image(name: str) -> bool:
    """Whether a file's name says that it is an image."""
    return _suffix(name) in SUFFIXES


def _labels(container: Container, places: list[int]) -> tuple[Labels, tuple[str, ...]]:
    listing = next((i for i in container.notes if _base(container, i) == DATASET_JSON), None)
    if listing is not None:
        return _listed(container, listing, places)
    if container.notes:
        return _noted(container, places)
    return _foldered(container, places)


def _listed(
    container: Container, listing: int, places: list[int]
) -> tuple[Labels, tuple[str, ...]]:
    """Labels of EDM's dataset.json: {"labels": [[name, class], ...]}, or null for none."""
    where = container.where(listing)
    content = _json(where, container.notes[listing])
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


def _noted(container: Container, places: list[int]) -> tuple[Labels, tuple[str, ...]]:
    """Labels in `<key>.cls`, or under a known key of `<key>.json`, beside `<key>.jpg`."""
    notes: dict[tuple[int, str], dict[str, int]] = {}
    for i in container.notes:
        notes.setdefault(_key(container, i), {})[_suffix(container.names[i])] = i
    found = []
    for place in places:
        beside = notes.get(_key(container, place), {})
        stored = [_note(container, beside[kind]) for kind in NOTES if kind in beside]
        found.append(next((label for label in stored if label is not None), None))
    if all(label is None for label in found):
        return None, ()
    if None in found:
        where = container.where(places[found.index(None)])
        raise InputError(
            f"{where}: has no label, but {container.where(places[_first(found)])} has; give every"
            " image one, or none"
        )
    where = str(container.path)
    if all(isinstance(label, int) for label in found):
        return index_labels(where, [int(label) for label in found if label is not None])
    return index_labels(where, [str(label) for label in found])


def _note(container: Container, place: int) -> int | str | None:
    where, content = container.where(place), container.notes[place]
    if _suffix(container.names[place]) == ".cls":
        text = content.decode("utf-8", "replace").strip()
        return parse_json(text, where) if _NUMBER.fullmatch(text) else text or None
    fields = _json(where, content)
    if not isinstance(fields, dict):
        return None
    label = next((fields[key] for key in LABEL_KEYS if key in fields), None)
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        raise InputError(f"{where}: label {label!r} is neither a number nor a name; correct it")
    return label


def _foldered(container: Container, places: list[int]) -> tuple[Labels, tuple[str, ...]]:
    """The first-level subfolders, below folders that are around everything."""
    paths = [PurePosixPath(container.names[i]).parts for i in places]
    if isinstance(container, Tars):
        paths = _without_names_of_shards(container, places, paths)
    while len({path[0] for path in paths}) == 1 and all(len(path) > 1 for path in paths):
        paths = [path[1:] for path in paths]
    folders = [path[0] if len(path) > 1 else None for path in paths]
    named = {folder for folder in folders if folder is not None}
    if len(named) < 2:
        return None, ()
    if None in folders:
        stray = container.where(places[folders.index(None)])
        raise InputError(
            f"{stray}: lies beside the {len(named)} folders of classes and has none; put it into"
            " one of them, or all images into one folder for a set without classes"
        )
    return index_labels(str(container.path), [str(folder) for folder in folders])


def _without_names_of_shards(
    tars: Tars, places: list[int], paths: list[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Each path below the folder that is called as its archive, where that leaves folders."""
    stems = [shard.name.partition(".")[0] for shard in tars.shards]
    called = [path[0] == stems[tars.shard(i)] for i, path in zip(places, paths, strict=True)]
    if all(called) and all(len(path) > 2 for path in paths):
        return [path[1:] for path in paths]
    return paths


def _key(container: Container, place: int) -> tuple[int, str]:
    """What the files of one example share: the archive, and the path up to the first dot."""
    shard = container.shard(place) if isinstance(container, Tars) else 0
    path = PurePosixPath(container.names[place])
    return shard, str(path.parent / path.name.partition(".")[0])


def _json(where: str, content: bytes) -> Any:
    return parse_json(content, where)


def _first(found: Sequence[object]) -> int:
    return int(np.argmax([label is not None for label in found]))


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _base(container: Container, place: int) -> str:
    return PurePosixPath(container.names[place]).name
