"""How many images are held out, and how the commands ask for them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infonoise_core.errors import InputError
from infonoise_core.training.record.signature import SIGNED
from infonoise_vision.cli import main
from infonoise_vision.data.images import ImageSet, load_split
from infonoise_vision.data.options import check_held_out
from infonoise_vision.data.split import divide, target
from infonoise_vision.domain import images_of, open_run
from infonoise_vision.methods.options import Objective

from ..conftest import forget, grey_levels

QUICK = ["--steps", "2", "--batch-size", "8", "--eval-every", "0", "--schedule", "edm"]


@pytest.mark.parametrize(
    ("n", "asked", "count"),
    [
        (8, None, 2), (60, None, 12), (49_999, None, 10_000), (50_000, None, 10_000),
        (1_281_167, None, 10_000), (70_000, 0.2, 14_000), (70_000, 50_000, 50_000),
        (60, 0.001, 1), (60, 0.999, 59), (60, 2, 2), (60, 59, 59),
    ],
)  # fmt: skip
def test_a_fifth_up_to_ten_thousand_or_what_is_asked_for(n, asked, count):
    assert target("set", n, asked) == count


@pytest.mark.parametrize("asked", [0, 1, 1.5, 2.5, -0.2, -3, float("nan"), float("inf")])
def test_what_is_neither_a_share_nor_a_number(asked):
    with pytest.raises(InputError, match=f"--held-out {asked:g}: give a share"):
        check_held_out(asked)
    with pytest.raises(InputError, match="--held-out"):
        Objective(held_out=asked)


def test_more_than_there_are():
    with pytest.raises(InputError, match="--held-out 60: set has 60 images"):
        target("set", 60, 60)


def test_a_number_is_met_and_copies_stay_on_one_side():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (400, 1, 2, 2)).astype(np.uint8)
    pixels[200:] = pixels[rng.integers(0, 200, 200)]
    images = ImageSet("copies", pixels, 256)
    train, held_out = divide("copies", pixels, 100, seed=0)
    assert sorted([*train, *held_out]) == list(range(400))
    # A group has some ten copies at most, so no more than that many are missing.
    assert 90 <= len(held_out) <= 100
    sides = [{image.tobytes() for image in images.take(rows).pixels} for rows in (train, held_out)]
    assert not sides[0] & sides[1]


def counts(source: Path | str, **options) -> tuple[int, int]:
    train, held_out = load_split(source, **options)
    return len(train), len(held_out)


@pytest.mark.parametrize(("asked", "parts"), [("0.1", (54, 6)), ("7", (53, 7))])
def test_prepare_and_train_hold_the_same_images_out(tmp_path, grey, capsys, asked, parts):
    packed, run = tmp_path / "packed", tmp_path / "run"
    option = ["--held-out", asked]
    assert main(["prepare", str(grey), "--out", str(packed), *option]) == 0
    assert f"{parts[0]} images 1x4x4 of data and {parts[1]} held out" in capsys.readouterr().out
    assert counts(packed) == counts(grey, held_out=float(asked)) == parts
    assert main(["train", str(grey), "--out", str(run), *QUICK, *option]) == 0
    assert f"{parts[0]} images 1x4x4 of data, {parts[1]} held out" in capsys.readouterr().err
    opened = open_run(run, "cpu")
    assert opened.objective.held_out == float(asked)
    # From the source itself, and where they were prepared alike.
    for data in (None, str(packed)):
        found, other = images_of(opened, data), load_split(grey, held_out=float(asked))
        for a, b in zip((found.train, found.held_out), other, strict=True):
            assert np.array_equal(a.pixels, b.pixels)


def test_compare_takes_it_too(tmp_path, grey):
    out = tmp_path / "out"
    argv = ["compare", str(grey), "--out", str(out), "--steps", "2", "--batch-size", "8"]
    assert main([*argv, "--schedules", "edm", "--held-out", "7"]) == 0
    results = json.loads((out / "results.json").read_text())
    assert '"held_out": 7' in json.dumps(results)


def test_a_run_goes_on_only_with_the_same_images_held_out(tmp_path, grey, capsys):
    argv = ["train", str(grey), "--out", str(tmp_path / "run"), *QUICK, "--held-out"]
    assert main([*argv, "7"]) == 0
    (tmp_path / "run" / "done.json").unlink()
    capsys.readouterr()
    assert main([*argv, "8"]) == 2
    assert "held-out was 7.0 and is 8.0" in capsys.readouterr().err
    assert main([*argv, "7"]) == 0


@pytest.mark.parametrize("command", ["prepare", "train", "compare"])
def test_data_with_test_images_have_no_use_for_it(tmp_path, capsys, command):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=pixels, x_test=pixels[:10] ^ 255)
    argv = [command, str(tmp_path / "a.npz"), "--out", str(tmp_path / "out"), "--held-out", "5"]
    assert main(argv) == 2
    assert "--held-out 5: a has 10 test images of its own" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def as_before(run: Path) -> None:
    """A run as it was before the option and the fingerprint were there, and settings signed."""
    settings = json.loads((run / "config.json").read_text())
    del settings["objective"]["held_out"], settings["images"]["fingerprint"]
    (run / "config.json").write_text(json.dumps(settings))
    forget(run, SIGNED)


def test_a_run_from_before_holds_a_fifth_out_and_goes_on(tmp_path, grey):
    argv = ["train", str(grey), "--out", str(tmp_path / "run"), *QUICK]
    assert main(argv) == 0
    as_before(tmp_path / "run")
    run = open_run(tmp_path / "run", "cpu")
    # Not the new default: of more than 50,000 images that holds out fewer.
    assert run.objective.held_out == 0.2
    settled = replace(run.objective, held_out=None, noise_unit=None, head=Objective().head)
    assert settled == Objective()
    found = images_of(run)
    assert [len(found.train), len(found.held_out)] == [48, 12]
    (tmp_path / "run" / "done.json").unlink()
    assert main(argv) == 0


# A run's own images


def other_images(path: Path) -> Path:
    """As many as `grey_levels` writes, in as many levels, none of them the same."""
    stored = dict(np.load(grey_levels(path)))
    np.savez(path, images=3 - stored["images"][:, ::-1], levels=4)
    return path


def test_other_images_of_the_same_counts_are_refused(tmp_path, grey, capsys):
    out = tmp_path / "run"
    argv = ["train", str(grey), "--out", str(out), *QUICK]
    assert main(argv) == 0
    run = open_run(out, "cpu")
    images_of(run)
    other = other_images(tmp_path / "other.npz")
    with pytest.raises(InputError, match=r"other.npz: not the images of .*run, only as many"):
        images_of(run, str(other))
    # In the place of the old ones: refused to go on with, too.
    (out / "done.json").unlink()
    other_images(grey)
    capsys.readouterr()
    assert main(argv) == 2
    assert "not the images that" in capsys.readouterr().err
    as_before(out)
    images_of(open_run(out, "cpu"))
