"""IDX files: round trips with files written by hand, the official split, one-line errors."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from infonoise_vision.data.images import load_images, load_split

from ..image_files import refused

FASHION = Path(__file__).parents[4].parent / "shared" / "data" / "vision" / "fashion-mnist"
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 6, 5), dtype=np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 10


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """Zero, zero, type, sides; the sides as big-endian 32-bit numbers; the values."""
    head = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return head + array.tobytes()


def mnist(folder: Path, packed: bool = True) -> Path:
    """The four files, the test images being the first ten, upside down."""
    contents = {
        "train-images-idx3-ubyte": PIXELS,
        "train-labels-idx1-ubyte": LABELS,
        "t10k-images-idx3-ubyte": PIXELS[:10, ::-1],
        "t10k-labels-idx1-ubyte": LABELS[:10],
    }
    folder.mkdir(exist_ok=True)
    for name, array in contents.items():
        content = idx(array)
        file = folder / (name + ".gz" if packed else name)
        file.write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("packed", [True, False])
def test_the_four_files_are_a_training_and_a_test_set(tmp_path, packed):
    train, test = load_split(mnist(tmp_path / "mnist", packed))
    assert train.name == test.name == "mnist"
    assert np.array_equal(train.pixels, PIXELS[:, None])
    assert np.array_equal(test.pixels, PIXELS[:10, None, ::-1])
    assert [train.classes[i] for i in train.labels] == [str(label) for label in LABELS]
    assert train.classes == test.classes == tuple("0123456789")
    assert (train.levels, test.levels) == (256, 256)


def test_one_file_finds_the_labels_beside_it(tmp_path):
    mnist(tmp_path)
    images = load_images(tmp_path / "t10k-images-idx3-ubyte.gz")
    assert np.array_equal(images.pixels, PIXELS[:10, None, ::-1])
    assert images.labels.tolist() == list(range(10))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    assert load_images(tmp_path / "t10k-images-idx3-ubyte.gz").labels is None


def test_without_test_files_a_share_is_held_out(tmp_path):
    mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    train, held_out = load_split(tmp_path, held_out=0.25)
    assert (len(train), len(held_out)) == (15, 5)


def test_a_part_of_a_word_is_no_test_set(tmp_path):
    mnist(tmp_path, packed=False)
    for kind in ("images-idx3", "labels-idx1"):
        file = tmp_path / f"train-{kind}-ubyte"
        file.rename(tmp_path / f"latest-{kind}-ubyte")
    train, test = load_split(tmp_path)
    assert (len(train), len(test)) == (20, 10)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_archive(tmp_path, share):
    file = mnist(tmp_path) / "train-images-idx3-ubyte.gz"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    refused(tmp_path, "damaged or cut short")


@pytest.mark.parametrize("cut", [1, 5, 600])
def test_fewer_bytes_than_the_shape_says(tmp_path, cut):
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(idx(PIXELS)[:-cut])
    refused(file, "cut short or damaged")


def test_a_wrong_label_count(tmp_path):
    mnist(tmp_path)
    file = tmp_path / "train-labels-idx1-ubyte.gz"
    file.write_bytes(gzip.compress(idx(LABELS[:19])))
    refused(tmp_path, r"labels of shape \(19,\) for 20 images")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file"),
        (b"\x89PNG....", "no IDX file"),
        (idx(PIXELS.astype(np.float32), 0x0D), "type 0xd"),
        (idx(LABELS), "channel"),
        (idx(PIXELS[:0]), "channel"),
    ],
)
def test_what_is_no_idx_file_of_images(tmp_path, content, message):
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(content)
    refused(file, message)


@pytest.mark.data
@pytest.mark.skipif(not FASHION.is_dir(), reason="no Fashion-MNIST in ../shared/data")
def test_fashion_mnist():
    train, test = load_split(FASHION)
    assert (train.pixels.shape, test.pixels.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert np.bincount(train.labels).tolist() == [6000] * 10
    # Published: mean 0.2860, standard deviation 0.3530.
    mean, square = train.pixels.mean() / 255, np.square(train.pixels, dtype=np.float32).mean()
    assert mean == pytest.approx(0.2860, abs=5e-5)
    assert (square / 255**2 - mean**2) ** 0.5 == pytest.approx(0.3530, abs=5e-5)


def test_the_folder_that_holds_them_is_found_beside_others(tmp_path):
    (tmp_path / "MNIST" / "processed").mkdir(parents=True)
    (tmp_path / "MNIST" / "processed" / "training.pt").touch()
    (tmp_path / "README.md").touch()
    mnist(tmp_path / "MNIST" / "raw")
    assert [len(part) for part in load_split(tmp_path)] == [20, 10]
    mnist(tmp_path / "Other")
    refused(tmp_path, r"holds images in \S*raw and \S*Other; give one")


def test_labels_that_are_packed_beside_images_that_are_not(tmp_path):
    folder = mnist(tmp_path / "mnist")
    for part in ("train", "t10k"):
        packed = folder / f"{part}-images-idx3-ubyte.gz"
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    train, test = load_split(folder)
    assert (train.labels.tolist(), test.labels.tolist()) == ([*LABELS], [*LABELS[:10]])
