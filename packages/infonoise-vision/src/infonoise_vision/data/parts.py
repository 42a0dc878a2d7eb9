"""Which folders of a set of images are its parts, such as train and test, and which its classes."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import without_ours
from infonoise_vision.data.formats.containers import METADATA, Container, Folder
from infonoise_vision.data.formats.folders import (
    TRAIN,
    are_domains,
    are_sides,
    folds_among,
    images_and_masks,
    is_stretched,
    parts_among,
)
from infonoise_vision.data.formats.kinds import image_places, say_left_out
from infonoise_vision.data.formats.labels import encoded_images
from infonoise_vision.data.formats.part import Part
from infonoise_vision.data.formats.source import Opened

_MASK_ENDINGS = ("_mask", "-mask", "_masks", "_seg", "_segmentation", "_gt", "_label")
# Share of the images that such names make before they are taken for masks.
_PAIRED = 1 / 3
# How many folders a line names.
_NAMED = 4


def open_parts(container: Container, name: str) -> Opened:
    """The images in a container: those to train on, and those held out where folders say which.

    Folders that are around everything count for nothing. Below them, folders called train and
    test (or val, validation, dev, eval, holdout) are the parts, or, where each class has such
    folders, these are; what is beside them is left out, in a line that says so. Folds such as fold0
    and fold1 are trained on but for the first. A folder called train among others without a test
    is a class, unless it has the same folders in it as the others, or alone has some.

    Raises:
        InputError: For parts without a train, for masks beside images, and for two domains.
    """
    shown = {*without_ours(container.names)}
    images = [container.names[i] for i in image_places(container) if i in shown]
    around = _around(images)
    below = [image.removeprefix(around) for image in images]
    count = Counter(image.partition("/")[0] for image in below if "/" in image)
    inside = _inside(below)
    where = container.path / around
    _refuse_masks(where, list(count), inside)
    _refuse_named_masks(where, below)
    train, tests = _parts(where, below, count, inside)
    if not train:
        if is_stretched(count):
            print(
                f"note: {where}: {_in_short(sorted(count))} are taken together and are no classes",
                file=sys.stderr,
            )
        return Opened(encoded_images(container, name))
    parts = [train, *tests[:1]]
    for folder in (folder for part in parts for folder in part):
        here = sorted(_inside([i.removeprefix(folder) for i in below if i.startswith(folder)]))
        _refuse_masks(where / folder, here, {})
    _say_parts(where, below, parts)
    return _opened(container, name, around, parts)


def _parts(
    where: Path, images: Sequence[str], count: Mapping[str, int], inside: Mapping[str, set[str]]
) -> tuple[list[str], list[list[str]]]:
    """Folders to train on, with a slash behind, and those of each kind of test images.

    Args:
        images: Names below all that is around them.
        count: Top folder -> how many there are.
        inside: Top folder -> the folders in it.
    """
    train, tests = parts_among(count)
    folds = folds_among(count)
    if folds and len(folds) + len(tests) == len(count):
        _refuse_whole_folds(where, folds, inside)
        chosen = folds if tests else folds[1:]
        return [f"{fold}/" for fold in chosen], [[f"{top}/"] for top in (tests or folds[:1])]
    if _are_parts(images, train, tests, inside, len(count)):
        if len(train) != 1:
            raise InputError(
                f"{where}: holds {', '.join(sorted(count))}, of which one is to be called train;"
                " name the folder to read"
            )
        return [f"{train[0]}/"], [[f"{top}/"] for top in tests]
    return _parts_of_classes(inside, set(count))


def _parts_of_classes(
    inside: Mapping[str, set[str]], tops: set[str]
) -> tuple[list[str], list[list[str]]]:
    """The same where every top folder has parts in it: cat/train, cat/test, dog/train."""
    found = {top: parts_among(inside.get(top, ())) for top in sorted(tops)}
    if len(found) < 2 or not all(len(train) == 1 for train, _ in found.values()):
        return [], []
    below = [below for _, tests in found.values() for below in tests]
    _, kinds = parts_among(dict.fromkeys([TRAIN[0], *below]))
    tests = [[f"{top}/{kind}/" for top in found if kind in found[top][1]] for kind in kinds]
    return [f"{top}/{train[0]}/" for top, (train, _) in found.items()] if tests else [], tests


def _are_parts(
    images: Sequence[str],
    train: list[str],
    tests: list[str],
    inside: Mapping[str, set[str]],
    folders: int,
) -> bool:
    """Whether the top folders are parts and no classes."""
    if train and tests:
        return True
    if len(tests) == folders and folders > 1:
        return True  # test and val alone: no classes, whatever they are
    if not train or folders < 2:
        return False
    # A class may be called train, among cars and ships; but then it holds images as they do.
    classes = inside.get(train[0], set())
    if {image.partition("/")[0] for image in images if image.count("/") > 1} == set(train):
        return True
    return len(classes) > 1 and all(within <= classes for within in inside.values())


def _refuse_whole_folds(where: Path, folds: list[str], inside: Mapping[str, set[str]]) -> None:
    """InputError for folds that each are the whole set, divided in one of several ways."""
    if all(all(parts_among(inside.get(fold, ()))) for fold in folds):
        raise InputError(
            f"{where}: holds {_in_short(folds)}, each with parts of its own, so that images are in"
            f" several; give one of them, such as {where / folds[0]}"
        )


def _say_parts(where: Path, images: Sequence[str], parts: Sequence[Sequence[str]]) -> None:
    """A line about parts of several folders or of folds, and about images that are in no part."""
    chosen = tuple(folder for part in parts for folder in part)
    lone = [image for image in images if not image.startswith(chosen)]
    if not lone and len(chosen) <= len(parts) and not folds_among(f[:-1] for f in chosen):
        return
    depth = chosen[0].count("/")
    left = sorted({"/".join(i.split("/")[:depth]) for i in lone if i.count("/") >= depth})
    within = f" in {_in_short(left)}" if left else ""
    train, *tests = ([folder.rstrip("/") for folder in part] for part in parts)
    print(
        f"note: {where}: trains on {_in_short(train)}"
        f"{f', holds {_in_short(tests[0])} out' if tests else ''}"
        f"{f'; {len(lone)} images{within} are left out' if lone else ''}",
        file=sys.stderr,
    )


def _in_short(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _opened(
    container: Container, name: str, around: str, folders: Sequence[Sequence[str]]
) -> Opened:
    listed = _listed(container, around, folders)
    parts = [_part(container, around, part, listed) for part in folders]
    say_left_out(container, image_places(container))
    sets = [encoded_images(part, name, say=False) for part in parts]
    for k in range(1, len(sets)):
        pictures = [parts[k].names[i] for i in image_places(parts[k])]
        alone = _around(pictures).rstrip("/").rpartition("/")[2]
        if alone in sets[0].classes and not sets[k].classes:
            labels = np.zeros(len(sets[k]), np.int64)
            sets[k] = replace(sets[k], labels=labels, classes=(alone,))
    return Opened(*sets)


def _listed(container: Container, around: str, folders: Sequence[Sequence[str]]) -> list[int]:
    """Places of metadata about all parts, which lies beside them."""
    within = tuple(f"{around}{folder}" for part in folders for folder in part)
    named = [i for i in container.notes if container.names[i].rpartition("/")[2] in METADATA]
    return [i for i in named if not container.names[i].startswith(within)]


def _part(
    container: Container, around: str, folders: Sequence[str], listed: Sequence[int]
) -> Container:
    if listed or len(folders) > 1:
        return Part(container, around, folders, listed)
    inside = f"{around}{folders[0]}"
    # Of its own, for its dataset.json.
    return (
        Folder(container.path / inside)
        if isinstance(container, Folder)
        else Part(container, inside, [""])
    )


def _around(images: Sequence[str]) -> str:
    """The folders that all images lie in, with a slash behind; nothing where there are none."""
    shared = ""
    while images:
        top, slash, _ = images[0].removeprefix(shared).partition("/")
        longer = f"{shared}{top}/"
        if not slash or not all(image.startswith(longer) for image in images):
            break
        shared = longer
    return shared


def _inside(images: Sequence[str]) -> dict[str, set[str]]:
    """Top folder -> the folders in it, of those with images."""
    found: dict[str, set[str]] = {}
    for image in images:
        top, *further = image.split("/")[:-1] or [""]
        if top:
            found.setdefault(top, set()).update(further[:1])
    return found


def _refuse_masks(where: Path, folders: Sequence[str], inside: Mapping[str, set[str]]) -> None:
    found = images_and_masks(folders)
    if found is not None:
        raise InputError(
            f"{where}: holds {' and '.join(sorted(folders))}, which are no classes; give"
            f" {where / found[0]}, and for images drawn from these --pair {where / found[1]}"
        )
    sides = are_sides(folders) and all(any(parts_among(below)) for below in inside.values())
    if are_domains(folders) or (sides and inside):
        raise InputError(
            f"{where}: holds {', '.join(sorted(folders))}, two kinds of images and no classes; give"
            f" one of them, such as {where / min(folders)}"
        )


def _refuse_named_masks(where: Path, images: Sequence[str]) -> None:
    """InputError for masks that lie among the images and are called as these."""
    masks = [i for i in images if i.rpartition(".")[0].lower().endswith(_MASK_ENDINGS)]
    if len(masks) < _PAIRED * len(images):
        return
    stems = {image.rpartition(".")[0].lower(): image for image in images}
    for mask in masks:
        stem = mask.rpartition(".")[0].lower()
        ending = next(ending for ending in _MASK_ENDINGS if stem.endswith(ending))
        if (of := stems.get(stem.removesuffix(ending))) is not None:
            raise InputError(
                f"{where}: holds {len(masks)} images such as {mask}, which belongs to {of} and is"
                " no image of the set; move them into a folder of their own, and for images drawn"
                " from them give that with --pair, under the names of the images"
            )
