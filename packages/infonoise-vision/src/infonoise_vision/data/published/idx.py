"""IDX files, as MNIST and Fashion-MNIST come in them: images and labels, gzipped or not."""

import math
import re
import struct
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO

import numpy as np

from infonoise_core.errors import InputError
from infonoise_core.reading import check_fits, open_unpacked, read_upto
from infonoise_vision.data.formats.arrays import Arrays
from infonoise_vision.data.formats.source import Bytes, Opened, index_labels

IMAGES = re.compile(r"images[-.]idx3[-.]ubyte(\.gz)?$")
TEST = {"t10k", "test"}
_UBYTE = 8


def idx_files(folder: Path) -> list[Path]:
    """The image files in a folder, sorted; of one and its packed copy the former."""
    files = sorted(file for file in folder.iterdir() if is_idx(file))
    # torchvision leaves what it has unpacked beside what it has fetched.
    return [file for file in files if file.suffix != ".gz" or file.with_suffix("") not in files]


def idx_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """The folder of image files, here or further in; None without, InputError for several.

    Args:
        names: Of all files in the folder.
    """
    found = sorted({(folder / name).parent for name in names if is_idx(Path(name))})
    if len(found) > 1:
        raise InputError(
            f"{folder}: holds images in {found[0]} and {found[1]}; give one of these folders"
        )
    return found[0] if found else None


def is_idx(file: Path) -> bool:
    """Whether a file's name says that it holds images in IDX."""
    return bool(IMAGES.search(file.name))


def read_idx_folder(folder: Path) -> Opened:
    """The training images in a folder, and the test images where they are there too."""
    test = [f for f in idx_files(folder) if not TEST.isdisjoint(re.split("[-_.]", f.name))]
    train = [file for file in idx_files(folder) if file not in test]
    for files in (train, test):
        if len(files) > 1:
            names = " and ".join(file.name for file in files[:2])
            raise InputError(f"{folder}: holds {names}; name the one to read")
    if not train:
        train, test = test, []
    name = folder.resolve().name
    return Opened(*(read_idx(file, name) for file in (*train, *test)))


def read_idx(file: Path, name: str | None = None) -> Arrays:
    """One file of images, with the labels of the file beside it (labels-idx1 for images-idx3)."""
    images = read_array(file)
    if images.ndim != 3 or 0 in images.shape:
        raise InputError(f"{file}: has shape {images.shape}; give images of one channel (idx3)")
    beside = file.with_name(file.name.replace("images", "labels").replace("idx3", "idx1"))
    packed = beside.suffix == ".gz"
    twin = beside.with_suffix("") if packed else beside.with_name(f"{beside.name}.gz")
    beside = beside if beside.exists() else twin
    name = name or file.name.partition("-images")[0]
    if beside == file or not beside.exists():
        return Arrays(name, images[:, None])
    stored = read_array(beside)
    if stored.shape != images.shape[:1]:
        raise InputError(
            f"{beside}: has labels of shape {stored.shape} for {len(images)} images;"
            " the two files do not belong together"
        )
    labels, classes = index_labels(str(beside), stored)
    return Arrays(name, images[:, None], None, labels, classes)


def read_array(file: Path) -> Bytes:
    """The array in an IDX file: two zero bytes, type, number of sides, the sides, the values."""
    try:
        with open_unpacked(file) as stream:
            return _array(file, stream)
    except (OSError, EOFError, zlib.error, LZMAError) as error:
        raise InputError(f"{file}: damaged or cut short ({error}); fetch it again") from error


def _array(file: Path, stream: BinaryIO) -> Bytes:
    head = stream.read(4)
    zeros, kind, sides = struct.unpack(">HBB", head) if len(head) == 4 else (1, 0, 0)
    if zeros or not sides:
        raise InputError(f"{file}: is no IDX file; fetch it again")
    if kind != _UBYTE:
        raise InputError(f"{file}: holds numbers of type {kind:#x}; only bytes (0x8) are read here")
    head = stream.read(4 * sides)
    shape = struct.unpack(f">{sides}I", head) if len(head) == 4 * sides else ()
    size = math.prod(shape)
    content = b""
    if shape:
        check_fits(size, str(file))
        content = read_upto(stream, size + 1)
    if not shape or len(content) != size:
        more = "more than " if len(content) > size else ""
        raise InputError(
            f"{file}: holds {more}{min(size, len(content))} bytes for shape {shape}; it is cut"
            " short or damaged: fetch it again"
        )
    try:
        return np.frombuffer(content, np.uint8).reshape(shape)
    except ValueError as error:  # numpy has at most 64 sides
        raise InputError(f"{file}: is no IDX file ({error}); fetch it again") from error
