"""CIFAR-10's own archives, made by hand in both kinds, and pickles that must not run."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from infonoise_vision.data.images import load_split
from infonoise_vision.data.published.unpickle import load_plain

from ..image_files import refused

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()  # noqa: SIM905
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 10, 3, 32, 32), dtype=np.uint8)
LABELS = np.random.default_rng(1).permuted(np.tile(np.arange(10), (6, 1)), axis=1)


def binary_files() -> dict[str, bytes]:
    """A record: the label, then red, green and blue, each row by row."""
    files = {
        f"{batch}.bin": b"".join(
            bytes([label]) + image.tobytes() for label, image in zip(labels, images, strict=True)
        )
        for batch, images, labels in zip(BATCHES, PIXELS, LABELS, strict=True)
    }
    return {**files, "batches.meta.txt": "\n".join([*NAMES, ""]).encode()}


def python2_string(value: bytes) -> bytes:
    return (
        b"U" + bytes([len(value)]) + value
        if len(value) < 256
        else b"T" + struct.pack("<i", len(value)) + value
    )


def python2_batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    """What Python 2 wrote: {'data': array, 'labels': list} in protocol 2, opcode by opcode."""
    data = images.reshape(len(images), -1)
    dtype = (
        b"cnumpy\ndtype\n" + python2_string(b"u1") + b"K\x00K\x01\x87R"  # dtype('u1', 0, 1)
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"  # its state
    )
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01" + b"J" + struct.pack("<i", data.shape[0]) + b"J"
        + struct.pack("<i", data.shape[1]) + b"\x86" + dtype + b"\x89"
        + python2_string(data.tobytes()) + b"tb"
    )  # fmt: skip
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return (
        b"\x80\x02}(" + python2_string(b"data") + array + python2_string(b"labels") + listed + b"u."
    )


def python_files(protocol: int | None) -> dict[str, bytes]:
    files = {}
    for batch, images, labels in zip(BATCHES, PIXELS, LABELS, strict=True):
        fields = {"data": images.reshape(len(images), -1), "labels": labels.tolist()}
        files[batch] = (
            python2_batch(images, labels) if protocol is None else pickle.dumps(fields, protocol)
        )
    meta = {"num_cases_per_batch": 10, "label_names": NAMES, "num_vis": 3072}
    return {**files, "batches.meta": pickle.dumps(meta, 2)}


def packed(path: Path, files: dict[str, bytes], folder: str = "cifar-10-batches") -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("pack", [packed, unpacked])
@pytest.mark.parametrize("kind", ["binary", None, 2, 3, 4])
def test_both_kinds_of_archive_hold_the_same(tmp_path, pack, kind):
    files = binary_files() if kind == "binary" else python_files(kind)
    train, test = load_split(pack(tmp_path / "cifar.tar.gz", files))
    assert np.array_equal(train.pixels, PIXELS[:5].reshape(50, 3, 32, 32))
    assert train.labels.tolist() == LABELS[:5].flatten().tolist()
    assert np.array_equal(test.pixels, PIXELS[5])
    assert test.labels.tolist() == LABELS[5].tolist()
    assert train.classes == test.classes == tuple(NAMES)
    assert (train.name, train.levels) == ("CIFAR-10", 256)


def test_a_truncated_archive(tmp_path):
    path = packed(tmp_path / "cifar.tar.gz", binary_files())
    path.write_bytes(path.read_bytes()[:-3000])
    refused(path, "damaged or cut short")


@pytest.mark.parametrize("kind", ["binary", None, 2])
def test_a_truncated_batch(tmp_path, kind):
    files = binary_files() if kind == "binary" else python_files(kind)
    name = next(iter(files))
    files[name] = files[name][:-100]
    refused(unpacked(tmp_path / "cifar", files), f"{name}: .*fetch it again")


def test_a_batch_that_is_missing(tmp_path):
    files = binary_files()
    del files["data_batch_3.bin"]
    refused(unpacked(tmp_path / "cifar", files), "data_batch_3 is missing")


def test_a_wrong_label_count(tmp_path):
    files = python_files(2)
    fields = {"data": PIXELS[0].reshape(10, -1), "labels": LABELS[0].tolist()[:9]}
    files["data_batch_1"] = pickle.dumps(fields, 2)
    refused(unpacked(tmp_path / "cifar", files), "9 labels for 10 images")


def test_a_label_beyond_the_classes(tmp_path):
    files = binary_files()
    files["test_batch.bin"] = b"\x0a" + files["test_batch.bin"][1:]
    refused(unpacked(tmp_path / "cifar", files), "label 10 for 10 classes")


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": [1] * 10},
        {"data": np.zeros((10, 100), np.uint8), "labels": [1] * 10},
        {"data": np.zeros((10, 3072), np.int64), "labels": [1] * 10},
        {"data": np.zeros((10, 3072), np.uint8), "fine_labels": [1] * 10},
    ],
)
def test_pickles_of_something_else(tmp_path, fields):
    files = {**python_files(2), "data_batch_1": pickle.dumps(fields, 2)}
    refused(unpacked(tmp_path / "cifar", files), "not CIFAR-10")


class Trap:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "trap",
    [
        Trap(os.system, "true"),
        Trap(eval, "1"),
        Trap(getattr, "", "join"),
        Trap(np.frombuffer, b"abcd"),
        Trap(__import__, "os"),
    ],
)
def test_a_pickle_runs_nothing(tmp_path, protocol, trap):
    content = pickle.dumps({"data": trap, "labels": []}, protocol)
    with pytest.raises(pickle.UnpicklingError, match="never loaded"):
        load_plain(content)
    files = {**python_files(2), "data_batch_2": content}
    refused(unpacked(tmp_path / "cifar", files), "data_batch_2: cannot be read .*never loaded")


@pytest.mark.parametrize("name", [b"_codecs\nencode", b"numpy\ndtype", b"numpy\nndarray"])
@pytest.mark.parametrize("state", [b"}", b"N}U\x0c__defaults__(U\x04utf8ts\x86"])
def test_a_pickle_changes_nothing(name, state):
    """BUILD sets the attributes of whatever lies on the stack, functions and classes too."""
    before = pickle.dumps({"a": b"\xff\x00", "b": PIXELS[0, 0]}, 2)
    expected = load_plain(before)
    with pytest.raises(pickle.UnpicklingError):
        load_plain(b"\x80\x02}U\x01ac" + name + b"\n" + state + b"bs.")
    found = load_plain(before)
    assert found["a"] == expected["a"] == b"\xff\x00"
    assert np.array_equal(found["b"], PIXELS[0, 0])


@pytest.mark.parametrize(
    "value",
    [
        np.array([{}, []], dtype=object),
        np.array(["a"]),
        np.array([1.5]),
        np.zeros(2, [("a", "u1")]),
    ],
)
def test_arrays_of_other_than_whole_numbers_are_refused(value):
    with pytest.raises(pickle.UnpicklingError):
        load_plain(pickle.dumps({"data": value}, 2))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4"])
def test_plain_values_come_back(order, dtype):
    array = np.asarray(np.arange(6).reshape(2, 3), dtype, order=order)
    found = load_plain(pickle.dumps({"a": array, "b": [1, "two", b"\xff", {"c": None}]}, 2))
    assert np.array_equal(found["a"], array)
    assert found["b"] == [1, "two", b"\xff", {"c": None}]


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x80\x02", pickle.dumps([1]), b"\x80\x02}Pa\n."]
)
def test_what_is_no_pickled_dict(content):
    with pytest.raises(pickle.UnpicklingError):
        load_plain(content)


def test_a_zip_of_the_files(tmp_path):
    files = python_files(2)
    path = tmp_path / "cifar.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"cifar-10-batches-py/{name}", content)
    (one, other), (whole, test) = load_split(path), load_split(unpacked(tmp_path / "in", files))
    assert np.array_equal(one.pixels, whole.pixels)
    assert np.array_equal(other.labels, test.labels)
