"""IDX files, as MNIST and Fashion-MNIST come in them: images and labels, gzipped or not."""

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.source import Arrays, Bytes, Opened, index_labels

IMAGES = re.compile(r"images[-.]idx3[-.]ubyte(\.gz)?$")
TEST = {"t10k", "test"}
_UBYTE = 8


def idx_files(folder: Path) -> list[Path]:
    """The image files in a folder, sorted."""
    return sorted(file for file in folder.iterdir() if is_idx(file))


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
    content = _content(file)
    zeros, kind, sides = struct.unpack_from(">HBB", content) if len(content) > 3 else (1, 0, 0)
    if zeros or not sides:
        raise InputError(f"{file}: is no IDX file; fetch it again")
    if kind != _UBYTE:
        raise InputError(f"{file}: holds numbers of type {kind:#x}; only bytes (0x8) are read here")
    start = 4 + 4 * sides
    shape = struct.unpack_from(f">{sides}I", content, 4) if len(content) >= start else ()
    if not shape or len(content) - start != int(np.prod(shape, dtype=object)):
        raise InputError(
            f"{file}: holds {max(0, len(content) - start)} bytes for shape {shape}; it is cut"
            " short or damaged: fetch it again"
        )
    array: NDArray[np.uint8] = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    return array


def _content(file: Path) -> bytes:
    content = file.read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file}: damaged or cut short ({error}); fetch it again") from error
