"""Files of numpy -> arrays of images and labels, checked; pickled objects are never read."""

import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.reading import ZIP_DAMAGE, check_regular
from infonoise_vision.data.formats.arrays import (
    Arrays,
    channels_first,
    check_npy,
    check_npz,
    grey_levels,
    real_numbers,
)
from infonoise_vision.data.formats.source import Labels, Opened, Paired, Source, index_labels

IMAGE_KEYS = ("images", "x_train", "x", "data", "arr_0")
LABEL_KEYS = ("labels", "y_train", "y", "label", "targets", "target")
TRAIN_KEY, TEST_KEY, TEST_LABEL_KEY = "x_train", "x_test", "y_test"
# As MedMNIST is handed out: images and labels by part.
_MED = ("train", "val", "test")
LEVELS_KEY = "levels"
# Beside images, and beside those of x_test: what they are drawn from.
PAIR_KEY, TEST_PAIR_KEY = "pairs", "pairs_test"
_COLOURS = 3
# Beside downsampled ImageNet, of no use here.
_MEAN = "mean"


def read_archive(path: Path) -> Opened:
    """Read and check an archive written by numpy.savez: images, and perhaps labels and levels.

    Images: the key `images`, `x_train`, `x`, `data` or `arr_0`, else the only array; (n, h, w),
    (n, h, w, c) or (n, c, h, w), as `channels_first` tells them apart, or under `data` rows of
    squares of one or three channels, one after the other. Whole numbers 0..255 are grey levels,
    truth values are two levels, real numbers up to 4 are used as they are, and their range is said.
    Labels: the key `labels`, `y_train`, `y`, `label`, `targets` or `target`, (n,), whole numbers or
    text. Keys may have capital letters, and arrays that are not used are named. Levels: the key
    `levels`, one number, for grey levels other than 256. With `x_train` there may be `x_test` and
    `y_test`. Pairs: the key `pairs`, what each image is drawn from, of the same size and of any
    channels; of `x_test` under `pairs_test`; `pairs_levels` as `levels`. Or the parts of MedMNIST:
    `train_images` and `train_labels`, with `test_images` or else `val_images` held out.
    """
    with opened(path) as archive:
        if f"{_MED[0]}_images" in archive.files:
            return _parts_of(path, archive)
        named = _by_small_letters(archive.files)
        key = _image_key(path, list(named))
        label_key = next((key for key in LABEL_KEYS if key in named), None)
        if label_key is None and key == "arr_0" and _are_labels(path, archive):
            label_key = "arr_1"  # as guided diffusion writes its samples
        pairs, test_pairs = named.get(PAIR_KEY), named.get(TEST_PAIR_KEY)
        used = {key, label_key, LEVELS_KEY, PAIR_KEY, f"{PAIR_KEY}_{LEVELS_KEY}"}
        label = None if label_key is None else named[label_key]
        train = _paired(path, archive, _read(path, archive, named[key], label), pairs)
        if key != TRAIN_KEY or TEST_KEY not in named:
            _say_unused(path, named, used)
            return Opened(train)
        test = _read(path, archive, named[TEST_KEY], named.get(TEST_LABEL_KEY))
        _say_unused(path, named, {*used, TEST_KEY, TEST_LABEL_KEY, TEST_PAIR_KEY})
        return Opened(train, _paired(path, archive, test, test_pairs))


def read_array(path: Path) -> Opened:
    """Read and check one array written by numpy.save: images, as under a key of an archive."""
    check_regular(path)
    with path.open("rb") as file:
        check_npy(file, path.stat().st_size, str(path))
        file.seek(0)
        try:
            stored = np.load(file, allow_pickle=False)
        except ZIP_DAMAGE as error:  # ValueErrors of Python objects, too
            raise InputError(
                f"{path}: no array of numbers; write one with numpy.save, or images and labels with"
                " numpy.savez"
            ) from error
        if not isinstance(stored, np.ndarray):
            raise InputError(f"{path}: is an archive of arrays; call it .npz")
    return Opened(_images(path.stem, str(path), stored, None, (None, ())))


def _by_small_letters(keys: Sequence[str]) -> dict[str, str]:
    """Each key by its small letters; one that has them itself goes before others."""
    return {key.lower(): key for key in sorted(keys, key=lambda key: (key == key.lower(), key))}


def _say_unused(path: Path, named: Mapping[str, str], used: Collection[str | None]) -> None:
    left = [key for small, key in named.items() if small not in (*used, _MEAN)]
    if left:
        print(f"note: {path}: {', '.join(left)} not used", file=sys.stderr)


def _parts_of(path: Path, archive: NpzFile) -> Opened:
    """The parts of an archive as MedMNIST's: train, and test or else val held out."""
    there = [part for part in _MED if f"{part}_images" in archive.files]
    chosen = [_MED[0], *[part for part in reversed(_MED[1:]) if part in there][:1]]
    if len(there) > len(chosen):
        print(
            f"note: {path}: trains on {chosen[0]}_images, holds {chosen[1]}_images out;"
            f" {there[1]}_images are left out",
            file=sys.stderr,
        )
    keys = {part: f"{part}_labels" for part in chosen}
    return Opened(*(
        _read(path, archive, f"{part}_images", key if key in archive.files else None)
        for part, key in keys.items()
    ))  # fmt: skip


def read_numbers(path: Path, key: str) -> NDArray[np.int64]:
    """One array (n,) of whole numbers, and nothing else of the archive."""
    with opened(path) as archive:
        if key not in archive.files:
            raise InputError(f"{path}: has no {key}; fetch it again")
        stored = member(path, archive, key)
    if stored.ndim != 1 or stored.dtype.kind not in "iu":
        raise InputError(f"{path}, array '{key}': holds no whole numbers; fetch it again")
    return stored.astype(np.int64)


