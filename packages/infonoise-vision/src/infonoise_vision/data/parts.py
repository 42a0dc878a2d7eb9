"""Which folders of a set of images are its parts, such as train and test, and which its classes."""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.folders.strays import without_ours
from infonoise_vision.data.formats.containers import Container, Folder
from infonoise_vision.data.formats.kinds import image_places
from infonoise_vision.data.formats.labels import encoded_images
from infonoise_vision.data.formats.source import Content, Opened

TRAIN_FOLDERS = ("train", "training")
# The first that is there is held out.
TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")
# What may stand behind these, as in train2017, test1, val_images and training-set.
_BEHIND = re.compile(r"(.*?)[ _-]?(?:\d{1,4}|images?|imgs?|set|data|split)")
# Folders of images, and of what belongs to them, pixel by pixel; no classes where both are there.
_IMAGES = frozenset({
    "image", "images", "img", "imgs", "jpegimages", "rgb", "target", "targets", "hr",
})  # fmt: skip
_MASKS = frozenset({
    "mask", "masks", "label", "labels", "annotation", "annotations", "segmentation",
    "segmentations", "segmentationclass", "segmentationobject", "gt", "groundtruth",
    "ground_truth", "depth", "input", "inputs", "lr",
})  # fmt: skip
# Both domains of unpaired translation, as CycleGAN has them.
_DOMAINS = frozenset({"traina", "trainb", "testa", "testb", "vala", "valb"})
_MASK_ENDINGS = ("_mask", "-mask", "_masks", "_seg", "_segmentation", "_gt", "_label")
# Share of the images that such names make before they are taken for masks.
_PAIRED = 1 / 3


class Part:
    """The files of a container below one of its folders, under their names there.

    Attributes:
        path, names, notes: As of a container.
    """

    def __init__(self, container: Container, folder: str) -> None:
        self.path = container.path / folder
        self._whole = container
        self._places = [i for i, name in enumerate(container.names) if name.startswith(folder)]
        self.names = [container.names[i].removeprefix(folder) for i in self._places]
        at = {place: i for i, place in enumerate(self._places)}
        self.notes = {at[i]: note for i, note in container.notes.items() if i in at}

    @property
    def apart(self) -> bool:
        """As of the container."""
        return self._whole.apart

    def where(self, place: int) -> str:
        """As the container calls it."""
        return self._whole.where(self._places[place])

    def contents(self, places: Sequence[int]) -> Iterator[Content]:
        """As the container reads them."""
        return self._whole.contents([self._places[place] for place in places])


def open_parts(container: Container, name: str) -> Opened:
    """The images in a container: those to train on, and those held out where folders say which.

    Folders that are around everything count for nothing. Below them, folders called train and
    test (or val, validation) are the parts, and what is beside them is left out, in a line that
    says so. A folder called train among others without a test is a class, unless it alone has
    folders in it.

    Raises:
        InputError: For parts without a train, for masks beside images, and for two domains.
    """
    shown = {*without_ours(container.names)}
    images = [container.names[i] for i in image_places(container) if i in shown]
    around = _around(images)
    below = [image.removeprefix(around) for image in images]
    count = Counter(image.partition("/")[0] for image in below if "/" in image)
    train = [top for top in count if top.lower() in TRAIN_FOLDERS]
    tests = _in_order({top: top.lower() for top in count})
    if not (train and tests):
        short = {top: _without_ending(top) for top in count}
        longer = [top for top in count if short[top] in TRAIN_FOLDERS]
        if longer and _in_order(short):
            train, tests = longer, _in_order(short)
    where = container.path / around
    _refuse_masks(where, list(count))
    _refuse_named_masks(where, below)
    if not _are_parts(below, train, tests, len(count)):
        return Opened(encoded_images(container, name))
    if len(train) != 1:
        raise InputError(
            f"{where}: holds {', '.join(sorted(count))}, of which one is to be called train;"
            " name the folder to read"
        )
    chosen = [*train, *tests[:1]]
    left = len(below) - sum(count[top] for top in chosen)
    if left:
        folders = [top for top in sorted(count) if top not in chosen]
        within = f" in {', '.join(folders)}" if folders else ""
        print(
            f"note: {where}: trains on {train[0]}"
            f"{f', holds {tests[0]} out' if tests else ''}; {left} images{within} are left out",
            file=sys.stderr,
        )
    for top in chosen:
        inside = [image.removeprefix(f"{top}/") for image in below if image.startswith(f"{top}/")]
        _refuse_masks(where / top, sorted({i.partition("/")[0] for i in inside if "/" in i}))
    parts = [_part(container, f"{around}{top}/") for top in chosen]
    sets = [encoded_images(part, name) for part in parts]
    for k in range(1, len(sets)):
        pictures = [parts[k].names[i] for i in image_places(parts[k])]
        alone = _around(pictures).rstrip("/").rpartition("/")[2]
        if alone in sets[0].classes and not sets[k].classes:
            labels = np.zeros(len(sets[k]), np.int64)
            sets[k] = replace(sets[k], labels=labels, classes=(alone,))
    return Opened(*sets)


def _in_order(called: Mapping[str, str]) -> list[str]:
    """The folders of test images, the one to hold out first.

    Args:
        called: Folder -> its name as it is compared.
    """
    tests = [top for top, name in called.items() if name in TEST_FOLDERS]
    return sorted(tests, key=lambda top: (TEST_FOLDERS.index(called[top]), top))


def _without_ending(folder: str) -> str:
    found = _BEHIND.fullmatch(folder.lower())
    return found[1] if found else folder.lower()


def _part(container: Container, folder: str) -> Container:
    # Of its own, for its dataset.json.
    return (
        Folder(container.path / folder)
        if isinstance(container, Folder)
        else Part(container, folder)
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


def _are_parts(images: Sequence[str], train: list[str], tests: list[str], folders: int) -> bool:
    """Whether the top folders are parts and no classes."""
    if train and tests:
        return True
    if len(tests) == folders and folders > 1:
        return True  # test and val alone: no classes, whatever they are
    if not train or folders < 2:
        return False
    # A class may be called train, among cars and ships; but then it holds images as they do.
    nested = {image.partition("/")[0] for image in images if image.count("/") > 1}
    return nested == set(train)


def _refuse_masks(where: Path, folders: list[str]) -> None:
    lower = {folder.lower() for folder in folders}
    if len(lower) > 1 and lower & _IMAGES and lower & _MASKS and lower <= _IMAGES | _MASKS:
        images = next(folder for folder in folders if folder.lower() in _IMAGES)
        others = next(folder for folder in folders if folder.lower() in _MASKS)
        raise InputError(
            f"{where}: holds {' and '.join(sorted(folders))}, which are no classes; give"
            f" {where / images}, and for images drawn from these --pair {where / others}"
        )
    if len(lower) > 1 and lower <= _DOMAINS:
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
