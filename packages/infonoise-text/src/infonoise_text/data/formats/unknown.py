"""Files of an unknown suffix: plain text, unless much in them is none, such as tags or headers."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO

from infonoise_core.errors import InputError
from infonoise_text.data.formats import text
from infonoise_text.data.reading import Document, Reading

_TO_TEXT = "make text of it first, such as with pandoc -t plain"
_HTML, _XML, _WEB = f"HTML; {_TO_TEXT}", f"XML; {_TO_TEXT}", f"a web archive; {_TO_TEXT}"
_MAIL = "mail with its headers; save the bodies as text or JSON lines"
_TIMED = "subtitles with their times; save the lines alone"
_BY_SUFFIX = {
    ".html": _HTML, ".htm": _HTML, ".xhtml": _HTML, ".mht": _WEB, ".mhtml": _WEB, ".xml": _XML,
    ".warc": _WEB, ".mbox": _MAIL, ".eml": _MAIL, ".srt": _TIMED, ".vtt": _TIMED,
    ".svg": "an SVG image",
    ".ipynb": "a notebook; make text of it first, such as with jupyter nbconvert --to markdown",
}  # fmt: skip
_BY_START = (
    ("<!doctype html", _HTML), ("<html", _HTML), ("<?xml", _XML), ("<mediawiki", _XML),
    ("warc/", _WEB), ("webvtt", _TIMED),
)  # fmt: skip
_HEAD = 1000


def read(stream: BinaryIO, where: str, reading: Reading) -> Iterator[Document]:
    """The file as one document."""
    for document in text.read(stream, where, reading):
        head = document.text[:_HEAD].lstrip().lower()
        found = (what for start, what in _BY_START if head.startswith(start))
        what = _BY_SUFFIX.get(PurePath(where).suffix.lower()) or next(found, None)
        if what is not None:
            raise InputError(f"{where}: is {what}, or call it .txt to learn it as it is written")
        yield document
