"""Labels and other files beside each image, as in a WebDataset: one key is one example."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.reading import parse_json
from infonoise_vision.data.formats.containers import NOTES, Container, Tars
from infonoise_vision.data.formats.kinds import suffix
from infonoise_vision.data.formats.source import Labels, index_labels

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")
# Keys of a WebDataset's .json that hold the class, first one first.
LABEL_KEYS = ("label", "cls", "class")


def noted_labels(
    container: Container, places: list[int], noted: Sequence[int]
) -> tuple[Labels, tuple[str, ...]]:
    """Labels in `<key>.cls`, or under a known key of `<key>.json`, beside `<key>.jpg`.

    Args:
        noted: Places of such files.
    """
    notes: dict[tuple[int, str], dict[str, int]] = {}
    for i in noted:
        notes.setdefault(_key(container, i), {})[suffix(container.names[i])] = i
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
    if suffix(container.names[place]) == ".cls":
        text = content.decode("utf-8", "replace").strip()
        return parse_json(text, where) if _NUMBER.fullmatch(text) else text or None
    fields = parse_json(content, where)
    if not isinstance(fields, dict):
        return None
    label = next((fields[key] for key in LABEL_KEYS if key in fields), None)
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        raise InputError(f"{where}: label {label!r} is neither a number nor a name; correct it")
    return label


def refuse_several(tars: Container, places: Sequence[int]) -> None:
    """InputError where examples have several images each, such as x.input.png and x.target.png.

    A key that stands alone, or parts of names that are numbers, are no such set: a.1.png, a.2.png.
    """
    examples: dict[tuple[int, str], list[int]] = {}
    for place in places:
        examples.setdefault(_key(tars, place), []).append(place)
    several = [group for group in examples.values() if len(group) > 1]
    kinds = Counter(_kind(tars, i) for group in several for i in group)
    for group in several:
        shared = [i for i in group if kinds[_kind(tars, i)] > 1 and not _is_number(_kind(tars, i))]
        if len(shared) > 1:
            raise InputError(
                f"{tars.path}: {tars.names[shared[0]]} and {tars.names[shared[1]]} are two images"
                " of one example; keep one of the two kinds in the archive"
            )


def _kind(container: Container, place: int) -> str:
    """What comes after the key: input.png of x.input.png."""
    return PurePosixPath(container.names[place]).name.partition(".")[2].lower()


def _is_number(kind: str) -> bool:
    return kind.partition(".")[0].isdecimal()


def _key(container: Container, place: int) -> tuple[int, str]:
    """What the files of one example share: the archive, and the path up to the first dot."""
    shard = container.shard(place) if isinstance(container, Tars) else 0
    path = PurePosixPath(container.names[place])
    return shard, str(path.parent / path.name.partition(".")[0])


def _first(found: Sequence[object]) -> int:
    return int(np.argmax([label is not None for label in found]))
