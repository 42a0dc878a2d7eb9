"""Headers of arrays: what declares more than it holds, or than there is memory, is refused."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from infonoise_core import reading
from infonoise_core.errors import InputError
from infonoise_vision.data.formats.arrays import check_npy, check_npz


def header(shape: str, descr: str = "|u1") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (64 - (len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    "shape", ["(1000000, 64, 64, 3)", "(4611686018427387904, 4)", "(101,)", "(-3,)", "(2, 'a')"]
)
def test_an_array_that_declares_more_than_it_holds(tmp_path: Path, shape: str) -> None:
    content = header(shape) + bytes(100)
    with pytest.raises(InputError):
        check_npy(io.BytesIO(content), len(content), "x")
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)
    with pytest.raises(InputError, match="array 'images'"):
        check_npz(path)


def test_an_array_larger_than_memory_is_refused_though_it_may_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "memory", lambda: 1000)
    content = header("(2000,)") + bytes(2000)
    with pytest.raises(InputError, match=r"takes 1\.95 KiB of memory and there are 1000 bytes"):
        check_npy(io.BytesIO(content), len(content), "x")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_sound_archives_pass(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "a.npz"
    save(path, images=np.zeros((50, 8, 8), np.uint8), labels=np.array(["a", "b"]), one=np.int64(3),
         objects=np.array([None, 1]))  # fmt: skip
    check_npz(path)


def test_a_member_that_says_more_than_deflate_can_make(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header("(100,)") + bytes(100))
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot hold that"):
        check_npz(path)
