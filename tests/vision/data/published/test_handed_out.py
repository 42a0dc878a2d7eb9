"""CIFAR-100, SVHN, STL-10 and downsampled ImageNet in the form in which they are handed out."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from infonoise_vision.data.images import load_images, load_split
from infonoise_vision.data.prepare import prepare

from ..image_files import noise, npz, refused, tarred, unpacked

N, M = 12, 9


def cifar100(seed: int, n: int) -> dict[str, object]:
    return {
        "data": noise(n, 3072, seed=seed),
        "fine_labels": [i % 100 for i in range(n)],
        "coarse_labels": [0] * n,
        "filenames": [f"{i}.png" for i in range(n)],
    }


NAMES = [f"class{i:02}" for i in range(100)]


def pickled(python: int) -> dict[str, bytes]:
    """Text as Python 2 has it, bytes, or as Python 3 has it."""

    def text(word: str) -> bytes | str:
        return word.encode() if python == 2 else word

    def dumped(fields: dict[str, object]) -> bytes:
        return pickle.dumps({text(k): v for k, v in fields.items()}, protocol=2)

    meta = {"fine_label_names": [text(name) for name in NAMES]}
    return {
        "cifar-100-python/train": dumped(cifar100(0, 200)),
        "cifar-100-python/test": dumped(cifar100(1, 100)),
        "cifar-100-python/meta": dumped(meta),
        "cifar-100-python/file.txt~": b"",
    }


def records() -> dict[str, bytes]:
    def dumped(fields: dict) -> bytes:
        coarse, fine = fields["coarse_labels"], fields["fine_labels"]
        rows = zip(coarse, fine, fields["data"], strict=True)
        return b"".join(bytes([c, f]) + row.tobytes() for c, f, row in rows)

    return {
        "cifar-100-binary/train.bin": dumped(cifar100(0, 200)),
        "cifar-100-binary/test.bin": dumped(cifar100(1, 100)),
        "cifar-100-binary/fine_label_names.txt": "\n".join(NAMES).encode(),
    }


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("files", [pickled(2), pickled(3), records()], ids=["py2", "py3", "bin"])
def test_cifar100_has_its_hundred_fine_classes(tmp_path, files, packed):
    source = tarred(tmp_path / "c.tar", files) if packed else unpacked(tmp_path, files)
    train, test = load_split(source)
    assert (len(train), len(test), train.classes) == (200, 100, tuple(NAMES))
    for images, seed in ((train, 0), (test, 1)):
        wanted = cifar100(seed, len(images))
        assert np.array_equal(images.pixels.reshape(-1, 3072), wanted["data"])
        assert images.labels.tolist() == wanted["fine_labels"]


def test_a_cut_cifar100_is_named(tmp_path):
    files = records() | {"cifar-100-binary/train.bin": bytes(3074 * 9 + 1)}
    refused(unpacked(tmp_path, files), "train.bin: has .* no multiple of 3074")


def svhn(file: Path, n: int, **fields) -> Path:
    digits = np.arange(n) % 10 + 1  # 10 is the digit 0
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {"X": noise(32, 32, 3, n), "y": digits[:, None]} | fields)
    return file


def test_svhn_is_read_with_ten_for_zero_and_the_rest_is_named(tmp_path, capsys):
    for part, n in (("train", 20), ("test", 10), ("extra", 8)):
        svhn(tmp_path / f"{part}_32x32.mat", n)
    train, test = load_split(tmp_path)
    assert (len(train), len(test)) == (20, 10)
    assert train.classes == tuple("0123456789")
    assert train.labels.tolist() == [(i % 10 + 1) % 10 for i in range(20)]
    assert np.array_equal(train.pixels[7], noise(32, 32, 3, 20)[..., 7].transpose(2, 0, 1))
    assert "extra_32x32.mat left out" in capsys.readouterr().err
    assert len(load_images(tmp_path / "extra_32x32.mat")) == 8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"MATLAB 5.0 and then nothing", "damaged or cut short"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(600), "save it again with -v7"),
    ],
)
def test_files_of_matlab_that_are_none(tmp_path, content, said):
    (tmp_path / "train_32x32.mat").write_bytes(content)
    refused(tmp_path / "train_32x32.mat", said)


def test_matlab_without_images(tmp_path):
    refused(svhn(tmp_path / "a.mat", 9, X=np.zeros((3, 3))), "no array X")
    refused(svhn(tmp_path / "b.mat", 9, y=np.zeros((4, 1), int)), "4 labels for 9 images")


def stl10(n: int, m: int) -> dict[str, bytes]:
    files = {"class_names.txt": "\n".join("abcdefghij").encode(), "unlabeled_X.bin": b"unread"}
    for part, count, seed in (("train", n, 0), ("test", m, 1)):
        # Column by column.
        files[f"{part}_X.bin"] = noise(count, 3, 96, 96, seed=seed).transpose(0, 1, 3, 2).tobytes()
        files[f"{part}_y.bin"] = bytes(i % 10 + 1 for i in range(count))
    return {f"stl10_binary/{name}": content for name, content in files.items()}


@pytest.mark.parametrize("packed", [True, False])
def test_stl10_is_upright_and_its_unlabelled_images_are_left_out(tmp_path, capsys, packed):
    files = stl10(N, 10)
    train, test = load_split(
        tarred(tmp_path / "s.tar.gz", files) if packed else unpacked(tmp_path, files)
    )
    assert np.array_equal(train.pixels, noise(N, 3, 96, 96))
    assert np.array_equal(test.pixels, noise(10, 3, 96, 96, seed=1))
    assert train.labels.tolist() == [i % 10 for i in range(N)]
    assert train.classes == tuple("abcdefghij")
    assert "unlabelled images" in capsys.readouterr().err


def test_a_cut_stl10_is_named(tmp_path):
    files = stl10(N, M)
    files["stl10_binary/train_X.bin"] = files["stl10_binary/train_X.bin"][:-1]
    refused(unpacked(tmp_path, files), "train_X.bin: has .* no multiple of 27648")


def batch(file: Path, n: int, seed: int) -> np.ndarray:
    rows = noise(n, 3 * 16 * 16, seed=seed)
    labels = np.arange(n) % 5 + 1
    npz(file, data=rows, labels=labels, mean=rows.mean(0))
    return rows.reshape(n, 3, 16, 16)


@pytest.mark.parametrize("size", [None, 8])
def test_batches_of_imagenet_are_one_set_in_the_order_of_their_numbers(tmp_path, size):
    numbers = (1, 2, 10)
    batches = [batch(tmp_path / f"train_data_batch_{k}.npz", 5 + k, k) for k in numbers]
    held_out = batch(tmp_path / "val_data.npz", 10, 99)
    train, test = load_split(tmp_path, size=size)
    wanted = np.concatenate(batches)
    assert train.classes == test.classes == tuple("12345")
    assert train.labels.tolist() == [i % 5 for k in numbers for i in range(5 + k)]
    if size is None:
        assert np.array_equal(train.pixels, wanted)
        assert np.array_equal(test.pixels, held_out)
    else:
        means = wanted.reshape(-1, 3, 8, 2, 8, 2).mean((3, 5))
        assert np.abs(train.pixels - means).max() <= 0.5
    some, _ = load_split(tmp_path, size=size, limit=9)
    kept = np.arange(9) * len(train) // 9
    assert np.array_equal(some.pixels, train.pixels[kept])
    prepared, _ = prepare(tmp_path, tmp_path / "out")
    assert np.array_equal(prepared.pixels, wanted)


def test_one_batch_alone_is_read(tmp_path):
    images = batch(tmp_path / "train_data_batch_4.npz", N, 0)
    assert np.array_equal(load_images(tmp_path / "train_data_batch_4.npz").pixels, images)
    npz(tmp_path / "train_data_batch_4.npz", data=images.reshape(N, -1))
    refused(tmp_path, "has no labels")
