"""Image sets: digits, x0 and back, the split, options, and one-line errors."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from infonoise_core.errors import InputError
from infonoise_vision.data.images import ImageSet, load_images, to_bytes
from infonoise_vision.data.options import MIN_IMAGES

from .image_files import folder_of, noise, npz, refused, save

# Digits


def test_digits_are_the_default():
    for images in (load_images(), load_images("digits")):
        assert images.name == "digits"
        assert len(images) == 1797
        assert images.shape == (1, 8, 8)
        assert images.dim == 64
        assert images.levels == 17
        assert images.classes == tuple("0123456789")
        assert images.labels.dtype == np.int64
        assert np.bincount(images.labels).min() == 174  # from the data set's description
    x0 = images.x0(slice(None))
    assert x0.dtype == torch.float32
    assert x0.min() == -1
    assert x0.max() == 1
    assert len(x0.unique()) == 17


def test_a_limit_keeps_images_spread_over_the_source():
    images = load_images(limit=100)
    assert len(images) == 100
    everything = load_images()
    rows = np.arange(100) * 1797 // 100
    assert np.array_equal(images.pixels, everything.pixels[rows])
    assert np.array_equal(images.labels, everything.labels[rows])
    assert len(load_images(limit=10**6)) == 1797


def test_digits_can_be_resized():
    images = load_images(size=4, limit=50)
    assert images.shape == (1, 4, 4)
    blocks = load_images(limit=50).pixels.reshape(50, 1, 4, 2, 4, 2).mean(axis=(3, 5))
    # Means of four whole numbers, rounded to the nearest; halves may go either way.
    assert np.abs(images.pixels - blocks).max() <= 0.5
    larger = load_images(size=24, limit=50)
    assert larger.pixels.max() <= 16
    assert larger.x0(slice(None)).abs().max() <= 1


# x0 and back


@given(st.integers(2, 256), st.data())
def test_to_bytes_undoes_x0(levels, data):
    pixels = data.draw(
        arrays.arrays(np.uint8, (9, 2, 3, 2), elements=st.integers(0, levels - 1)), label="pixels"
    )
    x0 = ImageSet("drawn", pixels, levels).x0(slice(None))
    assert x0.abs().max() <= 1
    shown = to_bytes(x0, levels)
    assert shown.dtype == np.uint8
    assert shown.shape == (9, 3, 2, 2)
    # Spreading over 0..255 keeps levels apart, so the level can be read off the byte.
    back = np.rint(shown.astype(float) * (levels - 1) / 255)
    assert np.array_equal(back, pixels.transpose(0, 2, 3, 1))
    if levels == 256:
        assert np.array_equal(shown, pixels.transpose(0, 2, 3, 1))
        assert np.array_equal(shown, to_bytes(x0))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_ends_of_the_scale_are_exact(levels):
    pixels = np.array([0, levels - 1], np.uint8).reshape(2, 1, 1, 1)
    x0 = ImageSet("ends", pixels, levels).x0([0, 1])
    assert x0.flatten().tolist() == [-1, 1]
    assert to_bytes(x0, levels).ravel().tolist() == [0, 255]


def test_to_bytes_clips_and_snaps():
    x0 = torch.tensor([-7.0, -0.1, 0.1, 7.0, float("inf")]).reshape(5, 1, 1, 1)
    assert to_bytes(x0, 2).ravel().tolist() == [0, 0, 255, 255, 255]
    assert to_bytes(x0).ravel().tolist() == [0, 115, 140, 255, 255]


def test_to_bytes_refuses_nan():
    with pytest.raises(ValueError, match="NaN"):
        to_bytes(torch.full((1, 1, 2, 2), float("nan")))


def test_x0_takes_every_kind_of_index():
    images = load_images(limit=20)
    expected = images.x0(slice(None))[[3, 5, 19]]
    for index in ([3, 5, 19], np.array([3, 5, 19]), torch.tensor([3, 5, -1])):
        assert torch.equal(images.x0(index), expected)
    assert torch.equal(images.x0(3), expected[:1])
    assert torch.equal(images.x0(slice(3, 6, 2)), expected[:2])
    with pytest.raises(IndexError):
        images.x0([20])


def test_x0_of_real_values_is_a_copy_of_them():
    pixels = np.linspace(-3, 5, 16, dtype=np.float32).reshape(4, 1, 2, 2)
    images = ImageSet("real", pixels, None)
    for index in (slice(None), [0, 1, 2, 3]):
        x0 = images.x0(index)
        assert np.array_equal(x0.numpy(), pixels)
        x0.zero_()
        assert images.pixels.any()


@pytest.mark.parametrize(
    ("pixels", "levels", "labels", "message"),
    [
        (noise(9, 4, 4), 256, None, "shape"),
        (noise(9, 1, 4, 4), None, None, "uint8 with levels=None"),
        (np.zeros((9, 1, 4, 4), np.float32), 2, None, "float32 with levels=2"),
        (noise(9, 1, 4, 4), 256, np.arange(8), "9 images"),
    ],
)
def test_an_image_set_that_contradicts_itself_is_refused(pixels, levels, labels, message):
    with pytest.raises(InputError, match=message):
        ImageSet("wrong", pixels, levels, labels)


# The split


def with_copies(picks: list[int], dtype: type) -> ImageSet:
    """Images drawn with repetition from a few; the label is the image's place in the set."""
    originals = np.stack([np.full((1, 2, 2), i - 1) for i in range(max(picks) + 1)]).astype(dtype)
    pixels = originals[picks]
    if dtype == np.float32:
        pixels[::2] *= -1  # minus zero is zero's copy
        pixels[::2] = np.where(pixels[::2] == 0, pixels[::2], -pixels[::2])
    levels = None if dtype == np.float32 else 256
    return ImageSet("copies", pixels, levels, np.arange(len(picks)))


