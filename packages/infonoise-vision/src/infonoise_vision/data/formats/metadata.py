"""What image files carry beside their pixels: it may turn a picture, and never costs one."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_APPLICATIONS, _COMMENT, _SCAN = range(0xE0, 0xF0), 0xFE, 0xDA
_ADOBE, _ADOBE_BYTES = 0xEE, 14
# Where Pillow looks for the orientation.
_TURNING = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})
# Chunks that pixels or the number of frames depend on, though a PNG may lack them.
_NEEDED = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})


def without_metadata(content: bytes) -> bytes | None:
    """A PNG or JPEG without texts, profiles, EXIF and the like, whatever state they are in.

    None where the file is neither, or its parts cannot be told apart.
    """
    if content.startswith(_JPEG):
        return _bare_jpeg(content)
    if not content.startswith(_PNG):
        return None
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        end = at + 12 + size
        # A small first letter says that a reader may pass the chunk over.
        if not kind[:1].islower() or kind in _NEEDED:
            kept.append(content[at:end])
        at = end
        if kind == b"IEND":
            return b"".join(kept)
    return None


def _bare_jpeg(content: bytes) -> bytes | None:
    """A JPEG without the segments of applications, but for Adobe's of the colours, and comments."""
    kept, at = [content[:2]], 2
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker = content[at + 1]
        if marker == _SCAN:
            return b"".join((*kept, content[at:]))
        (size,) = struct.unpack_from(">H", content, at + 2)
        adobe = marker == _ADOBE and size >= _ADOBE_BYTES
        if adobe or not (marker in _APPLICATIONS or marker == _COMMENT):
            kept.append(content[at : at + 2 + size])
        at += 2 + size
    return None


def upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation says; as it is stored where the EXIF is damaged."""
    if image.format in ("PNG", "JPEG") and not _TURNING & {str(key) for key in image.info}:
        return image  # which Pillow would find out more slowly than a small image is decoded
    try:
        return ImageOps.exif_transpose(image)
    # Pillow's reader of EXIF was made for whole files, and raises what it comes upon.
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error,
            ArithmeticError):  # fmt: skip
        return image


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings of Pillow: of metadata that it passes over, and of large pictures."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield
