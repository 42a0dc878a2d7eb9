"""Image files for tests to read, and what is said of bad ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_vision.data import load_images


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


def refused(source, match: str, **options) -> str:
    """The message of the InputError that `source` meets; it names the source in one line."""
    with pytest.raises(InputError, match=match) as caught:
        load_images(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message
