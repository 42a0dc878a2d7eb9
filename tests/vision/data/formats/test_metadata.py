"""What image files carry beside their pixels never costs a picture, and says nothing of its own."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.decode import decode
from infonoise_vision.data.formats.metadata import without_metadata

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)


def encoded(kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, content: bytes, *, sound: bool = True) -> bytes:
    check = zlib.crc32(kind + content) ^ (0 if sound else 1)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def with_chunk(extra: bytes) -> bytes:
    """A PNG with a chunk behind its header."""
    content = encoded()
    return content[:33] + extra + content[33:]


EXTRAS = {
    "EXIF that is none": chunk(b"eXIf", b"\x00\x08\x00\x02\x01\x12"),
    "EXIF cut short": chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff\x12\x01"),
    "a text of 80 MB": chunk(b"zTXt", b"prompt\0\0" + zlib.compress(bytes(80 << 20))),
    "a text with a wrong checksum": chunk(b"tEXt", b"a\0b", sound=False),
    "a colour profile that is none": chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"nothing")),
    "a text without an end": chunk(b"zTXt", b"no zero"),
    "a chunk of somebody's own": chunk(b"prVt", bytes(9), sound=False),
}


@pytest.mark.parametrize("name", EXTRAS)
def test_a_png_is_read_whatever_state_its_metadata_are_in(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(
            decode(with_chunk(EXTRAS[name]), "a.png", None).transpose(1, 2, 0), PIXELS
        )


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nothing at all", b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0"]
)
def test_a_jpeg_with_damaged_exif_is_read_as_it_is_stored(exif: bytes) -> None:
    plain = decode(encoded("JPEG"), "a.jpg", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(decode(encoded("JPEG", exif=exif), "a.jpg", None), plain)


def test_a_large_picture_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(encoded(), "a.png", None).shape == (3, 6, 5)
        assert decode(encoded(), "a.png", 5).shape == (3, 5, 5)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match=r"a\.png: unpacks to more than .*--allow-large"):
        decode(encoded(), "a.png", None)


def test_what_pixels_depend_on_stays() -> None:
    image = Image.fromarray(PIXELS[..., 0]).convert("P")
    out = io.BytesIO()
    image.save(out, "PNG", transparency=3, pnginfo=None)
    bare = without_metadata(out.getvalue())
    assert bare is not None
    assert b"tRNS" in bare
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1].copy())]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    bare = without_metadata(out.getvalue())
    assert bare is not None
    with pytest.raises(InputError, match="has 2 frames"):
        decode(bare, "a.png", None)


def test_a_png_without_pixels_stays_an_error() -> None:
    content = encoded()
    assert without_metadata(content[:-12]) is None
    assert without_metadata(encoded("BMP")) is None
    cut = content[: content.index(b"IDAT") + 20]
    with pytest.raises(InputError, match=r"a\.png: cannot be read"):
        decode(cut, "a.png", None)


@pytest.mark.parametrize(
    "segment", [b"\xff\xe0\x00\x07JFIF\0", b"\xff\xee\x00\x07Adobe", b"\xff\xfe\x00\x02"]
)
@pytest.mark.parametrize("lacking", [0, 2])
def test_a_jpeg_with_damaged_segments_is_read(segment: bytes, lacking: int) -> None:
    content = encoded("JPEG")
    damaged = content[:2] + segment + content[2 : len(content) - lacking]
    assert np.array_equal(decode(damaged, "a.jpg", None), decode(content, "a.jpg", None))
