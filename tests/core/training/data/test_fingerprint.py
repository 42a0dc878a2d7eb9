"""Data are told apart by content, however they lie in memory."""

import numpy as np
import pytest

from infonoise_core.training.data import fingerprint as module
from infonoise_core.training.data.fingerprint import fingerprint

TABLE = np.arange(60, dtype=np.int32).reshape(5, 4, 3)


def test_it_depends_on_content_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = fingerprint([("x", TABLE), ("classes", ["a", "b"])])
    assert len(first) == 64
    turned = np.asfortranarray(TABLE)
    assert fingerprint([("x", turned), ("classes", ["a", "b"])]) == first
    foreign = TABLE.astype(TABLE.dtype.newbyteorder(">"))
    assert fingerprint([("x", foreign), ("classes", ["a", "b"])]) == first
    strided = np.repeat(TABLE, 2, axis=0)[::2]
    assert fingerprint([("x", strided), ("classes", ["a", "b"])]) == first
    monkeypatch.setattr(module, "_CHUNK", 50)  # a row of 48 bytes at a time
    assert fingerprint([("x", TABLE), ("classes", ["a", "b"])]) == first


def test_any_difference_shows() -> None:
    other = TABLE.copy()
    other[4, 3, 2] += 1
    parts = [
        [("x", TABLE)],
        [("x", other)],
        [("y", TABLE)],
        [("x", TABLE[::-1])],
        [("x", TABLE.reshape(4, 5, 3))],
        [("x", TABLE.astype(np.int64))],
        [("x", TABLE), ("classes", [])],
        [("x", TABLE), ("classes", ["a"])],
        [("x", TABLE[:2]), ("x", TABLE[2:])],
        [("x", TABLE[:0])],
        [("x", np.array(1))],
        [("x", 1)],
        [],
    ]
    assert len({fingerprint(p) for p in parts}) == len(parts)


def test_a_mapped_file_has_the_fingerprint_of_its_array(tmp_path) -> None:
    np.save(tmp_path / "x.npy", TABLE)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert fingerprint([("x", mapped)]) == fingerprint([("x", TABLE)])


def test_what_has_no_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match="names: an array of objects"):
        fingerprint([("names", np.array(["a", None], dtype=object))])
