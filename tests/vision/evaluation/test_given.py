"""Images in files against real ones: the numbers of a run's own evaluation, and of a file."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_vision.cli import main
from infonoise_vision.evaluation import classifier as classifiers
from infonoise_vision.evaluation.fid import frechet_distance, frechet_of_moments, moments
from infonoise_vision.evaluation.given import files

pytest.importorskip("torchmetrics")


@pytest.fixture(autouse=True)
def quick(tmp_path: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(classifiers.RECIPE, "least_steps", 20)
        patch.setenv("INFONOISE_CACHE", str(tmp_path / "cache"))
        yield


@pytest.fixture(scope="module")
def drawn(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 images of the run `plain`."""
    out = tmp_path_factory.mktemp("drawn") / "images"
    words = ["sample", str(runs / "plain"), "--out", str(out), "--samples", "12", "--steps", "2"]
    assert main(words) == 0
    return out


def values(words: list[str], out: Path) -> dict[str, tuple[float, float | None]]:
    """Name of a measure of generated images -> its value and its floor."""
    assert main(["evaluate", *words, "--out", str(out), "--overwrite"]) == 0
    record: dict[str, Any] = json.loads(out.read_text())
    (table,) = (t for t in record["tables"] if t["name"] == "generated")
    found = {row["name"]: row["values"] for row in table["rows"]}
    return {name: (v["value"], v["real to real"]) for name, v in found.items()}


def test_images_of_a_folder_have_the_numbers_of_the_run_that_drew_them(
    runs: Path, drawn: Path, tmp_path: Path
) -> None:
    """Against held-out and against training images, and from an archive as well."""
    out, data = tmp_path / "found.json", str(runs / "data.npz")
    by_run = values([str(runs / "plain"), "--samples", "12", "--steps", "2"], out)
    assert set(by_run) >= {"energy_12", "fd_clf_12", "kid_clf_12", "precision_clf_12"}
    by_files = values([str(drawn), "--against", data], out)
    assert by_files == by_run
    archive = Path(shutil.make_archive(str(tmp_path / "images"), "zip", drawn))
    assert values([str(archive), "--against", data], out) == by_run
    record = json.loads(out.read_text())
    assert (record["files"], "run" in record) == (str(archive), False)
    train = ["--split", "train"]
    by_run = values([str(runs / "plain"), "--samples", "12", "--steps", "2", *train], out)
    assert values([str(drawn), "--against", data, *train], out) == by_run


