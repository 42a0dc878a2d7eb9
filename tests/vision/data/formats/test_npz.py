"""Archives of numpy.savez: keys, shapes, types, and what is refused."""

import re
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from infonoise_vision.data.formats.decode import crop_square
from infonoise_vision.data.images import load_images, load_split

from ..image_files import noise, npz, refused


def test_real_arrays_are_resized_as_real_numbers(tmp_path):
    real = np.random.default_rng(0).normal(size=(9, 2, 8, 8)).astype(np.float32)
    images = load_images(npz(tmp_path / "a.npz", images=real), size=4)
    means = real.reshape(9, 2, 4, 2, 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(images.pixels, means, atol=1e-6)  # float32 sums of four


@pytest.mark.parametrize("size", [3, 5, 8, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_arrays_are_resized_as_single_images_are(tmp_path, size, dtype):
    pixels = noise(9, 8, 11).astype(dtype)
    pixels = pixels if dtype == np.uint8 else pixels / 127.5 - 1
    images = load_images(npz(tmp_path / "a.npz", images=pixels), size=size)
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in pixels]
    single = np.stack([np.asarray(crop_square(plane, size)) for plane in planes])[:, None]
    single = single.clip(pixels.min(), pixels.max())
    # Both in float32, summed in another order: halves may be rounded either way.
    assert np.abs(images.pixels - single).max() <= (0.5 + 1e-4 if dtype == np.uint8 else 1e-5)


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
    real = np.random.default_rng(0).normal(size=(9, 4, 8, 8)).clip(-4, 4).astype(dtype)
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


@pytest.mark.parametrize("parts", [("train",), ("train", "val"), ("train", "val", "test")])
def test_the_parts_of_medmnist(tmp_path, parts, capsys):
    stored, sizes = {}, {"train": 16, "val": 9, "test": 10}
    for i, part in enumerate(parts):
        stored[f"{part}_images"] = noise(sizes[part], 6, 6, 3, seed=i)
        stored[f"{part}_labels"] = np.arange(sizes[part])[:, None] % 3
    train, held_out = load_split(npz(tmp_path / "set.npz", **stored))
    said = capsys.readouterr().err
    if len(parts) == 1:
        assert len(train) + len(held_out) == 16
    else:
        assert np.array_equal(train.pixels, stored["train_images"].transpose(0, 3, 1, 2))
        last = stored[f"{parts[-1]}_images"]
        assert np.array_equal(held_out.pixels, last.transpose(0, 3, 1, 2))
    assert train.classes == ("0", "1", "2")
    assert ("holds test_images out; val_images are left out" in said) == (len(parts) == 3)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_labels_may_be_one_hot(tmp_path, dtype):
    wanted = np.arange(12) % 4
    path = npz(tmp_path / "a.npz", images=noise(12, 5, 5), labels=np.eye(4)[wanted].astype(dtype))
    images = load_images(path)
    assert images.labels.tolist() == wanted.tolist()
    assert images.classes == ("0", "1", "2", "3")


def test_several_labels_of_one_image_are_refused(tmp_path):
    several = np.eye(4)[np.arange(12) % 4]
    several[3, :2] = 1
    path = npz(tmp_path / "a.npz", images=noise(12, 5, 5), labels=several)
    refused(path, r"shape \(12, 4\) for 12 images; store one label per image")


@pytest.mark.parametrize("key", ["label", "targets", "Y", "Labels"])
@pytest.mark.parametrize("images", ["image", "X", "Images"])
def test_keys_that_others_use(tmp_path, images, key):
    stored = {images: noise(9, 4, 4), key: np.arange(9) % 3}
    assert load_images(npz(tmp_path / "a.npz", **stored)).labels.tolist() == [0, 1, 2] * 3


def test_parts_in_capital_letters(tmp_path):
    stored = {"X_train": noise(12, 4, 4), "y_train": np.arange(12) % 3}
    stored |= {"X_test": noise(9, 4, 4, seed=1), "y_test": np.arange(9) % 3}
    train, test = load_split(npz(tmp_path / "a.npz", **stored))
    assert (len(train), test.labels.tolist()) == (12, [0, 1, 2] * 3)


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(9) % 3,
        (np.arange(9) % 3)[:, None],
        np.eye(3)[np.arange(9) % 3],
        (np.arange(9) % 3).astype(np.float64),
    ],
)
def test_labels_behind_the_images_of_guided_diffusion(tmp_path, labels):
    images = load_images(npz(tmp_path / "a.npz", arr_0=noise(9, 4, 4, 3), arr_1=labels))
    assert images.labels.tolist() == [0, 1, 2] * 3


def test_labels_may_be_bytes(tmp_path):
    path = npz(tmp_path / "a.npz", images=noise(9, 4, 4), labels=np.array([b"a", b"b", b"c"] * 3))
    assert load_images(path).classes == ("a", "b", "c")


def test_arrays_that_are_not_used_are_named(tmp_path, capsys):
    path = npz(tmp_path / "a.npz", images=noise(9, 4, 4), ids=np.arange(9), mean=np.zeros(3))
    load_images(path)
    assert capsys.readouterr().err == f"note: {path}: ids not used\n"


@pytest.mark.parametrize("channels", [6, 16, 32])
def test_latents_of_many_channels_are_squares(tmp_path, channels):
    latents = np.random.default_rng(0).uniform(-1, 1, (9, channels, 8, 8)).astype(np.float32)
    for stored in (latents, latents.transpose(0, 2, 3, 1)):
        images = load_images(npz(tmp_path / "a.npz", images=stored))
        assert np.array_equal(images.pixels, latents)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((32, 32, 3, 12), "move the last axis first"), ((28, 32, 3), r"make images\[None\]")],
)
def test_images_that_are_counted_last_and_one_alone_are_refused(tmp_path, shape, words):
    refused(npz(tmp_path / "a.npz", images=noise(*shape)), words)
