"""MATLAB's files as SciPy writes them: real arrays come back, damage is one line."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import savemat

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.matlab import read_arrays

KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def written(folder: Path, fields: dict[str, Any], **options: Any) -> Path:
    stream = io.BytesIO()
    savemat(stream, fields, **options)
    path = folder / "a.mat"
    path.write_bytes(stream.getvalue())
    return path


@given(
    st.sampled_from(KINDS).flatmap(
        lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=2, max_dims=4, max_side=5))
    ),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_arrays_come_back(tmp_path: Path, array: np.ndarray, packed: bool) -> None:
    path = written(tmp_path, {"X": array, "other": "text"}, do_compression=packed)
    found = read_arrays(path, ("X",))
    assert set(found) == {"X", "other"}
    assert found["other"] is None
    assert found["X"] is not None
    assert found["X"].dtype == array.dtype
    np.testing.assert_array_equal(found["X"], array)


def test_what_is_not_asked_for_or_no_real_array_is_only_named(tmp_path: Path) -> None:
    fields = {"X": np.eye(2) * 1j, "y": "text", "z": {"a": 1}, "w": np.eye(2)}
    found = read_arrays(written(tmp_path, fields), ("X", "y", "z"))
    assert found == dict.fromkeys("Xyzw")


def test_the_other_order_of_bytes_is_read(tmp_path: Path) -> None:
    """As a machine of the other kind writes a matrix of 2 x 1 doubles, stored as 16 bits."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    parts = (
        element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 2, 1))
        + struct.pack(">I", 1 << 16 | 1) + b"X\0\0\0" + element(3, struct.pack(">hh", -3, 500))
    )  # fmt: skip
    path = tmp_path / "a.mat"
    path.write_bytes(bytes(124) + struct.pack(">H", 0x0100) + b"MI" + element(14, parts))
    found = read_arrays(path, ("X",))["X"]
    assert found is not None
    assert found.dtype == np.float64
    assert found.tolist() == [[-3.0], [500.0]]


@pytest.mark.parametrize("cut", [0, 60, 128, 140, 200, -1])
def test_a_cut_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, {"X": np.arange(40, dtype=np.uint8)[:, None]})
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    if cut == 128:
        assert read_arrays(path, ("X",)) == {}  # a header, and nothing behind it
        return
    with pytest.raises(InputError, match="damaged or cut short"):
        read_arrays(path, ("X",))


def test_no_changed_byte_of_packed_arrays_gives_another_array(tmp_path: Path) -> None:
    """zlib's checksum covers them; bits between its blocks and the checksum mean nothing."""
    array = np.arange(64, dtype=np.uint8).reshape(8, 8)
    path = written(tmp_path, {"X": array}, do_compression=True)
    sound, refused = path.read_bytes(), 0
    for at in range(136, len(sound)):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 0x10]) + sound[at + 1 :])
        try:
            found = read_arrays(path, ("X",))["X"]
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(found, array)
    assert refused >= len(sound) - 136 - 2


def test_a_bomb_is_refused_from_its_tag(tmp_path: Path) -> None:
    packed = zlib.compress(struct.pack("<II", 14, 1 << 31) + bytes(1000))
    path = tmp_path / "a.mat"
    header = bytes(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(InputError, match=r"2147483648 bytes packed into"):
        read_arrays(path, ("X",))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(600), "save it again with -v7"),
        (bytes(20) * 40, "no file of MATLAB 5"),
        (bytes(124) + b"\x07\x00IM" + bytes(600), "version 0x7"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=why):
        read_arrays(path, ("X",))
