"""Which files of a container are images, and their labels: a listing, notes, or subfolders."""

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import without_ours
from infonoise_vision.data.formats.containers import Container, Tars
from infonoise_vision.data.formats.encoded import Encoded
from infonoise_vision.data.formats.folders import is_stretched
from infonoise_vision.data.formats.kinds import image_places, no_images, say_left_out
from infonoise_vision.data.formats.listing import (
    LISTINGS,
    listed_labels,
    listings,
    metadata_labels,
)
from infonoise_vision.data.formats.notes import noted_labels, refuse_several
from infonoise_vision.data.formats.part import Part
from infonoise_vision.data.formats.source import Content, Labels, Rows, index_labels


def encoded_images(container: Container, name: str, *, say: bool = True) -> Encoded:
    """The images in a container, recognised by ending, or by content where there is none.

    Labels: of dataset.json, as EDM's dataset_tool writes it, where there is one; else of Hugging
    Face's metadata.csv or .jsonl; else of the .cls or .json files beside the images, as in a
    WebDataset; else the first-level subfolders, where there are two or more that are no folds and
    no stretches of one set. A dataset.json without labels means none.

    Args:
        say: Print a line about the files that are left out.

    Raises:
        InputError: Where some images have a label and others none.
    """
    names, images = container.names, image_places(container)
    shown = {*without_ours(names)}
    places = [i for i in images if i in shown]
    if not places and images:
        raise InputError(
            f"{container.path}: is what infonoise wrote, a run or a model, and no data; give the"
            " images that it was trained on, or move other ones out of it"
        )
    if not places:
        raise InputError(no_images(container))
    if isinstance(container.whole if isinstance(container, Part) else container, Tars):
        refuse_several(container, places)
    if say:
        say_left_out(container, images)
    labels, classes = _labels(container, places)

    def contents(rows: Rows) -> Iterator[Content]:
        return container.contents([places[row] for row in rows])

    where = [container.where(i) for i in places]
    lone = None if classes else _lone_folder(container, places)
    keys = partial(_keys, container, places)
    shards = None
    if isinstance(container, Tars):
        shards = np.array([container.shard(i) for i in places], np.int64)
    return Encoded(
        name, where, contents, labels, classes, lone, keys,
        apart=container.apart, shards=shards,
    )  # fmt: skip


def _keys(container: Container, places: list[int]) -> list[str]:
    """What each image is called, without an ending and without folders around everything."""
    names = [PurePosixPath(container.names[i]) for i in places]
    folders = [name.parent.parts for name in names]
    around = 0
    while len({folder[around : around + 1] for folder in folders} | {()}) == 2 and all(
        len(folder) > around for folder in folders
    ):
        around += 1
    return ["/".join((*name.parts[around:-1], name.stem)) for name in names]


def _labels(container: Container, places: list[int]) -> tuple[Labels, tuple[str, ...]]:
    listing, metadata = listings(container, places)
    if listing is not None:
        return listed_labels(container, listing, places)
    if metadata:
        found = metadata_labels(container, metadata, places)
        if found is not None:
            return found
    beside = [i for i in container.notes if PurePosixPath(container.names[i]).name not in LISTINGS]
    labels, classes = noted_labels(container, places, beside) if beside else (None, ())
    return (labels, classes) if labels is not None else _foldered(container, places)


def _lone_folder(container: Container, places: list[int]) -> str | None:
    """The one folder below the container that all images lie in, straight."""
    only = container.only if isinstance(container, Part) else ""
    folders = {container.names[i].removeprefix(only).rpartition("/")[0] for i in places}
    name = PurePosixPath(folders.pop()).name if len(folders) == 1 else ""
    return name or None


def _foldered(container: Container, places: list[int]) -> tuple[Labels, tuple[str, ...]]:
    """The first-level subfolders, below folders that are around everything."""
    # By hand: an object for each path takes longer than to read a small file.
    paths = [
        tuple(part for part in container.names[i].split("/") if part not in ("", "."))
        for i in places
    ]
    if isinstance(container, Tars):
        paths = _without_names_of_shards(container, places, paths)
    while all(len(path) > 1 for path in paths):
        tops = {path[0] for path in paths}
        if len(tops) > 1 and not is_stretched(tops):
            break
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
