"""Small runs that several files of tests use."""

from pathlib import Path

import numpy as np
import pytest

from infonoise_vision.cli import main

TRAINING = ["--updates", "6", "--batch", "8", "--eval-every", "0", "--save-every", "3"]
KINDS = {
    "plain": [],
    "classes": ["--conditional", "--schedule", "edm"],
    "planes": ["--condition", "label", "--condition-noise", "0.2", "--schedule", "edm"],
    "half": ["--condition", "hidden-half"],
    "box": ["--condition", "hidden-box", "--condition-noise", "0.5", "--schedule", "edm"],
    "fine": ["--condition", "superres", "--factor", "2", "--conditional", "--schedule", "edm"],
}


def three_classes(path: Path, n: int = 60) -> Path:
    """Pictures of 8x8 bytes: a bright third at the left, in the middle or at the right."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    pixels = rng.integers(0, 80, (n, 8, 8))
    for image, label in zip(pixels, labels, strict=True):
        image[:, 3 * label : 3 * label + 3] += 150
    names = np.array(["left", "middle", "right"])
    np.savez(path, images=pixels.astype(np.uint8), labels=names[labels])
    return path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data.npz and a run of each of KINDS, six updates long."""
    folder = tmp_path_factory.mktemp("runs")
    data = three_classes(folder / "data.npz")
    for name, options in KINDS.items():
        assert main(["train", str(data), "--out", str(folder / name), *options, *TRAINING]) == 0
    return folder