@given(
    st.lists(st.integers(0, 12), min_size=2, max_size=60).filter(lambda p: len(set(p)) > 1),
    st.floats(0.01, 0.99),
    st.integers(0, 5),
    st.sampled_from([np.uint8, np.float32]),
)
def test_a_split_is_disjoint_in_content_and_loses_nothing(picks, share, seed, dtype):
    images = with_copies(picks, dtype)
    train, held_out = images.split(share, seed)
    assert len(train) > 0
    assert len(held_out) > 0
    contents = [
        {tuple(p) for p in part.x0(slice(None)).flatten(1).tolist()} for part in (train, held_out)
    ]
    assert not contents[0] & contents[1]
    assert sorted([*train.labels, *held_out.labels]) == list(range(len(picks)))
    for part in (train, held_out):
        assert np.array_equal(part.pixels, images.pixels[part.labels])
        assert part.levels == images.levels
    target = max(1, round(share * len(picks)))
    smallest = np.bincount(picks)[np.unique(picks)].min()
    assert len(held_out) <= max(target, smallest)


@given(st.integers(8, 300), st.floats(0.05, 0.95))
@settings(max_examples=30)
def test_a_split_without_copies_has_the_asked_size(n, share):
    pixels = np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1)
    _, held_out = ImageSet("distinct", pixels, None).split(share)
    assert len(held_out) == min(max(round(share * n), 1), n - 1)


def test_a_split_is_decided_by_its_seed():
    images = load_images(limit=200)
    first, again, other = images.split(), images.split(), images.split(seed=1)
    assert np.array_equal(first[1].pixels, again[1].pixels)
    assert not np.array_equal(first[1].labels, other[1].labels)
    assert first[0].classes == images.classes


def test_images_that_are_all_the_same_cannot_be_split():
    with pytest.raises(InputError, match="all 9 images are the same"):
        ImageSet("same", np.zeros((9, 1, 2, 2), np.uint8), 256).split()


# Errors: one line with the file or key at fault and the mend


def test_a_source_that_does_not_exist(tmp_path):
    assert "'digits'" in refused("digts", "^digts: not found")
    assert str(tmp_path / "nowhere") in refused(tmp_path / "nowhere", "not found")


def test_a_file_of_another_kind(tmp_path):
    path = save(tmp_path / "one.png", noise(4, 4))
    assert str(path) in refused(path, "give a folder of images")


def test_too_few_images(tmp_path):
    folder_of(tmp_path / "few", noise(MIN_IMAGES - 1, 4, 4))
    assert "at least 8" in refused(tmp_path / "few", "holds 7 images")
    path = npz(tmp_path / "few.npz", images=noise(7, 4, 4))
    assert str(path) in refused(path, "holds 7 images")


@pytest.mark.parametrize("options", [{"limit": 7}, {"limit": 0}, {"size": 0}, {"size": -3}])
def test_numbers_that_make_no_sense(options):
    refused(None, f"--{next(iter(options))} ", **options)


def test_importing_the_module_loads_neither_pillow_nor_scikit_learn():
    code = (
        "import sys, infonoise_vision.data.images; "
        "print([name for name in ('PIL', 'sklearn') if name in sys.modules])"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert answer.stdout.strip() == "[]", answer.stderr
