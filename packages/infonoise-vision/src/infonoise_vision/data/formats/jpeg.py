"""JPEG files that lack their end, though all of the picture is there: viewers show them whole."""

import struct
from collections.abc import Iterator

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN, _FIRST = 0xDA, 0xC2
# Markers without a length: restarts, start, end and one for arithmetic coding.
_BARE = {0x01, *range(0xD0, 0xDA)}
_COEFFICIENTS = 64
# Not zeros, which are what a decoder makes up where bits are missing.
_PIXELS = b"\x5a\xa5" * 32


def with_end(content: bytes) -> tuple[bytes, bytes] | None:
    """A JPEG without its end, ended in two ways; None where it is none or lacks more.

    A decoder takes what follows the last scan for pixels where these are cut short: two ends that
    differ there give two pictures. Where all pixels are there, the two pictures agree.
    """
    if not content.startswith(_START) or content.endswith(_END):
        return None
    content = content[:-1] if content.endswith(b"\xff") else content
    if _lacks_scans(content):
        return None
    return content + _END, content + _PIXELS + _END


def _lacks_scans(content: bytes) -> bool:
    """Whether a progressive JPEG has not sent every bit of every coefficient (T.81, annex G)."""
    missing: dict[int, list[bool]] = {}
    for marker, body in _segments(content):
        if marker == _FIRST and len(body) > 5:
            ids = body[6 : 6 + 3 * body[5] : 3]
            missing = {i: [True] * _COEFFICIENTS for i in ids}
        if marker == _SCAN and missing and len(body) >= 4 + 2 * body[0]:
            ids = body[1 : 1 + 2 * body[0] : 2]
            low, high, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
            for i in ids:
                if i in missing:
                    missing[i][low : high + 1] = [bits & 15 > 0] * (high + 1 - low)
    return any(any(bits) for bits in missing.values())


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and their segments; what is coded after a scan's head is passed over."""
    at = 2
    while (at := content.find(b"\xff", at)) != -1 and at + 4 <= len(content):
        marker = content[at + 1]
        if marker in _BARE or marker in (0x00, 0xFF):
            at += 1 if marker == 0xFF else 2
            continue
        (size,) = struct.unpack_from(">H", content, at + 2)
        yield marker, content[at + 4 : at + 2 + size]
        at += 2 + size