def test_a_file_of_real_images_gives_the_same_numbers_as_they_do(
    runs: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "found.json", tmp_path / "real.npz"
    data = str(runs / "data.npz")
    known = values([str(drawn), "--against", data, "--save-reference", str(file)], out)
    again = values([str(drawn), "--against", str(file)], out)
    assert again == known
    # Of fewer images, the measures are of as many on both sides.
    few = values([str(drawn), "--against", str(file), "--samples", "9"], out)
    assert few.keys() == {name.replace("12", "9") for name in known}
    # Without --out nothing is written beside the images.
    before = sorted(drawn.iterdir())
    assert main(["evaluate", str(drawn), "--against", str(file)]) == 0
    assert sorted(drawn.iterdir()) == before
    assert "energy_12" in capsys.readouterr().out


def test_more_images_than_real_ones_are_cut_and_that_is_said(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A set against itself, as far as the real images go."""
    images = np.load(runs / "data.npz")["images"]
    np.savez(tmp_path / "mine.npz", images=images)
    found = values(
        [str(tmp_path / "mine.npz"), "--against", str(runs / "data.npz"), "--no-classifier"],
        tmp_path / "found.json",
    )
    assert list(found) == ["energy_12"]
    words = "12 of 60 images are compared, as many as there are held-out images of data"
    assert words in capsys.readouterr().err


def test_the_frechet_distance_of_moments_is_that_of_features() -> None:
    rng = torch.Generator().manual_seed(0)
    first = torch.randn(300, 5, generator=rng) * torch.arange(1, 6)
    second = torch.randn(200, 5, generator=rng) @ torch.randn(5, 5, generator=rng) + 1
    distance = frechet_of_moments(moments(first), moments(second))
    assert distance == pytest.approx(frechet_distance(first, second), rel=1e-4)
    # Of diagonal covariances: the squared distances of means and of deviations.
    mean, deviation = torch.tensor([1.0, -2]).double(), torch.tensor([0.5, 3]).double()
    zero, one = torch.zeros(2).double(), torch.eye(2).double()
    expected = float(mean.square().sum() + (deviation - 1).square().sum())
    found = frechet_of_moments((mean, deviation.square().diag()), (zero, one))
    assert found == pytest.approx(expected, rel=1e-9)
    # Of moments with directions that hold nothing.
    assert frechet_of_moments((zero, 0 * one), (zero, 0 * one)) == 0


class Brightness:
    """In place of Inception: the mean and the spread of an image."""

    def __init__(self, *_: object) -> None:
        pass

    def __call__(self, x: Tensor) -> Tensor:
        return torch.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], 1)


def test_published_statistics_give_fid_alone(
    runs: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a file of ours holds them under the same names."""
    monkeypatch.setattr(files, "Inception", Brightness)
    out, ours, theirs = (tmp_path / name for name in ("found.json", "ours.npz", "theirs.npz"))
    weights = ["--inception-weights", "any.pth", "--no-classifier"]
    words = [str(drawn), "--against", str(runs / "data.npz"), "--save-reference", str(ours)]
    known = values([*words, *weights], out)
    with np.load(ours) as archive:
        np.savez(theirs, mu=archive["mu"], sigma=archive["sigma"])
    found = values([str(drawn), "--against", str(theirs), *weights], out)
    assert list(found) == ["fid_inception_12"]
    assert found["fid_inception_12"][0] == pytest.approx(known["fid_inception_12"][0], rel=1e-3)
    assert values([str(drawn), "--against", str(ours), *weights], out) == known


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plain", "--against", "data.npz"], "is a run, which --against does not measure"),
        (["data.npz"], "or for images the real ones, --against DATA"),
        (["data.npz", "--save-reference", "r.npz"], "is for images that are compared --against"),
        (["data.npz", "--against", "data.npz", "--data", "digits"], "--data: is for runs"),
        (["data.npz", "--against", "colour.npz"], "images of 1x8x8, and real ones of 3x8x8"),
        (["data.npz", "--against", "moments.npz"], "give --inception-weights as well"),
        (["data.npz", "--against", "damaged.npz"], "damaged; write it again"),
        (["data.npz", "--against", "later.npz"], "infonoise-reference 2"),
        (["data.npz", "--against", "nowhere"], "nowhere: not found"),
        (
            ["data.npz", "--against", "data.npz", "--save-reference", "data.npz"],
            "data.npz exists: give another name or --overwrite",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    words: list[str],
    said: str,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").symlink_to(runs / "plain")
    (tmp_path / "data.npz").symlink_to(runs / "data.npz")
    rng = np.random.default_rng(0)
    np.savez("colour.npz", images=rng.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))
    np.savez("moments.npz", mu=np.zeros(3), sigma=np.eye(3))
    for name, version in (("damaged", 1), ("later", 2)):
        about = {"format": "infonoise-reference", "version": version, "name": "x"}
        np.savez(f"{name}.npz", about=np.frombuffer(json.dumps(about).encode(), np.uint8))
    assert main(["evaluate", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert said in lines[-1]
    assert lines[-1].startswith("error: ")


def test_the_usual_number_may_be_asked_for(tmp_path: Path) -> None:
    """All are compared where none is given, and 256 of them where that is."""
    rng = np.random.default_rng(0)
    drawn, train, test = rng.integers(0, 256, (3, 300, 4, 4)).astype(np.uint8)
    np.savez(tmp_path / "drawn.npz", images=drawn)
    np.savez(tmp_path / "real.npz", x_train=train, x_test=test)
    command = [str(tmp_path / "drawn.npz"), "--against", str(tmp_path / "real.npz")]
    for samples in (None, 256):
        options = [] if samples is None else ["--samples", str(samples)]
        found = values([*command, *options], tmp_path / f"{samples}.json")
        assert f"energy_{samples or 300}" in found


def test_real_numbers_from_0_beside_bytes_are_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would be compared as if they were from -1 on."""
    stored = np.load(runs / "data.npz")["images"][:12]
    np.savez(tmp_path / "a.npz", images=stored / np.float32(stored.max()))
    words = ["evaluate", str(tmp_path / "a.npz"), "--against", str(runs / "data.npz")]
    assert main([*words, "--no-classifier"]) == 2
    assert "compared as -1..1; store 2 x - 1, or bytes" in capsys.readouterr().err
