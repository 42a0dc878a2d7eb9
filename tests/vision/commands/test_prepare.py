"""Prepared sets: the same images as reading the source, in mapped files, written whole or not."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_vision.cli import main
from infonoise_vision.data.images import load_images, load_split
from infonoise_vision.data.options import Reading
from infonoise_vision.data.prepare import prepare

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 6, 6, 3), dtype=np.uint8)


def folder_of(folder: Path, images: np.ndarray = PIXELS) -> Path:
    for i, image in enumerate(images):
        file = folder / ("odd" if i % 2 else "even") / f"{i:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    return folder


def archive(path: Path, **contents) -> Path:
    np.savez(path, **contents)
    return path


def same(one, other) -> None:
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.pixels, b.pixels)
        assert a.pixels.dtype == b.pixels.dtype
        assert (a.name, a.levels, a.classes) == (b.name, b.levels, b.classes)
        assert (a.labels is None) == (b.labels is None)
        assert a.labels is None or np.array_equal(a.labels, b.labels)


@pytest.mark.parametrize("options", [{}, {"size": 4}, {"limit": 20}, {"size": 3, "binarize": 0.5}])
def test_a_prepared_folder_is_the_folder(tmp_path, options):
    source = folder_of(tmp_path / "pets")
    written = prepare(source, tmp_path / "packed", Reading(**options))
    same(written, load_split(source, **options))
    same(written, load_split(tmp_path / "packed"))
    same([written[0]], [load_images(tmp_path / "packed")])


def test_a_source_with_its_own_test_images_keeps_them(tmp_path):
    labels = np.arange(30) % 3
    path = archive(
        tmp_path / "a.npz",
        x_train=PIXELS, y_train=labels, x_test=PIXELS[:9] // 2, y_test=labels[:9],
    )  # fmt: skip
    written = prepare(path, tmp_path / "packed")
    assert [len(part) for part in written] == [30, 9]
    assert np.array_equal(written[1].pixels, PIXELS[:9].transpose(0, 3, 1, 2) // 2)
    same(written, load_split(path))


def test_real_numbers_and_few_levels_stay_what_they_are(tmp_path):
    real = np.random.default_rng(0).normal(size=(12, 4, 4)).astype(np.float32)
    path = archive(tmp_path / "a.npz", images=real)
    same(prepare(path, tmp_path / "real"), load_split(path))
    written = prepare("digits", tmp_path / "digits")
    assert written[0].levels == 17
    same(written, load_split("digits"))


def test_pixels_stay_in_the_file(tmp_path):
    train, held_out = prepare(folder_of(tmp_path / "pets"), tmp_path / "packed")
    for part in (train, held_out):
        assert isinstance(part.pixels, np.memmap)
        assert part.pixels.dtype == np.uint8
    x0 = train.x0([0, 3])
    x0.zero_()  # a copy: the file stays as it is
    assert load_images(tmp_path / "packed").pixels[0].any()


def test_decoded_files_never_lie_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("infonoise_vision.data.images.in_memory", None)
    monkeypatch.setattr("infonoise_vision.data.formats.source.in_memory", None)
    grey_first = PIXELS.copy()
    grey_first[:7] = grey_first[:7, :, :, :1]  # the array is made anew at the first colour
    source = folder_of(tmp_path / "pets", grey_first)
    train, held_out = prepare(source, tmp_path / "packed")
    assert len(train) + len(held_out) == 30
    assert train.shape == (3, 6, 6)
    assert sorted(os.listdir(tmp_path / "packed")) == [
        "held_out-labels.npy", "held_out.npy", "manifest.json", "train-labels.npy", "train.npy",
    ]  # fmt: skip


def test_an_error_leaves_what_was_there(tmp_path):
    out = tmp_path / "packed"
    written = prepare(folder_of(tmp_path / "pets"), out)
    broken = folder_of(tmp_path / "broken")
    (broken / "odd" / "029.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"029.png"):
        prepare(broken, out, overwrite=True)
    same(written, load_split(out))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "packed", "pets"]


def test_an_existing_folder_is_replaced_only_on_request(tmp_path):
    out = tmp_path / "packed"
    prepare(folder_of(tmp_path / "pets"), out)
    with pytest.raises(InputError, match="--overwrite"):
        prepare("digits", out)
    assert prepare("digits", out, overwrite=True)[0].name == "digits"
    with pytest.raises(InputError, match="no prepared set"):
        prepare("digits", tmp_path / "pets", overwrite=True)


def test_what_was_prepared_otherwise_is_refused(tmp_path):
    prepare(folder_of(tmp_path / "pets"), tmp_path / "packed")
    assert load_images(tmp_path / "packed", size=6).shape == (3, 6, 6)
    with pytest.raises(InputError, match="prepare it again with --size 4"):
        load_images(tmp_path / "packed", size=4)
    with pytest.raises(InputError, match="prepare it again with --binarize"):
        load_images(tmp_path / "packed", binarize=0.5)


@pytest.mark.parametrize("file", ["train.npy", "held_out.npy", "train-labels.npy"])
def test_files_cut_short_are_refused(tmp_path, file):
    prepare(folder_of(tmp_path / "pets"), tmp_path / "packed")
    path = tmp_path / "packed" / file
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="prepare it again"):
        load_split(tmp_path / "packed")


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"parts": {}}, {"parts": {"train": [1], "held_out": [2]}}, {"levels": None}],
)
def test_a_manifest_that_does_not_fit(tmp_path, change):
    prepare(folder_of(tmp_path / "pets"), tmp_path / "packed")
    file = tmp_path / "packed" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match="prepare it again"):
        load_split(tmp_path / "packed")


# Binarised images


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_binarize_puts_the_threshold_at_a_share_of_the_brightest(tmp_path, share):
    path = archive(tmp_path / "a.npz", images=PIXELS[..., 0])
    images = load_images(path, binarize=share)
    assert images.levels == 2
    assert np.array_equal(images.pixels, PIXELS[:, None, ..., 0] > 255 * share)
    digits = load_images("digits", binarize=share)
    assert np.array_equal(digits.pixels, load_images("digits").pixels > 16 * share)


def test_images_are_resized_before_they_are_binarised(tmp_path):
    path = archive(tmp_path / "a.npz", images=PIXELS[..., 0])
    means = load_images(path, size=3).pixels
    assert np.array_equal(load_images(path, size=3, binarize=0.5).pixels, means > 127)


@pytest.mark.parametrize("source", ["folder", "archive"])
def test_colours_become_grey_before_they_are_binarised(tmp_path, source):
    pure = np.zeros((30, 6, 6, 3), np.uint8)
    pure[np.arange(30), :, :, np.arange(30) % 3] = 255  # red, green and blue
    pure[:, 0] = PIXELS[:, 0]
    greys = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in pure])
    if source == "folder":
        path = folder_of(tmp_path / "pets", pure)
        greys = np.concatenate([greys[0::2], greys[1::2]])  # even before odd
    else:
        path = archive(tmp_path / "a.npz", images=pure)
    images = load_images(path, binarize=0.5)
    assert images.shape == (1, 6, 6)
    # Pillow rounds fixed-point sums; nothing here lies within a level of the threshold but by it.
    clear = np.abs(greys.astype(int) - 127.5) > 1
    assert np.array_equal(images.pixels[:, 0][clear], (greys > 127)[clear])
    same(prepare(path, tmp_path / "packed", Reading(binarize=0.5)), load_split(path, binarize=0.5))


def test_colours_of_two_levels_become_black_or_white(tmp_path):
    colours = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]] * 2)
    path = archive(
        tmp_path / "a.npz", images=colours.astype(bool).reshape(12, 1, 1, 3).repeat(4, 1)
    )
    images = load_images(path, binarize=0.5)
    assert images.pixels[:6, 0, 0, 0].tolist() == [0, 0, 1, 1, 0, 1]  # 0.299, 0.587 and 0.114


def test_binarised_images_stay_as_they_are(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (9, 4, 4)).astype(bool)
    path = archive(tmp_path / "a.npz", images=bits)
    assert np.array_equal(load_images(path, binarize=0.9).pixels, bits[:, None])


@pytest.mark.parametrize("share", [-0.1, 1.0, 128])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(InputError, match="--binarize"):
        load_images("digits", binarize=share)


def test_real_numbers_have_no_scale(tmp_path):
    path = archive(tmp_path / "a.npz", images=np.zeros((9, 4, 4)))
    with pytest.raises(InputError, match="no scale"):
        load_images(path, binarize=0.5)


# The command


def test_the_command_writes_what_train_opens(tmp_path, capsys):
    source = folder_of(tmp_path / "pets")
    arguments = [str(source), "--out", str(tmp_path / "packed"), "--size", "4"]
    assert main(["prepare", *arguments]) == 0
    shown = capsys.readouterr()
    assert "24 images 3x4x4 of pets and 6 held out, 256 grey levels, 2 classes" in shown.out
    same(load_split(tmp_path / "packed"), load_split(source, size=4))
    capsys.readouterr()
    assert main(["prepare", *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: --out ")
    assert main(["prepare", *arguments, "--overwrite"]) == 0


def spoil(folder: Path) -> list[Path]:
    """A file cut short, one of another size and one that is no image, among 30."""
    files = sorted(folder.rglob("*.png"))
    files[3].write_bytes(files[3].read_bytes()[:50])
    Image.fromarray(PIXELS[7][:4]).save(files[7])
    files[20].write_bytes(b"nothing")
    return [files[i] for i in (3, 7, 20)]


def test_bad_images_are_named_and_left_out(tmp_path, capsys):
    source = folder_of(tmp_path / "pets")
    whole = load_images(source)
    bad = spoil(source)
    files = sorted(source.rglob("*.png"))
    out = tmp_path / "packed"
    assert main(["prepare", str(source), "--out", str(out), "--bad-limit", "3"]) == 0
    captured = capsys.readouterr()
    assert "3 bad records skipped" in captured.out
    assert all(str(file) in captured.err for file in bad)
    assert json.loads((out / "manifest.json").read_text())["prepared"]["bad"] == 3
    found = load_split(out)
    kept = [i for i, file in enumerate(files) if file not in bad]
    assert sum(len(part) for part in found) == 27
    pairs = {
        (image.tobytes(), int(label))
        for part in found for image, label in zip(part.pixels, part.labels, strict=True)
    }  # fmt: skip
    assert pairs == {(whole.pixels[i].tobytes(), int(whole.labels[i])) for i in kept}


def test_too_many_bad_images_are_an_error_and_leave_nothing(tmp_path, capsys):
    source = folder_of(tmp_path / "pets")
    bad = spoil(source)
    argv = ["prepare", str(source), "--out", str(tmp_path / "packed")]
    assert main([*argv, "--bad-limit", "2"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert str(bad[2]) in last
    assert "3 bad records are more than --bad-limit 2" in last
    assert main(argv) == 2
    assert str(bad[0]) in capsys.readouterr().err
    assert main([*argv, "--bad-limit", "-1"]) == 2
    assert "--bad-limit -1" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["pets"]


def test_bad_images_of_both_parts_are_counted_together(tmp_path, capsys):
    for part in ("train", "test"):
        folder_of(tmp_path / "pets" / part, PIXELS[: 30 if part == "train" else 12])
        file = sorted((tmp_path / "pets" / part).rglob("*.png"))[0]
        file.write_bytes(b"nothing")
    argv = ["prepare", str(tmp_path / "pets"), "--out", str(tmp_path / "packed")]
    assert main([*argv, "--bad-limit", "1"]) == 2
    assert "2 bad records are more" in capsys.readouterr().err
    assert main([*argv, "--bad-limit", "2"]) == 0
    assert [len(part) for part in load_split(tmp_path / "packed")] == [29, 11]
