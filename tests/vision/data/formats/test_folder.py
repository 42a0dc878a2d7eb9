"""Folders of image files: order, classes, grey levels."""

import numpy as np
import pytest

from infonoise_vision.data.images import load_images

from ..image_files import folder_of, noise, refused, save


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


def test_an_empty_folder(tmp_path):
    assert str(tmp_path) in refused(tmp_path, "is empty; give a folder")


def test_a_folder_without_images(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "b.txt").write_text("words")
    assert ".png" in refused(tmp_path, "holds 2 files but no image")


def test_images_of_two_sizes(tmp_path):
    folder_of(tmp_path, noise(8, 4, 4))
    save(tmp_path / "odd.png", noise(5, 6))
    message = refused(tmp_path, "--size N")
    assert f"{tmp_path / '000.png'} is 4x4" in message
    assert f"{tmp_path / 'odd.png'} is 6x5" in message


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["set.zip"], "holds set.zip and no image; give "),
        (["a.tar.xz.part", "train.zip", "test.zip"], "holds test.zip and 1 others and no image"),
        (["set.7z"], "holds set.7z and no image; unpack it$"),
    ],
)
def test_archives_in_a_folder_are_named(tmp_path, names, words):
    for name in names:
        (tmp_path / name).write_bytes(b"PK")
    refused(tmp_path, words)
