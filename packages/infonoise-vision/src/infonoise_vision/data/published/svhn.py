"""Street View House Numbers as handed out: cropped digits in MATLAB's files."""

import sys
from pathlib import Path

import numpy as np

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.matlab import read_arrays
from infonoise_vision.data.formats.source import Opened, index_labels

SUFFIX = ".mat"
_TRAIN, _TEST = "train", "test"
_FIELDS, _DIGITS = ("X", "y"), 10


def mat_files(folder: Path) -> list[Path]:
    """MATLAB's files in a folder, sorted."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == SUFFIX)


def read_mat_folder(folder: Path) -> Opened:
    """train_32x32.mat to train on and test_32x32.mat held out; others are left out and named."""
    files = mat_files(folder)
    train = [file for file in files if file.name.startswith(_TRAIN)]
    test = [file for file in files if file.name.startswith(_TEST)]
    if not train and len(files) == 1:
        return Opened(read_mat(files[0]))
    if len(train) != 1 or len(test) > 1:
        names = ", ".join(file.name for file in files)
        raise InputError(f"{folder}: holds {names}; name the one to read")
    left = [file.name for file in files if file not in (*train, *test)]
    if left:
        print(
            f"note: {folder}: trains on {train[0].name}; {', '.join(left)} left out",
            file=sys.stderr,
        )
    return Opened(*(read_mat(file) for file in (*train, *test)))


def read_mat(file: Path) -> Arrays:
    """X (h, w, 3, n) bytes and y (n, 1) whole numbers, where 10 stands for the digit 0."""
    fields = read_arrays(file, _FIELDS)
    images = fields.get("X")
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.dtype != np.uint8:
        holds = ", ".join(fields) or "nothing"
        raise InputError(
            f"{file}: holds {holds}, and no array X (height, width, channels, images) of bytes as"
            " SVHN has it; save the images as .npz or as image files"
        )
    pixels = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
    if "y" not in fields:
        return Arrays("SVHN", pixels, 256)
    stored = fields["y"]
    labels = np.empty(0) if stored is None else stored.reshape(-1)
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu":
        raise InputError(f"{file}: has {labels.size} labels for {len(pixels)} images; correct y")
    if labels.size and labels.min() > 0 and labels.max() == _DIGITS:
        labels = labels % _DIGITS
    return Arrays("SVHN", pixels, 256, *index_labels(f"{file}, y", labels.astype(np.int64)))
