"""Small data and runs that several files of tests use."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infonoise_core.training import checkpoint
from infonoise_core.training.run_profile import PROFILES
from infonoise_vision.cli import main

QUICK = ["--batch-size", "8", "--save-every", "3"]
COMPARED = ["--steps", "2", "--batch-size", "8", "--schedules", "edm"]
TRAINING = ["--steps", "6", "--batch-size", "8", "--eval-every", "0", "--save-every", "3"]
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
    without_profile(shutil.copytree(folder / "classes", folder / "bare"))
    return folder


def forget(run: Path, key: str) -> None:
    """Take out of a run's checkpoints what those of older versions did not have."""
    for path in run.glob("checkpoints/*/manifest.json"):
        manifest = checkpoint.read_manifest(path.parent)
        manifest.pop(key)
        # As `checkpoint.save` does.
        manifest["checksum"] = checkpoint.digest(manifest)
        path.write_text(json.dumps(manifest))


def without_profile(run: Path) -> None:
    """Make a run one from before every run measured its profile."""
    (run / "profile.json").unlink()
    forget(run, PROFILES)


def grey_levels(path: Path, n: int = 60) -> Path:
    """Pictures of 4x4 pixels in 4 grey levels, all different: a random ramp with random dents."""
    rng = np.random.default_rng(0)
    ramp = np.arange(4)[:, None] + np.arange(4)
    pixels = (ramp + rng.integers(0, 3, (n, 1, 1)) + rng.integers(0, 2, (n, 4, 4))) // 3
    np.savez(path, images=pixels.clip(0, 3).astype(np.uint8), levels=4)
    return path


def real_numbers(path: Path, n: int = 40) -> Path:
    images = np.random.default_rng(0).standard_normal((n, 4, 4)).astype(np.float32) / 3
    np.savez(path, images=images)
    return path


def pictures(folder: Path, n: int = 30, *, odd_one: bool = False) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(n):
        shape = (5, 4, 3) if odd_one and i == n - 1 else (4, 4, 3)
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        image.save(folder / f"{i:03}.png")
    return folder


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    return grey_levels(tmp_path / "data.npz")


@pytest.fixture(params=["grey levels", "real numbers", "pictures"])
def any_data(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    if request.param == "pictures":
        return pictures(tmp_path / "pictures")
    make = grey_levels if request.param == "grey levels" else real_numbers
    return make(tmp_path / "data.npz")


@pytest.fixture(scope="session")
def strict() -> Callable[[str], Any]:
    """Reads JSON as the standard has it, without NaN."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    return lambda text: json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits: six updates, so that the profile was refreshed once."""
    out = tmp_path_factory.mktemp("digits") / "run"
    assert main(["train", "digits", "--out", str(out), "--steps", "6", *QUICK]) == 0
    return out


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad data and runs, to be used from inside their folder."""
    w = tmp_path_factory.mktemp("world")
    grey_levels(w / "good.npz")
    grey_levels(w / "more.npz", 61)
    real_numbers(w / "real.npz")
    (w / "empty").mkdir()
    pictures(w / "mixed", odd_one=True)
    whole = (pictures(w / "broken") / "003.png").read_bytes()
    (w / "broken" / "003.png").write_bytes(whole[: len(whole) // 2])
    images = np.zeros((20, 4, 4), np.float32)
    images[5, 1, 1] = np.nan
    np.savez(w / "nan.npz", images=images)
    np.savez(w / "same.npz", images=np.zeros((20, 4, 4), np.uint8))
    twins = np.zeros((20, 4, 4), np.uint8)
    twins[0] = 1
    np.savez(w / "twins.npz", images=twins)
    (w / "notes.txt").write_text("notes")
    (w / "stranger").mkdir()
    (w / "run.png").mkdir()
    (w / "stranger" / "thesis.tex").write_text("thesis")
    with contextlib.chdir(w):
        train = ["train", "good.npz", "--steps", "6", *QUICK, "--out"]
        assert main([*train, "run"]) == 0
        assert main([*train, "plain", "--schedule", "edm"]) == 0
        assert main(["compare", "good.npz", *COMPARED, "--out", "comparison"]) == 0
    without_profile(shutil.copytree(w / "plain", w / "bare"))
    shutil.copytree(w / "run", w / "cut")
    (w / "cut" / "done.json").unlink()
    shutil.copytree(w / "comparison", w / "cut comparison")
    (w / "cut comparison" / "results.json").unlink()
    shutil.copytree(w / "run", w / "untrained", ignore=shutil.ignore_patterns("checkpoints"))
    (w / "damaged").mkdir()
    (w / "damaged" / "config.json").write_text('{"command": "infon')
    (w / "picture.png").write_bytes(whole)
    return w


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        if p.is_file()
        else ""
        for p in folder.rglob("*")
    }


@pytest.fixture
def refused(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[str], list[str]], None]:
    """Checks that a command ends in one line with these words, and changes nothing in `world`."""

    def check(argv: list[str], words: list[str]) -> None:
        monkeypatch.chdir(world)
        before = snapshot(world)
        assert main(argv) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        notes = [line for line in captured.err.splitlines() if line.startswith("note: ")]
        assert captured.err.startswith("error: ", len("".join(f"{line}\n" for line in notes)))
        assert captured.err.count("\n") == len(notes) + 1
        for word in words:
            assert word in captured.err
        assert snapshot(world) == before

    return check
