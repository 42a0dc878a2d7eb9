"""The nearest training images of generated ones, in numbers and on the page about a run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from infonoise_vision.cli import main
from infonoise_vision.data.images import ImageSet, Parts, load_parts
from infonoise_vision.data.options import Reading
from infonoise_vision.evaluation.nearest import nearest, nearest_rows


def some(n: int, seed: int) -> ImageSet:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 4), dtype=np.uint8)
    return ImageSet("some", pixels, 256)


def test_nearest_images_are_those_of_all_distances() -> None:
    """In a set of more images than are looked at together, and for each in its own order."""
    images, own = some(2500, 0), some(7, 1).x0(slice(None))
    distance, rows = nearest(own, images, 3)
    every = torch.cdist(own.flatten(1).double(), images.x0(slice(None)).flatten(1).double())
    expected = every.topk(3, largest=False)
    torch.testing.assert_close(distance, expected.values / 48**0.5)
    assert torch.equal(rows, expected.indices)
    # There are no more than there are.
    assert nearest(own, some(2, 0), 3).rows.shape == (7, 2)


def test_copies_are_found_out() -> None:
    """Whatever the scale that a network sees images at."""
    train, held_out = some(50, 0), some(20, 1)
    parts = Parts(train, held_out, own_test=True)
    (copied,) = nearest_rows(train.take(np.arange(30, 50)), parts)
    assert copied.name == "nearest_train_20"
    assert copied.values["value"] == 0
    (real,) = nearest_rows(held_out, parts)
    assert real.values["value"] == real.values["real to real"] == copied.values["real to real"]
    pixel = np.sqrt(2 / 3)  # of two uniform values in -1..1, were there one training image alone
    assert 0.5 * pixel < real.values["value"] < pixel


def test_evaluate_says_how_near_images_are(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"

    def found(*words: str) -> dict[str, float]:
        assert main(["evaluate", *words, "--nearest", "--no-classifier", "--out", str(out),
                     "--overwrite"]) == 0  # fmt: skip
        (table,) = (t for t in json.loads(out.read_text())["tables"] if t["name"] == "generated")
        return {row["name"]: row["values"]["value"] for row in table["rows"]}

    assert found(str(runs / "plain"), "--steps", "2")["nearest_train_12"] > 0.1
    data = runs / "data.npz"
    train = load_parts(data, Reading()).train
    np.savez(tmp_path / "copies.npz", images=train.pixels)
    copies = found(str(tmp_path / "copies.npz"), "--against", str(data))
    assert copies["nearest_train_12"] == pytest.approx(0, abs=1e-6)


def test_the_page_shows_them(runs: Path, tmp_path: Path) -> None:
    """Of free images and of those of a class, not of completed ones."""
    for name, shown in (("plain", True), ("planes", True), ("half", False)):
        run = shutil.copytree(runs / name, tmp_path / name)
        assert main(["report", str(run), "--steps", "2"]) == 0
        page = (run / "report.html").read_text()
        assert ("each before the 3 training images that are nearest to it" in page) is shown
