"""Reading images: what each source gives, round trips, the split, and one-line errors."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_vision.data import MIN_IMAGES, ImageSet, load_images, to_bytes
from infonoise_vision.files import crop_square, decode

REPOSITORY = Path(__file__).parents[2]
KODAK = REPOSITORY.parent / "shared" / "data" / "vision" / "kodak"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, array: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def folder_of(folder: Path, images: np.ndarray, suffix: str = ".png") -> Path:
    for i, image in enumerate(images):
        save(folder / f"{i:03}{suffix}", image)
    return folder


def npz(path: Path, **contents) -> Path:
    np.savez(path, **contents)
    return path


def refused(source, match: str, **options) -> str:
    """The message of the InputError that `source` meets; it names the source in one line."""
    with pytest.raises(InputError, match=match) as caught:
        load_images(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


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


@pytest.mark.parametrize("share", [0, 1, -0.5, 3, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(InputError, match="held_out"):
        load_images(limit=20).split(share)


def test_images_that_are_all_the_same_cannot_be_split():
    with pytest.raises(InputError, match="all 9 images are the same"):
        ImageSet("same", np.zeros((9, 1, 2, 2), np.uint8), 256).split()


# Folders


def test_a_flat_folder_of_colour_images(tmp_path):
    pixels = noise(10, 6, 5, 3)
    calls = []
    images = load_images(
        folder_of(tmp_path / "pets", pixels),
        progress=lambda done, total: calls.append((done, total)),
    )
    assert images.name == "pets"
    assert np.array_equal(images.pixels, pixels.transpose(0, 3, 1, 2))
    assert images.levels == 256
    assert images.labels is None
    assert images.classes == ()
    assert calls == [(i, 10) for i in range(1, 11)]


def test_grey_is_one_channel_whatever_the_file_calls_it(tmp_path):
    grey = noise(12, 4, 4)
    for i, image in enumerate(grey):
        save(tmp_path / f"{i:02}.png", image if i % 2 else np.stack([image] * 3, axis=-1))
    assert np.array_equal(load_images(tmp_path).pixels, grey[:, None])


def test_one_coloured_image_makes_all_three_channelled(tmp_path):
    folder_of(tmp_path, noise(8, 4, 4))
    colour = noise(4, 4, 3, seed=1)
    save(tmp_path / "005.png", colour)
    pixels = load_images(tmp_path).pixels
    assert pixels.shape == (8, 3, 4, 4)
    assert np.array_equal(pixels[5], colour.transpose(2, 0, 1))
    assert np.array_equal(pixels[7], np.stack([noise(8, 4, 4)[7]] * 3))


def test_first_level_subfolders_are_the_classes(tmp_path):
    names = ["cat", "dog", "cat/small", "emu/a/b"]
    for i in range(12):
        save(tmp_path / names[i % 4] / f"{i:02}.png", noise(4, 4, seed=i))
    images = load_images(tmp_path)
    assert images.classes == ("cat", "dog", "emu")
    assert np.bincount(images.labels).tolist() == [6, 3, 3]
    for label, pixels in zip(images.labels, images.pixels, strict=True):
        i = next(i for i in range(12) if np.array_equal(pixels[0], noise(4, 4, seed=i)))
        assert names[i % 4].startswith(images.classes[label])
    # Four of each twelve: a limit thins all classes alike.
    assert np.bincount(load_images(tmp_path, limit=8).labels).tolist() == [4, 2, 2]


def test_one_image_outside_the_subfolders_means_no_classes(tmp_path):
    folder_of(tmp_path / "a", noise(5, 4, 4))
    folder_of(tmp_path / "b", noise(5, 4, 4, seed=1))
    assert load_images(tmp_path).classes == ("a", "b")
    save(tmp_path / "stray.png", noise(4, 4))
    assert load_images(tmp_path).labels is None


def test_a_single_subfolder_is_no_class(tmp_path):
    folder_of(tmp_path / "images", noise(8, 4, 4))
    assert load_images(tmp_path).labels is None


def test_hidden_files_are_left_out_and_links_do_not_loop(tmp_path):
    folder_of(tmp_path / "a", noise(8, 4, 4))
    (tmp_path / "a" / "._000.png").write_bytes(b"left by an archive")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "000.png").write_bytes(b"left by an archive")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)
    assert len(load_images(tmp_path)) == 8


def test_files_are_read_in_sorted_order_in_many_formats(tmp_path):
    pixels = noise(9, 4, 4, 3)
    suffixes = [".png", ".BMP", ".tiff", ".webp", ".ppm", ".png", ".tif", ".bmp", ".png"]
    for i, (image, suffix) in enumerate(zip(pixels, suffixes, strict=True)):
        options = {"lossless": True} if suffix == ".webp" else {}
        save(tmp_path / f"{9 - i}{suffix}", image, **options)
    assert np.array_equal(load_images(tmp_path).pixels, pixels[::-1].transpose(0, 3, 1, 2))


@pytest.mark.parametrize("two", [(0, 255), (0, 1)])
def test_images_of_two_greys_are_binarised(tmp_path, two):
    bits = np.random.default_rng(0).integers(0, 2, (9, 4, 4)).astype(np.uint8)
    images = load_images(folder_of(tmp_path, np.array(two, np.uint8)[bits]))
    assert images.levels == 2
    assert np.array_equal(images.pixels, bits[:, None])


def test_a_third_grey_anywhere_makes_bytes(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (9, 4, 4)).astype(np.uint8) * 255
    bits[-1, -1, -1] = 254
    images = load_images(folder_of(tmp_path, bits))
    assert images.levels == 256
    assert np.array_equal(images.pixels, bits[:, None])


def test_white_images_are_bytes(tmp_path):
    assert load_images(folder_of(tmp_path, np.full((9, 4, 4), 255, np.uint8))).levels == 256


# One file


def test_one_bit_images_are_black_and_white(tmp_path):
    bits = np.eye(6, dtype=bool)
    assert np.array_equal(decode(save(tmp_path / "a.png", bits), None), bits[None] * 255)


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., :3] = [200, 100, 0]
    rgba[0, :, 3] = [0, 255, 51]
    colour = decode(save(tmp_path / "a.png", rgba), None)
    assert colour[:, 0, 0].tolist() == [255, 255, 255]
    assert colour[:, 0, 1].tolist() == [200, 100, 0]
    # 51 / 255 = a fifth of the colour, four fifths of white; Pillow rounds within 1.
    assert np.abs(colour[:, 0, 2].astype(int) - [244, 224, 204]).max() <= 1
    grey_alpha = np.zeros((2, 2, 2), np.uint8)
    assert decode(save(tmp_path / "b.png", grey_alpha), None).tolist() == [[[255, 255], [255, 255]]]


def test_palettes_become_colours(tmp_path):
    colours = np.array([[255, 0, 0], [0, 128, 0], [9, 8, 7]], np.uint8)
    indices = np.array([[0, 1], [2, 0]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(colours.ravel().tolist())
    image.save(tmp_path / "a.png")
    expected = colours[indices].transpose(2, 0, 1)
    assert np.array_equal(decode(tmp_path / "a.png", None), expected)
    image.save(tmp_path / "b.png", transparency=1)
    seen = decode(tmp_path / "b.png", None)
    assert seen[:, 0, 1].tolist() == [255, 255, 255]
    assert np.array_equal(seen[:, 1], expected[:, 1])


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert decode(tmp_path / "a.tif", None)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_grey_keeps_its_high_byte(tmp_path, suffix):
    values = np.array([[0, 255, 256], [32768, 65280, 65535]], np.uint16)
    path = save(tmp_path / f"a{suffix}", values)
    assert decode(path, None).tolist() == [[[0, 0, 1], [128, 255, 255]]]


def test_the_orientation_tag_is_obeyed(tmp_path):
    pixels = noise(4, 6)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # turn clockwise to show
    image.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(decode(tmp_path / "a.png", None)[0], np.rot90(pixels, -1))


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_animations_are_refused(tmp_path, suffix):
    folder_of(tmp_path, noise(8, 4, 4))
    frames = [Image.fromarray(frame) for frame in noise(3, 4, 4, 3)]
    path = tmp_path / f"moving{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert str(path) in refused(tmp_path, "3 frames")


def test_photographs_with_a_second_picture_are_read(tmp_path):
    pixels = [np.full((8, 8, 3), grey, np.uint8) for grey in (100, 200)]
    first, second = (Image.fromarray(p) for p in pixels)
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert np.abs(decode(tmp_path / "a.jpg", None).astype(int) - 100).max() <= 1


# Crop and resize


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 13), (13, 8), (9, 8)])
def test_the_centred_square_is_cut_out(tmp_path, height, width):
    pixels = noise(height, width, 3)
    top, left = (height - 8) // 2, (width - 8) // 2
    expected = pixels[top : top + 8, left : left + 8].transpose(2, 0, 1)
    assert np.array_equal(decode(save(tmp_path / "a.png", pixels), 8), expected)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_smaller_means_the_mean_of_each_cell(factor):
    pixels = noise(6 * factor, 6 * factor)
    small = np.asarray(crop_square(Image.fromarray(pixels), 6))
    cells = pixels.reshape(6, factor, 6, factor).mean(axis=(1, 3))
    # Pillow averages rows, rounds, then averages columns and rounds: half a level each.
    assert np.abs(small - cells).max() <= 1.0


def test_enlarging_keeps_a_constant_image():
    image = Image.new("RGB", (5, 7), (10, 200, 30))
    assert np.array_equal(np.asarray(crop_square(image, 16)), np.full((16, 16, 3), [10, 200, 30]))


def test_a_large_jpeg_is_decoded_at_reduced_scale_without_harm(tmp_path):
    ramp = np.linspace(0, 255, 512)
    photograph = np.stack([np.add.outer(ramp, ramp) / 2] * 3, axis=-1).astype(np.uint8)
    small = decode(save(tmp_path / "a.jpg", photograph, quality=95), 8)[0]
    cells = photograph[..., 0].reshape(8, 64, 8, 64).mean(axis=(1, 3))
    # A smooth ramp survives JPEG within a level, and the two averages round once each.
    assert np.abs(small - cells).max() <= 2


def test_a_jpeg_keeps_the_detail_that_the_size_asks_for(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, np.arange(256) // 4 % 2 == 1] = 255
    small = decode(save(tmp_path / "a.jpg", stripes, quality=95), 64)[0]
    # Quality 95 moves a stripe by a few levels; decoded at 1/8 the stripes would all be grey.
    assert small[:, 0::2].max() < 10
    assert small[:, 1::2].min() > 245


def test_size_brings_different_images_together(tmp_path):
    shapes = [(8, 8), (9, 12), (20, 16), (4, 4)] * 2
    for i, shape in enumerate(shapes):
        save(tmp_path / f"{i}.png", noise(*shape, 3, seed=i))
    assert load_images(tmp_path, size=6).shape == (3, 6, 6)


def test_real_arrays_are_resized_as_real_numbers(tmp_path):
    real = np.random.default_rng(0).normal(size=(9, 2, 8, 8)).astype(np.float32)
    images = load_images(npz(tmp_path / "a.npz", images=real), size=4)
    means = real.reshape(9, 2, 4, 2, 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(images.pixels, means, atol=1e-6)  # float32 sums of four


@pytest.mark.data
@pytest.mark.skipif(not KODAK.is_dir(), reason="no Kodak photographs in ../shared/data")
def test_photographs():
    images = load_images(KODAK, size=32, limit=8)
    assert images.shape == (3, 32, 32)
    assert images.levels == 256
    assert len(np.unique(images.pixels)) > 200


# Archives


@pytest.mark.parametrize("key", ["images", "x", "data", "arr_0", "x_train", "faces"])
def test_the_key_of_the_images(tmp_path, key):
    pixels = noise(9, 5, 4)
    images = load_images(npz(tmp_path / "set.npz", **{key: pixels}))
    assert images.name == "set"
    assert images.levels == 256
    assert images.labels is None
    assert np.array_equal(images.pixels, pixels[:, None])


def test_a_known_key_goes_before_others(tmp_path):
    pixels = noise(9, 4, 4)
    path = npz(tmp_path / "a.npz", other=noise(3), images=pixels, labels=np.arange(9))
    assert np.array_equal(load_images(path).pixels, pixels[:, None])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_channels_may_come_first_or_last(tmp_path, channels):
    pixels = noise(9, channels, 8, 9)
    for stored in (pixels, pixels.transpose(0, 2, 3, 1)):
        read = load_images(npz(tmp_path / "a.npz", images=stored))
        assert read.shape == (channels, 8, 9)
        assert np.array_equal(read.pixels, pixels)
        assert read.pixels.flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_real_values_are_used_as_they_are(tmp_path, dtype):
    real = np.random.default_rng(0).normal(size=(9, 4, 8, 8)).astype(dtype) * 30
    images = load_images(npz(tmp_path / "a.npz", images=real))
    assert images.levels is None
    assert np.array_equal(images.x0(slice(None)).numpy(), real.astype(np.float32))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_bits_are_two_levels(tmp_path, dtype):
    bits = np.random.default_rng(0).integers(0, 2, (9, 4, 4)).astype(dtype)
    images = load_images(npz(tmp_path / "a.npz", images=bits))
    assert images.levels == 2
    assert np.array_equal(images.pixels, bits[:, None])
    assert sorted(images.x0(slice(None)).unique().tolist()) == [-1, 1]


def test_levels_can_be_stored(tmp_path):
    digits = load_images(limit=30)
    labels = np.array(digits.classes)[digits.labels]
    path = npz(tmp_path / "a.npz", images=digits.pixels, levels=17, labels=labels)
    read = load_images(path)
    assert read.levels == 17
    assert np.array_equal(read.pixels, digits.pixels)
    assert torch.equal(read.x0(slice(None)), digits.x0(slice(None)))
    assert [read.classes[i] for i in read.labels] == labels.tolist()


@pytest.mark.parametrize("key", ["labels", "y", "y_train"])
def test_labels_become_class_indices(tmp_path, key):
    stored = np.array([7, 3, 3, 10, 7, 3, 10, 10, 7])
    path = npz(tmp_path / "a.npz", images=noise(9, 4, 4), **{key: stored[:, None]})
    images = load_images(path)
    assert images.classes == ("3", "7", "10")
    assert images.labels.tolist() == [1, 0, 0, 2, 1, 0, 2, 2, 1]
    assert load_images(path, limit=8).labels.tolist() == [1, 0, 0, 2, 1, 0, 2, 2]


# Errors: one line with the file or key at fault and the mend


def test_a_source_that_does_not_exist(tmp_path):
    assert "'digits'" in refused("digts", "^digts: not found")
    assert str(tmp_path / "nowhere") in refused(tmp_path / "nowhere", "not found")


def test_a_file_of_another_kind(tmp_path):
    path = save(tmp_path / "one.png", noise(4, 4))
    assert str(path) in refused(path, "give a folder of images")


def test_an_empty_folder(tmp_path):
    assert str(tmp_path) in refused(tmp_path, "is empty; give a folder")


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "b.txt").write_text("words")
    assert ".png" in refused(tmp_path, "holds 2 files but no image")


def test_too_few_images(tmp_path):
    folder_of(tmp_path / "few", noise(MIN_IMAGES - 1, 4, 4))
    assert "at least 8" in refused(tmp_path / "few", "holds 7 images")
    path = npz(tmp_path / "few.npz", images=noise(7, 4, 4))
    assert str(path) in refused(path, "holds 7 images")


@pytest.mark.parametrize("options", [{"limit": 7}, {"limit": 0}, {"size": 0}, {"size": -3}])
def test_numbers_that_make_no_sense(options):
    refused(None, f"--{next(iter(options))} ", **options)


def test_images_of_two_sizes(tmp_path):
    folder_of(tmp_path, noise(8, 4, 4))
    save(tmp_path / "odd.png", noise(5, 6))
    message = refused(tmp_path, "--size N")
    assert f"{tmp_path / '000.png'} is 4x4" in message
    assert f"{tmp_path / 'odd.png'} is 6x5" in message


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".bmp", ".tif", ".ppm"])
@pytest.mark.parametrize("kept", [0, 2, 40, 200])
# Pillow warns of a TIFF whose directory is cut off, before it fails.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_damaged_image_is_named(tmp_path, suffix, kept):
    folder_of(tmp_path, noise(8, 32, 32, 3))
    path = save(tmp_path / f"damaged{suffix}", noise(32, 32, 3))
    path.write_bytes(path.read_bytes()[:kept])
    assert str(path) in refused(tmp_path, "cannot be read")


def test_an_image_of_real_numbers(tmp_path):
    folder_of(tmp_path, noise(8, 4, 4))
    path = save(tmp_path / "deep.tif", np.zeros((4, 4), np.float32))
    assert str(path) in refused(tmp_path, "real numbers.*npz")


def test_an_image_of_32_bit_numbers(tmp_path):
    folder_of(tmp_path, noise(8, 4, 4))
    path = save(tmp_path / "deep.tif", np.full((4, 4), 70000, np.int32))
    assert str(path) in refused(tmp_path, "outside 0..65535")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04 pickled", b"PK\x03\x04 cut off"])
def test_what_is_no_archive(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert str(path) in refused(path, "not an .npz archive")


def test_a_bare_array_is_no_archive(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, noise(9, 4, 4))
    refused(tmp_path / "a.npz", "one bare array.*savez")


def test_python_objects_are_never_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return (sys.exit, (7,))

    ragged = np.empty(9, object)
    ragged[:] = [Trap() for _ in range(9)]
    refused(npz(tmp_path / "a.npz", images=ragged), "array 'images'.*Python objects")
    path = npz(tmp_path / "b.npz", images=noise(9, 4, 4), labels=ragged)
    refused(path, "array 'labels'.*Python objects")


def test_a_damaged_archive(tmp_path):
    path = npz(tmp_path / "a.npz", images=noise(9, 64, 64))
    content = bytearray(path.read_bytes())
    content[2000] ^= 255  # within the array: its checksum no longer fits
    path.write_bytes(content)
    refused(path, "array 'images': damaged")


def test_a_member_that_is_no_array(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", "words")
    refused(path, "'images' is no array")


def test_an_archive_without_images_or_with_several(tmp_path):
    refused(npz(tmp_path / "a.npz", labels=np.arange(9)), "holds no images; store")
    refused(npz(tmp_path / "b.npz", p=noise(9, 4, 4), q=noise(9, 4, 4)), "holds p, q; store")


@pytest.mark.parametrize("shape", [(9,), (9, 64), (9, 4, 4, 4), (9, 3, 8, 3), (9, 1, 2, 8, 8)])
def test_shapes_that_are_no_images(tmp_path, shape):
    message = refused(npz(tmp_path / "a.npz", images=noise(*shape)), "array 'images': has shape")
    assert str(shape) in message


@pytest.mark.parametrize("shape", [(0, 8, 8), (9, 0, 8)])
def test_arrays_without_pixels(tmp_path, shape):
    refused(npz(tmp_path / "a.npz", images=noise(*shape)), "no pixels")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_the_first_bad_value_is_named(tmp_path, bad):
    real = np.zeros((12, 3, 4, 5))
    real[7, 1, 2, 3] = real[9, 0, 0, 0] = bad
    refused(npz(tmp_path / "a.npz", x=real), "array 'x': 2 images .* first at index 7;")


@pytest.mark.parametrize(("low", "high"), [(-1, 255), (0, 256), (0, 4095)])
def test_whole_numbers_beyond_a_byte(tmp_path, low, high):
    pixels = np.full((9, 4, 4), low, np.int32)
    pixels[3, 3, 3] = high
    refused(npz(tmp_path / "a.npz", images=pixels), re.escape(f"values {low}..{high}, but"))


def test_pixels_beyond_the_stored_levels(tmp_path):
    path = npz(tmp_path / "a.npz", images=np.full((9, 4, 4), 17, np.uint8), levels=17)
    refused(path, "run from 0 to 16")


@pytest.mark.parametrize("levels", [1, 257, 16.5, [3, 4], "many"])
def test_levels_that_make_no_sense(tmp_path, levels):
    refused(npz(tmp_path / "a.npz", images=noise(9, 4, 4), levels=levels), "array 'levels'")


@pytest.mark.parametrize("dtype", [np.complex64, "U3", "datetime64[s]"])
def test_types_that_are_no_numbers(tmp_path, dtype):
    refused(npz(tmp_path / "a.npz", images=np.zeros((9, 4, 4), dtype)), "has type")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(8), r"shape \(8,\) for 9 images"),
        (np.eye(9), r"shape \(9, 9\) for 9 images"),
        (np.linspace(0, 1, 9), "type float64"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, labels, message):
    path = npz(tmp_path / "a.npz", images=noise(9, 4, 4), y=labels)
    refused(path, f"array 'y': has {message}")


def test_importing_the_module_loads_neither_pillow_nor_scikit_learn():
    code = (
        "import sys, infonoise_vision.data; "
        "print([name for name in ('PIL', 'sklearn') if name in sys.modules])"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert answer.stdout.strip() == "[]", answer.stderr
