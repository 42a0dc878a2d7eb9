"""One image file: how it is decoded, cropped and resized, and what is refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infonoise_vision.data.formats.decode import crop_square, decode
from infonoise_vision.data.images import load_images

from ..image_files import folder_of, noise, refused, save

REPOSITORY = Path(__file__).parents[4]
KODAK = REPOSITORY.parent / "shared" / "data" / "vision" / "kodak"


def decoded(path: Path, size: int | None) -> np.ndarray:
    return decode(path.read_bytes(), str(path), size)


def test_one_bit_images_are_black_and_white(tmp_path):
    bits = np.eye(6, dtype=bool)
    assert np.array_equal(decoded(save(tmp_path / "a.png", bits), None), bits[None] * 255)


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., :3] = [200, 100, 0]
    rgba[0, :, 3] = [0, 255, 51]
    colour = decoded(save(tmp_path / "a.png", rgba), None)
    assert colour[:, 0, 0].tolist() == [255, 255, 255]
    assert colour[:, 0, 1].tolist() == [200, 100, 0]
    # 51 / 255 = a fifth of the colour, four fifths of white; Pillow rounds within 1.
    assert np.abs(colour[:, 0, 2].astype(int) - [244, 224, 204]).max() <= 1
    grey_alpha = np.zeros((2, 2, 2), np.uint8)
    assert decoded(save(tmp_path / "b.png", grey_alpha), None).tolist() == [
        [[255, 255], [255, 255]]
    ]


def test_palettes_become_colours(tmp_path):
    colours = np.array([[255, 0, 0], [0, 128, 0], [9, 8, 7]], np.uint8)
    indices = np.array([[0, 1], [2, 0]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(colours.ravel().tolist())
    image.save(tmp_path / "a.png")
    expected = colours[indices].transpose(2, 0, 1)
    assert np.array_equal(decoded(tmp_path / "a.png", None), expected)
    image.save(tmp_path / "b.png", transparency=1)
    seen = decoded(tmp_path / "b.png", None)
    assert seen[:, 0, 1].tolist() == [255, 255, 255]
    assert np.array_equal(seen[:, 1], expected[:, 1])


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert decoded(tmp_path / "a.tif", None)[:, 0, 0].tolist() == [255, 0, 0]


def test_a_cmyk_jpeg_becomes_rgb(tmp_path):
    inks = {"red": (0, 255, 255, 0), "grey": (0, 0, 0, 155), "blue": (255, 255, 0, 0)}
    for name, ink in inks.items():
        Image.new("CMYK", (8, 8), ink).save(tmp_path / f"{name}.jpg", quality=95)
    red, grey, blue = (decoded(tmp_path / f"{name}.jpg", None) for name in inks)
    # JPEG moves a constant colour by a level or two.
    assert np.abs(red[:, 0, 0].astype(int) - [255, 0, 0]).max() <= 2
    assert np.abs(grey.astype(int) - 100).max() <= 2
    assert np.abs(blue[:, 0, 0].astype(int) - [0, 0, 255]).max() <= 2


def deep_colour(path: Path, values: np.ndarray) -> Path:
    """16-bit RGB (h, w, 3). Pillow cannot write such a file: by hand, one chunk after another."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    height, width, _ = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    return path


def test_16_bit_colour_keeps_its_high_byte(tmp_path):
    values = np.array([[[0, 255, 256], [32768, 65280, 65535]]], np.uint16)
    path = deep_colour(tmp_path / "a.png", values)
    assert decoded(path, None)[:, 0].T.tolist() == [[0, 0, 1], [128, 255, 255]]


def test_16_bit_colours_that_hold_12_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        deep_colour(tmp_path / f"{i}.png", rng.integers(0, 4096, (3, 4, 3)).astype(np.uint16))
    refused(tmp_path, "nearly black")


@pytest.mark.parametrize(
    ("top", "shift"), [(1, 0), (200, 0), (255, 0), (256, 8), (4096, 8), (65535, 8)]
)
def test_32_bit_grey_within_a_byte_keeps_its_values(tmp_path, top, shift):
    values = np.linspace(0, top, 24).astype(np.int32).reshape(4, 6)
    path = save(tmp_path / "a.tif", values)
    assert np.array_equal(decoded(path, None)[0], values >> shift)


