"""Image files -> byte arrays: how one is decoded, cropped, resized."""

import io
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from infonoise_core.errors import InputError
from infonoise_core.training.data.records import BadRecords
from infonoise_vision.data.formats.source import (
    CHUNK,
    Bytes,
    Content,
    NewArray,
    Pixels,
    Progress,
    chunks,
)

# What fits into 12 bits and was stored in 16 keeps no more than 16 grey levels.
_NEARLY_BLACK = 15
_BYTES, _HIGH_BYTE, _AS_IT_IS = "bytes", "high byte", "as it is"


class Decoded(NamedTuple):
    """pixels: (c, h, w).  kept: bytes, or of larger numbers the high byte or the values as they
    are; None where these are all 0, which may be either.
    """

    pixels: Bytes
    kept: str | None


def decode_files(
    where: Sequence[str],
    contents: Iterator[Content],
    size: int | None,
    new: NewArray,
    progress: Progress | None,
    bad: BadRecords,
) -> tuple[Bytes, list[int]]:
    """Decode files in order -> (k, c, h, w) made by `new`, and which of the n files these are; c is
    1 if every image is grey, else 3.

    Args:
        where: (n,) names for messages. `progress(done, total)` is called after each file.
        bad: Counts the files that cannot be read, or have another size than the first.  Raises
            InputError where there are too many of them, or no other, and where the values of
            more than 8 bits have no one scale, or one that leaves all images nearly black.
    """
    pixels: Bytes | None = None
    kept: list[int] = []
    scales = _Scales()
    for i, (name, content) in enumerate(zip(where, contents, strict=True)):
        try:
            image = _decoded(content, name, size)
            if pixels is not None:
                _refuse_other_size(where[kept[0]], pixels, name, image.pixels)
        except InputError as error:
            if not bad.limit:
                raise
            # By its name: the parts of a source count their files from 0, each.
            bad.count(hash(name), name, str(error).removeprefix(f"{name}: "))
            image = None
        if image is not None:
            scales.note(name, image.kept)
            pixels = _placed(image.pixels, pixels, len(kept), len(where), new)
            kept.append(i)
        if progress is not None:
            progress(i + 1, len(where))
    if pixels is None:
        raise InputError(f"{where[0]} and all others: cannot be read; give images")
    scales.refuse_nearly_black(where[kept[0]], pixels[: len(kept)])
    return pixels[: len(kept)], kept


class _Scales:
    """How values of more than 8 bits were brought to 8, over a whole set."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def note(self, name: str, kept: str | None) -> None:
        if kept is not None:
            self._first.setdefault(kept, name)
        if _AS_IT_IS in self._first and _HIGH_BYTE in self._first:
            raise InputError(
                f"{self._first[_AS_IT_IS]} holds 32-bit values up to 255 but"
                f" {self._first[_HIGH_BYTE]} larger ones, so they have no one scale;"
                " save all with 8 bits"
            )

    def refuse_nearly_black(self, first: str, pixels: Bytes) -> None:
        if [*self._first] != [_HIGH_BYTE]:
            return
        if max(int(part.max()) for part in chunks(pixels)) <= _NEARLY_BLACK:
            raise InputError(
                f"{first} and all others: hold 16-bit values below 4096 of 65535, whose high bytes"
                " are nearly black; spread them over 0..65535, or save them with 8 bits"
            )


def _refuse_other_size(first: str, pixels: Bytes, name: str, image: Bytes) -> None:
    height, width = pixels.shape[2:]
    if image.shape[1:] != (height, width):
        other = f"{image.shape[2]}x{image.shape[1]}"
        raise InputError(
            f"{first} is {width}x{height} pixels but {name} is {other}: "
            "bring all images to one size with --size N"
        )


def _placed(image: Bytes, pixels: Bytes | None, place: int, n: int, new: NewArray) -> Bytes:
    """The array with an image at its place; another one with colours after the first of them."""
    if pixels is None:
        pixels = new((n, *image.shape))
    if len(image) > pixels.shape[1]:
        coloured = new((n, 3, *pixels.shape[2:]))
        coloured[:place] = pixels[:place]
        pixels = coloured
    pixels[place] = image  # a grey image among coloured ones fills all three channels
    return pixels


def decode(content: bytes, where: str, size: int | None) -> Bytes:
    """One image file -> (c, h, w), c = 1 where the three colours agree everywhere, else 3.

    Transparency is laid over white; palette, CMYK and other colours become RGB; 16-bit grey keeps
    its high byte, as Pillow does with 16-bit RGB, and so does 32-bit grey that is not within
    0..255; the camera's orientation tag is obeyed.
    Raises InputError, naming the file by `where`, for what cannot be read and for animations.
    """
    return _decoded(content, where, size).pixels


def _decoded(content: Content, where: str, size: int | None) -> Decoded:
    if isinstance(content, InputError):
        raise content
    try:
        with Image.open(io.BytesIO(content)) as opened:
            # MPO is a photograph with a preview or a second eye behind it: the first frame is it.
            frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
            if size is not None:
                # A JPEG can be decoded at 1/2, 1/4 or 1/8: 0.02 s instead of 0.13 s for 12
                # megapixels. Four pixels a side are left for the mean of each cell.
                opened.draft(None, (4 * size, 4 * size))
            deep = _is_deep(opened)
            # Only TIFF has integers of 32 bits; elsewhere Pillow holds 16 in them.
            wide = opened.format == "TIFF" and opened.mode == "I"
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except UnidentifiedImageError as error:  # it tells where in memory the bytes lie
        raise InputError(
            f"{where}: cannot be read (no kind of image that Pillow knows); mend or remove the file"
        ) from error
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{where}: cannot be read ({reason}); mend or remove the file") from error
    if frames > 1:
        raise InputError(f"{where}: has {frames} frames; save each frame as an image of its own")
    kept: str | None = _HIGH_BYTE if deep else _BYTES
    if wide:
        top = np.asarray(image).max()
        kept = None if not top else _AS_IT_IS if top <= 255 else _HIGH_BYTE
    plain = _grey_or_rgb(image, where, shift=0 if kept == _AS_IT_IS else 8)
    array = np.asarray(plain if size is None else crop_square(plain, size))
    if array.ndim == 2:
        return Decoded(array[None], kept)
    channels = 1 if (array == array[..., :1]).all() else 3
    return Decoded(np.ascontiguousarray(array[..., :channels].transpose(2, 0, 1)), kept)


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
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


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
