"""Autoguidance by another run, and images in one archive."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_vision.cli import main
from infonoise_vision.data.images import load_images

FEW = ["--samples", "6", "--steps", "3"]


def drawn(run: Path, out: Path, *options: str) -> np.ndarray:
    """(n, h, w, c) bytes."""
    assert main(["sample", str(run), "--out", str(out), "--overwrite", *FEW, *options]) == 0
    images: np.ndarray = np.load(out)["arr_0"]
    return images


@pytest.mark.parametrize("name", ["plain", "classes"])
def test_a_run_led_away_from_itself_draws_what_it_does(
    name: str, runs: Path, tmp_path: Path
) -> None:
    """And from what it was before, something else."""
    out = tmp_path / "images.npz"
    own = drawn(runs / name, out)
    guide = ["--guide", str(runs / name), "--guidance", "3"]
    np.testing.assert_array_equal(drawn(runs / name, out, *guide), own)
    earlier = drawn(runs / name, out, *guide, "--guide-checkpoint", "3")
    assert not np.array_equal(earlier, own)
    # At levels that are never visited it has no say.
    never = ["--guidance-min", "90000"]
    again = drawn(runs / name, out, *guide, "--guide-checkpoint", "3", *never)
    np.testing.assert_array_equal(again, own)


def test_a_smaller_run_may_guide_and_evaluate_measures_it(runs: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    words = ["train", str(runs / "data.npz"), "--out", str(small), "--network", "tiny"]
    assert main([*words, "--steps", "2", "--batch-size", "8", "--eval-every", "0"]) == 0
    energies = []
    guide = ["--guide", str(small), "--guidance", "2"]
    for options in ([], guide, [*guide, "--guidance-min", "90000"]):
        out = tmp_path / "found.json"
        words = ["evaluate", str(runs / "plain"), "--no-classifier", "--out", str(out)]
        assert main([*words, "--overwrite", *FEW, *options]) == 0
        (table,) = (t for t in json.loads(out.read_text())["tables"] if t["name"] == "generated")
        energies.append(table["rows"][0]["values"]["value"])
        assert ("guiding" in table["settings"]) is bool(options)
    # At levels that are never visited it has no say.
    assert energies[0] == energies[2] != energies[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plain", "--guide", "plain"], "without --guidance it has no say"),
        (["plain", "--guide-checkpoint", "3"], "is one of --guide; give that as well"),
        (["plain", "--guide", "classes", "--guidance", "2"], "was trained with --conditional True"),
        (["plain", "--guide", "other", "--guidance", "2"], "its images have shape [1, 4, 4]"),
        (["plain", "--guide", "nowhere", "--guidance", "2"], "nowhere: no run here"),
        (["planes", "--guide", "planes", "--guidance", "2"], "noise of their own are not guided"),
        (["plain", "--guide", "plain", "--guidance", "2", "--guide-checkpoint", "4"], "step"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str],
    said: str,
    runs: Path,
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("plain", "classes", "planes"):
        (tmp_path / name).symlink_to(runs / name)
    (tmp_path / "other").symlink_to(world / "run")
    assert main(["sample", *words, "--out", "images.npz", *FEW]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / "images.npz").exists()


def test_an_archive_holds_the_images_of_the_folder_and_their_classes(
    runs: Path, tmp_path: Path
) -> None:
    archive, folder = tmp_path / "images.npz", tmp_path / "images"
    for out in (archive, folder):
        assert main(["sample", str(runs / "classes"), "--out", str(out), "--samples", "9",
                     "--steps", "2"]) == 0  # fmt: skip
    with np.load(archive) as found:
        assert found["arr_0"].shape == (9, 8, 8, 1)
        assert found["arr_1"].tolist() == [0, 1, 2] * 3
        for i, image in enumerate(found["arr_0"]):
            alone = np.asarray(Image.open(folder / f"{i:06d}.png"))
            np.testing.assert_array_equal(alone, image[..., 0])
    # It is read again as images with classes.
    images = load_images(archive)
    assert (len(images), images.classes) == (9, ("0", "1", "2"))
    # Without a class there are none, and what is there is not replaced.
    none = tmp_path / "none.npz"
    words = ["sample", str(runs / "classes"), "--samples", "9", "--steps", "2", "--label", "none"]
    assert main([*words, "--out", str(none)]) == 0
    assert np.load(none).files == ["arr_0"]
    assert main([*words, "--out", str(none)]) == 2


@pytest.mark.parametrize("option", ["--guidance-min", "--guidance-max"])
def test_an_interval_of_no_guidance_is_refused(
    option: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "images.npz"
    assert main(["sample", str(runs / "classes"), "--out", str(out), *FEW, option, "1"]) == 2
    assert f"{option}: without --guidance it has no say" in capsys.readouterr().err
    assert not out.exists()
