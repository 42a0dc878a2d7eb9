"""One array of numpy.save, and files of other programs that are given in place of a set."""

import numpy as np
import pytest

from infonoise_vision.data.images import load_images

from ..image_files import noise, refused


def stored(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize("shape", [(9, 5, 4), (9, 3, 8, 8), (9, 8, 8, 3)])
def test_a_bare_array_is_as_an_archive_of_it(tmp_path, shape):
    pixels = noise(*shape)
    np.savez(tmp_path / "set.npz", images=pixels)
    ours, theirs = (
        load_images(path) for path in (stored(tmp_path / "set.npy", pixels), tmp_path / "set.npz")
    )
    assert ours.name == theirs.name == "set"
    assert ours.levels == theirs.levels == 256
    assert ours.labels is None
    assert np.array_equal(ours.pixels, theirs.pixels)


def test_real_numbers_and_truth_values(tmp_path, capsys):
    real = noise(9, 8, 8) / 127.5 - 1
    assert load_images(stored(tmp_path / "a.npy", real)).levels is None
    assert "a.npy: real numbers from -1 to" in capsys.readouterr().err
    assert load_images(stored(tmp_path / "a.npy", real > 0)).levels == 2


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([{"a": 1}, None], object), "no array of numbers; write one with numpy.save"),
        (noise(16, 16, 3), "of one image make"),
        (noise(9), "reshape it to"),
        (np.full((9, 8, 8), 1000), "grey levels run from 0 to 255"),
        (np.full((9, 8, 8), np.nan), "9 images hold NaN"),
        (np.zeros((0, 8, 8), np.uint8), "so no pixels"),
    ],
)
def test_arrays_that_are_no_images(tmp_path, array, words):
    refused(stored(tmp_path / "a.npy", array), words)


def test_a_cut_or_foreign_file_is_refused_before_memory_is_taken(tmp_path):
    path = stored(tmp_path / "a.npy", noise(9, 8, 8))
    path.write_bytes(path.read_bytes()[:-10])
    refused(path, "a.npy: declares .* damaged or cut short")
    path.write_bytes(b"text")
    refused(path, "no array of numbers")
    np.savez(tmp_path / "b.npz", images=noise(9, 8, 8))
    (tmp_path / "b.npz").rename(path)
    refused(path, r"is an archive of arrays; call it \.npz")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.mp4", "such as with ffmpeg"),
        ("a.h5", "write its pictures as images, or with numpy.savez"),
        ("a.rar", "unpack it"),
        ("a.heic", "convert HEIC"),
        ("a.png", "one image is no set; give a folder"),
        ("a.GIF", "or an array of its frames"),
        ("a.doc", "give a folder of images"),
    ],
)
def test_files_of_other_kinds_say_what_to_do(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"x")
    refused(tmp_path / name, f"not a kind of file read here; .*{words}")