def test_32_bit_grey_of_no_one_scale_is_refused(tmp_path):
    for i in range(8):
        save(tmp_path / f"{i}.tif", np.full((4, 4), 200 if i != 5 else 0, np.int32))
    assert load_images(tmp_path).pixels.max() == 200
    save(tmp_path / "6.tif", np.full((4, 4), 40000, np.int32))
    message = refused(tmp_path, "32-bit values up to 255 but")
    assert f"{tmp_path / '0.tif'} holds" in message
    assert f"{tmp_path / '6.tif'} larger ones" in message


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
@pytest.mark.parametrize("top", [1, 255, 4095])
def test_16_bits_that_hold_12_or_fewer_are_refused(tmp_path, suffix, top):
    rng = np.random.default_rng(0)
    for i in range(8):
        save(tmp_path / f"{i}{suffix}", rng.integers(0, top + 1, (4, 4)).astype(np.uint16))
    assert str(tmp_path / f"0{suffix}") in refused(tmp_path, "nearly black; spread them over")
    # One image that uses the range says what it is.
    save(tmp_path / f"5{suffix}", np.full((4, 4), 40000, np.uint16))
    assert load_images(tmp_path).pixels.max() == 40000 >> 8


def test_dark_images_of_8_bits_are_taken_as_they_are(tmp_path):
    dark = noise(8, 4, 4) % 10
    assert np.array_equal(load_images(folder_of(tmp_path, dark)).pixels[:, 0], dark)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_grey_keeps_its_high_byte(tmp_path, suffix):
    values = np.array([[0, 255, 256], [32768, 65280, 65535]], np.uint16)
    path = save(tmp_path / f"a{suffix}", values)
    assert decoded(path, None).tolist() == [[[0, 0, 1], [128, 255, 255]]]


def test_the_orientation_tag_is_obeyed(tmp_path):
    pixels = noise(4, 6)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # turn clockwise to show
    image.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(decoded(tmp_path / "a.png", None)[0], np.rot90(pixels, -1))


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
    assert np.abs(decoded(tmp_path / "a.jpg", None).astype(int) - 100).max() <= 1


# Crop and resize


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 13), (13, 8), (9, 8)])
def test_the_centred_square_is_cut_out(tmp_path, height, width):
    pixels = noise(height, width, 3)
    top, left = (height - 8) // 2, (width - 8) // 2
    expected = pixels[top : top + 8, left : left + 8].transpose(2, 0, 1)
    assert np.array_equal(decoded(save(tmp_path / "a.png", pixels), 8), expected)


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
    small = decoded(save(tmp_path / "a.jpg", photograph, quality=95), 8)[0]
    cells = photograph[..., 0].reshape(8, 64, 8, 64).mean(axis=(1, 3))
    # A smooth ramp survives JPEG within a level, and the two averages round once each.
    assert np.abs(small - cells).max() <= 2


def test_a_jpeg_keeps_the_detail_that_the_size_asks_for(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, np.arange(256) // 4 % 2 == 1] = 255
    small = decoded(save(tmp_path / "a.jpg", stripes, quality=95), 64)[0]
    # Quality 95 moves a stripe by a few levels; decoded at 1/8 the stripes would all be grey.
    assert small[:, 0::2].max() < 10
    assert small[:, 1::2].min() > 245


def test_size_brings_different_images_together(tmp_path):
    shapes = [(8, 8), (9, 12), (20, 16), (4, 4)] * 2
    for i, shape in enumerate(shapes):
        save(tmp_path / f"{i}.png", noise(*shape, 3, seed=i))
    assert load_images(tmp_path, size=6).shape == (3, 6, 6)


@pytest.mark.data
@pytest.mark.skipif(not KODAK.is_dir(), reason="no Kodak photographs in ../shared/data")
def test_photographs():
    images = load_images(KODAK, size=32, limit=8)
    assert images.shape == (3, 32, 32)
    assert images.levels == 256
    assert len(np.unique(images.pixels)) > 200


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
