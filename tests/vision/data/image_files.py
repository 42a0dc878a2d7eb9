"""Image files for tests to read, and what is said of bad ones."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_vision.data.images import load_images


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, array: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def folder_of(folder: Path, images: np.ndarray, suffix: str = ".png") -> Path:
    for i, image in enumerate(images):
        save(folder / f"{i:03}{suffix}", image)
    return folder


def npz(path: Path, **contents) -> Path:
    np.savez(path, **contents)
    return path


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png", compress_level=0)
    return buffer.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    kind = path.suffix.removeprefix(".")
    with tarfile.open(path, "w" if kind == "tar" else f"w:{kind.removeprefix('t')}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def refused(source, match: str, **options) -> str:
    """The message of the InputError that `source` meets; it names the source in one line."""
    with pytest.raises(InputError, match=match) as caught:
        load_images(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
