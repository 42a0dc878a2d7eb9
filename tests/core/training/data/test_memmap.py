"""Arrays on disk: rows as those in memory, and what is no array."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.data.memmap import MappedArray


def test_rows_of_an_npy_file_are_those_in_memory(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).normal(size=(50, 3, 2))
    np.save(tmp_path / "x.npy", whole)
    mapped = MappedArray(tmp_path / "x.npy")
    index = np.array([3, 49, 3, 0])
    assert (len(mapped), mapped.shape, mapped.dtype) == (50, whole.shape, whole.dtype)
    assert np.array_equal(mapped[index], whole[index])
    assert np.array_equal(mapped[7], whole[7])
    assert np.array_equal(mapped[-2:], whole[-2:])


def test_rows_of_a_raw_file_are_windows_side_by_side(tmp_path: Path) -> None:
    ids = np.arange(1000, dtype=np.uint16)
    ids.tofile(tmp_path / "ids.bin")
    windows = MappedArray(tmp_path / "ids.bin", np.uint16, (64,))
    # 1000 = 15 * 64 + 40
    assert windows.shape == (15, 64)
    assert np.array_equal(windows[np.array([14, 2])], ids[:960].reshape(15, 64)[[14, 2]])
    assert MappedArray(tmp_path / "ids.bin", "u2").shape == (1000,)


def test_rows_are_copies_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    mapped = MappedArray(tmp_path / "x.npy")
    mapped[np.array([1])][:] = 1
    mapped[1][:] = 1
    assert not np.load(tmp_path / "x.npy").any()


def test_a_mapped_array_is_pickled_as_its_path(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(100_000))
    text = pickle.dumps(MappedArray(tmp_path / "x.npy"))
    assert len(text) < 1000
    assert pickle.loads(text)[99_999] == 99_999


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
def test_a_mapped_array_crosses_a_fork(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(100))
    mapped = MappedArray(tmp_path / "x.npy")
    # In the child of a fork, as a DataLoader's workers would read it.
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, int(mapped[42]).to_bytes(8, "little"))
        os._exit(0)
    os.waitpid(child, 0)
    assert int.from_bytes(os.read(read, 8), "little") == 42
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (b"hello world", (), "x.npy: not an .npy file; give one, or the dtype"),
        (b"\x93NUMPY\x01", (), "x.npy: damaged or cut short"),
        (b"12345", ("u2",), "x.npy: 5 bytes are no whole number of uint16"),
        (b"1234", ("u2", (3,)), "x.npy: 2 numbers are fewer than one row of 3"),
        (b"", ("u2",), "x.npy: 0 numbers are fewer than one row of 1"),
        (b"1234", ("u2", (0,)), "x.npy: rows of shape (0,); give 1 or more"),
        (b"12345678", ("O",), "x.npy: raw files hold no Python objects"),
    ],
)
def test_arrays_that_are_none(
    tmp_path: Path, content: bytes, arguments: tuple[object, ...], message: str
) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(InputError) as caught:
        MappedArray(tmp_path / "x.npy", *arguments)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_npy_files_that_cannot_be_rows(tmp_path: Path) -> None:
    for name, array, message in (
        ("objects.npy", np.array([{}, []], dtype=object), "holds Python objects"),
        ("scalar.npy", np.array(3.0), "holds a single number"),
        ("empty.npy", np.zeros((0, 4)), "holds no rows"),
    ):
        np.save(tmp_path / name, array, allow_pickle=True)
        with pytest.raises(InputError, match=rf"{name}: {message}"):
            MappedArray(tmp_path / name)
    np.save(tmp_path / "cut.npy", np.zeros(1000))
    os.truncate(tmp_path / "cut.npy", 4000)
    with pytest.raises(InputError, match=r"cut.npy: damaged or cut short"):
        MappedArray(tmp_path / "cut.npy")
