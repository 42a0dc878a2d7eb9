"""Image files -> byte arrays: how one is decoded, cropped, resized."""

import contextlib
import io
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from infonoise_core.errors import InputError
from infonoise_vision.data.formats.jpeg import with_end
from infonoise_vision.data.formats.kinds import CONVERT, is_heic
from infonoise_vision.data.formats.metadata import quiet, upright, without_metadata
from infonoise_vision.data.formats.source import (
    CHUNK,
    Bytes,
    Content,
    Half,
    Pixels,
)

_DAMAGE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
_POINTER = b"version https://git-lfs"
BYTES, HIGH_BYTE, AS_IT_IS = "bytes", "high byte", "as it is"


class Decoded(NamedTuple):
    """An image, and how its values were brought to 8 bits.

    Attributes:
        pixels: (c, h, w).
        kept: BYTES where the file had no more, or of larger numbers HIGH_BYTE or AS_IT_IS; None
            where these are all 0, which may be either.
        side: Of the centred square, before it was brought to a size.
    """

    pixels: Bytes
    kept: str | None
    side: int


def decode(content: bytes, where: str, size: int | None) -> Bytes:
    """One image file -> (c, h, w), c = 1 where the three colours agree everywhere, else 3.

    Transparency is laid over white; palette, CMYK and other colours become RGB; 16-bit grey keeps
    its high byte, as Pillow does with 16-bit RGB, and so does 32-bit grey that is not within
    0..255; the camera's orientation tag is obeyed.

    Args:
        where: What to call the file in a message.
        size: Cut the centred square out and bring it to size x size.

    Raises:
        InputError: For what cannot be read, and for animations.
    """
    with quiet():
        return decode_content(content, where, size).pixels


def decode_content(
    content: Content, where: str, size: int | None, half: Half | None = None
) -> Decoded:
    """Decode the content of a file, or raise the error that stands in its place; see `decode`.

    Within `quiet`, which takes as long as a small image, so that a set is to enter it once.

    Args:
        half: Of two images side by side, the one that is wanted.
    """
    if isinstance(content, InputError):
        raise content
    opened = _opened(content, where, size)
    return _decoded(opened if half is None else _halved(opened, where, half), where, size)


def _decoded(opened: "_Opened", where: str, size: int | None) -> Decoded:
    if opened.frames > 1:
        raise InputError(
            f"{where}: has {opened.frames} frames; save each frame as an image of its own"
        )
    kept: str | None = HIGH_BYTE if opened.deep else BYTES
    if opened.wide:
        top = np.asarray(opened.image).max()
        kept = None if not top else AS_IT_IS if top <= 255 else HIGH_BYTE
    plain = _grey_or_rgb(opened.image, where, shift=0 if kept == AS_IT_IS else 8)
    array = np.asarray(plain if size is None else crop_square(plain, size))
    if array.ndim == 2:
        return Decoded(array[None], kept, opened.side)
    # A coloured image nearly always shows it in its first row.
    grey = all(bool((part == part[..., :1]).all()) for part in (array[0], array))
    return Decoded(array[..., : 1 if grey else 3].transpose(2, 0, 1), kept, opened.side)


class _Opened(NamedTuple):
    image: Image.Image
    frames: int
    deep: bool
    wide: bool
    side: int