@contextmanager
def opened(path: Path) -> Iterator[NpzFile]:
    """An archive whose arrays are what they say; InputError for any other file."""
    check_regular(path)
    with path.open("rb") as file:  # numpy leaves a file open that it cannot read
        try:
            archive = np.load(file, allow_pickle=False)
        except ZIP_DAMAGE as error:
            raise InputError(f"{path}: not an .npz archive; write it with numpy.savez") from error
        if not isinstance(archive, NpzFile):
            raise InputError(f"{path}: holds one bare array; write it with numpy.savez(images=...)")
        try:
            check_npz(path)
        except InputError:
            raise
        except ZIP_DAMAGE as error:
            raise InputError(f"{path}: damaged; write the archive again") from error
        with archive:
            yield archive


def _read(
    path: Path, archive: NpzFile, key: str, label_key: str | None, levels_key: str = LEVELS_KEY
) -> Arrays:
    where = f"{path}, array '{key}'"
    stored = member(path, archive, key)
    if key.lower() == "data" and stored.ndim == 2 and (flat := _square(stored.shape[1])):
        stored = stored.reshape(len(stored), *flat)
    levels = _levels(path, archive, levels_key)
    labels = _labels(path, archive, label_key, len(stored))
    return _images(path.stem, where, stored, levels, labels)


def _images(
    name: str,
    where: str,
    stored: NDArray[Any],
    levels: int | None,
    labels: tuple[Labels, tuple[str, ...]],
) -> Arrays:
    stored = channels_first(where, stored)
    if stored.dtype.kind == "f":
        return Arrays(name, real_numbers(where, stored), None, *labels)
    levels = 2 if stored.dtype.kind == "b" else levels
    return Arrays(name, grey_levels(where, stored, levels), levels, *labels)


def _paired(path: Path, archive: NpzFile, images: Arrays, key: str | None) -> Source:
    """The images, with the pairs under a key where there are some."""
    if key is None:
        return images
    pairs = _read(path, archive, key, None, f"{PAIR_KEY}_{LEVELS_KEY}")
    if len(pairs) != len(images):
        raise InputError(
            f"{path}, array '{key}': holds {len(pairs)} pairs for {len(images)} images; store one"
            " for each"
        )
    return Paired(images, pairs, np.arange(len(images)))


def _are_labels(path: Path, archive: NpzFile) -> bool:
    """Whether the second array is one of labels."""
    if "arr_1" not in archive.files:
        return False
    stored = member(path, archive, "arr_1")
    return stored.ndim == 1 or (stored.ndim == 2 and (stored.shape[1] == 1 or _is_one_hot(stored)))


def _image_key(path: Path, keys: list[str]) -> str:
    known = [key for key in IMAGE_KEYS if key in keys]
    further = (TEST_LABEL_KEY, LEVELS_KEY, PAIR_KEY, TEST_PAIR_KEY, f"{PAIR_KEY}_{LEVELS_KEY}")
    others = [key for key in keys if key not in (*LABEL_KEYS, *further)]
    if known:
        return known[0]
    if len(others) == 1:
        return others[0]
    holds = f"holds {', '.join(others)}" if others else "holds no images"
    raise InputError(f"{path}: {holds}; store the images under the key 'images'")


def member(path: Path, archive: NpzFile, key: str) -> NDArray[Any]:
    """One array; InputError where it cannot be read."""
    try:
        array = archive[key]
    except ValueError as error:  # what numpy raises for arrays of Python objects
        raise InputError(
            f"{path}, array '{key}': holds Python objects, which are never read; "
            "store numbers (numpy.stack makes one array of equal images)"
        ) from error
    except ZIP_DAMAGE as error:
        raise InputError(f"{path}, array '{key}': damaged; write the archive again") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: '{key}' is no array; write the archive with numpy.savez")
    return array


def _square(values: int) -> tuple[int, int, int] | None:
    """Shape of a square of one or three channels with so many values; None where it is none."""
    for channels in (1, _COLOURS):
        side = math.isqrt(values // channels)
        if side > 1 and channels * side * side == values:
            return channels, side, side
    return None


def _levels(path: Path, archive: NpzFile, key: str) -> int | None:
    if key not in archive.files:
        return None
    stored = member(path, archive, key)
    if stored.size != 1 or stored.dtype.kind not in "ui" or not 2 <= int(stored.item()) <= 256:
        raise InputError(f"{path}, array '{key}': store one whole number from 2 to 256")
    return int(stored.item())


def _labels(
    path: Path, archive: NpzFile, key: str | None, count: int
) -> tuple[Labels, tuple[str, ...]]:
    if key is None:
        return None, ()
    stored = member(path, archive, key)
    if stored.ndim == 2 and len(stored) == count and _is_one_hot(stored):
        stored = stored.argmax(1)
    if stored.shape not in ((count,), (count, 1)):
        raise InputError(
            f"{path}, array '{key}': has shape {stored.shape} for {count} images; "
            "store one label per image"
        )
    if stored.dtype.kind == "f" and bool((stored == stored.round()).all()):
        stored = stored.astype(np.int64)
    if stored.dtype.kind == "S":
        stored = np.char.decode(stored, "utf-8", "replace")
    if stored.dtype.kind not in "buiU":
        raise InputError(
            f"{path}, array '{key}': has type {stored.dtype}; store whole numbers or text"
        )
    return index_labels(f"{path}, array '{key}'", stored)


def _is_one_hot(labels: NDArray[Any]) -> bool:
    """Whether each of more rows than classes (n, classes) is 1 at one class, 0 elsewhere."""
    if not 2 <= labels.shape[1] < len(labels) or labels.dtype.kind not in "buif":
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all())
