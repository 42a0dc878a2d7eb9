"""Compressed files: .gz, .xz, .bz2 and .zst."""

import lzma
import zlib
from contextlib import AbstractContextManager
from typing import BinaryIO

from infonoise_core.reading import Packing, unpacked

_PACKINGS: dict[str, Packing] = {".gz": "gz", ".xz": "xz", ".bz2": "bz2", ".zst": "zst"}
# What damaged files raise.
DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, lzma.LZMAError, zlib.error)


def packing(name: str) -> Packing | None:
    """How a file is packed, by its name in lower case."""
    return next((kind for suffix, kind in _PACKINGS.items() if name.endswith(suffix)), None)


def unpacked_name(name: str) -> str:
    """A name in lower case without the suffix of a compression."""
    return name.removesuffix(next((s for s in _PACKINGS if name.endswith(s)), ""))


def unpacked_stream(stream: BinaryIO, name: str, where: str) -> AbstractContextManager[BinaryIO]:
    """The content of a stream, as its name in lower case says."""
    return unpacked(stream, where, packing(name))
