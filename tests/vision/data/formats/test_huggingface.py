"""Hugging Face datasets, written with the real library and read offline."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from infonoise_vision.cli import main
from infonoise_vision.data.images import load_images, load_split

from ..image_files import refused

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    datasets = pytest.importorskip("datasets")

# The library's own affair.
pytestmark = pytest.mark.filterwarnings("ignore:::datasets", "ignore::ResourceWarning")

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
STORED = PIXELS.transpose(0, 3, 1, 2)
LABELS = [0, 2, 1, 1, 2, 0, 0, 1, 2, 1, 0, 2]
NAMES = ["cat", "dog", "emu"]


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()


def dataset(images: np.ndarray = PIXELS, label: str = "label", named: bool = True):
    kind = datasets.ClassLabel(names=NAMES) if named else datasets.Value("int64")
    features = datasets.Features(
        {"note": datasets.Value("string"), "img": datasets.Image(), label: kind}
    )
    rows = {
        "note": ["words"] * len(images),
        "img": [{"bytes": png(image), "path": None} for image in images],
        label: LABELS[: len(images)],
    }
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_saved_dataset(tmp_path):
    dataset().save_to_disk(tmp_path / "set")
    images = load_images(tmp_path / "set")
    assert np.array_equal(images.pixels, STORED)
    assert images.classes == tuple(NAMES)
    assert images.labels.tolist() == LABELS
    limited = load_images(tmp_path / "set", limit=8)
    assert np.array_equal(limited.pixels, STORED[np.arange(8) * 12 // 8])


def test_splits_are_training_and_held_out(tmp_path):
    both = datasets.DatasetDict({"test": dataset(PIXELS[:10]), "train": dataset()})
    both.save_to_disk(tmp_path / "set")
    train, test = load_split(tmp_path / "set")
    assert np.array_equal(train.pixels, STORED)
    assert np.array_equal(test.pixels, STORED[:10])
    assert test.labels.tolist() == LABELS[:10]


def test_a_name_is_what_load_dataset_takes(tmp_path):
    folder = tmp_path / "pets"
    for i, image in enumerate(PIXELS):
        file = folder / "train" / NAMES[LABELS[i]] / f"{i:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(image))
    images = load_images(f"hf:{folder}")
    order = [i for label in range(3) for i in range(12) if LABELS[i] == label]
    assert np.array_equal(images.pixels, STORED[order])
    assert images.classes == tuple(NAMES)
    assert images.labels.tolist() == sorted(LABELS)


def test_numbers_as_labels(tmp_path):
    dataset(named=False).save_to_disk(tmp_path / "set")
    images = load_images(tmp_path / "set")
    assert images.classes == ("0", "1", "2")
    assert images.labels.tolist() == LABELS


def test_labels_of_another_name_are_none(tmp_path):
    dataset(label="weight", named=False).save_to_disk(tmp_path / "set")
    assert load_images(tmp_path / "set").labels is None


def test_a_set_without_images(tmp_path):
    datasets.Dataset.from_dict({"text": ["a"] * 9}).save_to_disk(tmp_path / "set")
    refused(tmp_path / "set", "no column of images, but text")


def test_an_image_that_is_missing(tmp_path):
    rows = {"img": [{"bytes": png(image), "path": None} for image in PIXELS[:8]] + [None]}
    features = datasets.Features({"img": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "set")
    refused(tmp_path / "set", "image 8: is missing")


def test_images_that_are_missing_can_be_left_out(tmp_path, capsys):
    cells = [{"bytes": png(image), "path": None} for image in PIXELS]
    cells[3], cells[5] = None, {"bytes": b"nothing", "path": None}
    features = datasets.Features({"img": datasets.Image()})
    datasets.Dataset.from_dict({"img": cells}, features=features).save_to_disk(tmp_path / "set")
    argv = ["prepare", str(tmp_path / "set"), "--out", str(tmp_path / "out"), "--bad-limit"]
    assert main([*argv, "1"]) == 2
    assert "image 5: cannot be read" in capsys.readouterr().err.splitlines()[-1]
    assert main([*argv, "2"]) == 0
    assert "image 3: is missing" in capsys.readouterr().err
    assert sum(len(part) for part in load_split(tmp_path / "out")) == 10


def test_a_name_that_is_nothing(tmp_path):
    refused(f"hf:{tmp_path}/nowhere", "hf:.*nowhere: cannot be opened")


def test_a_damaged_folder(tmp_path):
    dataset().save_to_disk(tmp_path / "set")
    for file in (tmp_path / "set").glob("*.arrow"):
        file.write_bytes(file.read_bytes()[:50])
    refused(tmp_path / "set", "cannot be opened")


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    dataset().save_to_disk(tmp_path / "set")
    monkeypatch.setitem(sys.modules, "datasets", None)
    refused(tmp_path / "set", r"pip install 'infonoise-vision\[hf\]'")