def _halved(opened: _Opened, where: str, half: Half) -> _Opened:
    width, height = opened.image.size
    if width % 2:
        raise InputError(
            f"{where}: is {width} pixels wide, and two images side by side have an even width; cut"
            " it to one"
        )
    left = 0 if half == "left" else width // 2
    image = opened.image.crop((left, 0, left + width // 2, height))
    # A draft is smaller than the file, by the same factor both ways.
    factor = opened.side / min(width, height)
    return opened._replace(image=image, side=round(factor * min(image.size)))


def _opened(content: bytes, where: str, size: int | None) -> _Opened:
    """What Pillow makes of a file, without its metadata where they are what is damaged."""
    try:
        return _loaded(content, size)
    except _DAMAGE as error:
        with contextlib.suppress(*_DAMAGE):
            mended = _mended(content, size)
            if mended is not None:
                return mended
        reason = str(error).partition("\n")[0] or type(error).__name__
        if isinstance(error, UnidentifiedImageError):  # its text says where in memory bytes lie
            reason = "no kind of image that Pillow knows"
            if is_heic(content):
                raise InputError(f"{where}: is HEIC, which is not read; {CONVERT}") from error
            if content.startswith(_POINTER):
                raise InputError(
                    f"{where}: is a pointer of Git LFS and no image; fetch it (git lfs pull)"
                ) from error
            reason = reason if content else "it is empty"
        if isinstance(error, Image.DecompressionBombError):
            raise InputError(
                f"{where}: unpacks to more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6}"
                " megapixels; if it is to be trusted, give it to prepare with --allow-large"
            ) from error
        raise InputError(
            f"{where}: cannot be read ({reason}); repair or remove the file"
        ) from error


def _mended(content: bytes, size: int | None) -> _Opened | None:
    """A file without damaged metadata, or with the end that it lacks; None where it lacks more."""
    bare = without_metadata(content)
    if bare is not None:
        with contextlib.suppress(*_DAMAGE):
            return _loaded(bare, size)
    ended = with_end(content if bare is None else bare)
    if ended is None:
        return None
    one, other = (_loaded(end, size) for end in ended)
    return one if one.image.tobytes() == other.image.tobytes() else None


@contextlib.contextmanager
def large_allowed() -> Iterator[None]:
    """Pictures of any number of pixels, which Pillow refuses from 179 million on."""
    usual = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def _loaded(content: bytes, size: int | None) -> _Opened:
    """An image, upright, and what its file says of frames and depth."""
    with Image.open(io.BytesIO(content)) as opened:
        # MPO is a photograph with a preview or a second eye behind it: the first frame is it.
        frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
        side = min(opened.size)
        if size is not None:
            # A JPEG can be decoded at 1/2, 1/4 or 1/8: 0.02 s instead of 0.13 s for 12 megapixels.
            # Four pixels a side are left for the mean of each cell.
            opened.draft(None, (4 * size, 4 * size))
        deep = _is_deep(opened)
        # Only TIFF has integers of 32 bits; elsewhere Pillow holds 16 in them.
        wide = opened.format == "TIFF" and opened.mode == "I"
        opened.load()
        return _Opened(upright(opened), frames, deep, wide, side)


def _is_deep(image: ImageFile.ImageFile) -> bool:
    """Whether an image that is not loaded yet has 16 bits a channel or more."""
    # How its first tile is stored: a raw mode such as RGB;16B, alone or before other arguments.
    stored = image.tile[0].args if image.tile else None
    rawmode = stored[0] if isinstance(stored, tuple) and stored else stored
    return image.mode.startswith("I") or ";16" in str(rawmode)


def _grey_or_rgb(image: Image.Image, where: str, shift: int) -> Image.Image:
    """Any Pillow image -> mode L or RGB; values of more than 8 bits lowered by `shift` bits."""
    if image.mode == "F":
        raise InputError(f"{where}: holds real numbers; collect such images in an .npz file")
    if image.mode.startswith("I"):  # 16 bits, or 32 where a format has no mode for 16
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{where}: has pixels outside 0..65535; save it with 8 or 16 bits")
        return Image.fromarray((values >> shift).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def crop_square(image: Image.Image, size: int) -> Image.Image:
    """Cut the centred square out and bring it to (size, size): mean of each cell, or bicubic up."""
    width, height = image.size
    left, top, side = _square(width, height)
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), _filter(side, size))


def resize_array(pixels: Pixels, size: int) -> Pixels:
    """`crop_square` for arrays (n, c, h, w) of grey levels or real numbers, rounded once.

    Values stay within the range the array had: bicubic curves leave it near edges.
    """
    n, c, h, w = pixels.shape
    left, top, side = _square(w, h)
    # Pillow resizes rows and columns by a linear map, which it applies to the unit vectors here.
    unit = Image.fromarray(np.eye(side, dtype=np.float32))
    along = np.asarray(unit.resize((side, size), _filter(side, size)))
    resized = np.empty((n, c, size, size), pixels.dtype)
    low, high = pixels.min(), pixels.max()
    for start in range(0, n, CHUNK):
        square = pixels[start : start + CHUNK, :, top : top + side, left : left + side]
        means = (along @ square.astype(np.float32) @ along.T).clip(low, high)
        resized[start : start + CHUNK] = means.round() if pixels.dtype == np.uint8 else means
    return resized


def _square(width: int, height: int) -> tuple[int, int, int]:
    """Left, top and side of the centred square."""
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def _filter(side: int, size: int) -> Image.Resampling:
    return Image.Resampling.BOX if size <= side else Image.Resampling.BICUBIC
