"""Files are read within bounds: what is no regular file, or larger than it says, is refused."""

import bz2
import gzip
import io
import json
import lzma
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infonoise_core import reading
from infonoise_core.errors import InputError
from infonoise_core.reading import open_unpacked, parse_json, read_bytes, table_lines


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        with pytest.raises(InputError, match="pipe or a device"):
            read_bytes(tmp_path / name)
        with pytest.raises(InputError, match="pipe or a device"), open_unpacked(tmp_path / name):
            pass


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_bytes(path, 100) == b"x" * 100
    with pytest.raises(InputError, match="larger than 99 bytes"):
        read_bytes(path, 99)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_packed_files_are_told_by_content_and_bounded(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    text = json.dumps([i * i for i in range(20_000)]).encode()
    path.write_bytes(pack(text))
    with open_unpacked(path) as stream:
        assert stream.read() == text
    monkeypatch.setattr(reading, "FREE_BYTES", 1 << 20)
    path.write_bytes(pack(bytes(32 << 20)))
    began = time.perf_counter()
    with (
        pytest.raises(InputError, match="unpacks to more than 100 times"),
        open_unpacked(path) as stream,
    ):
        stream.read()
    assert time.perf_counter() - began < 2


def test_frames_of_zstandard_are_read_to_the_end_of_the_last(tmp_path: Path) -> None:
    """One that is cut short is no whole file, wherever the cut is."""
    zstandard = pytest.importorskip("zstandard")
    path, text = tmp_path / "file", os.urandom(300_000)
    far = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False)
    frames = [
        zstandard.compress(text),
        zstandard.ZstdCompressor(compression_params=far).compress(text),
    ]
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"more"
    path.write_bytes(frames[0] + skippable + frames[1])
    with open_unpacked(path) as stream:
        assert stream.read() == text + text
    for cut in (5, 1000, len(frames[0]) - 1, len(frames[0]) + 9):
        path.write_bytes((frames[0] + frames[1])[:cut])
        with (
            pytest.raises(EOFError, match="ended before the end of its last frame"),
            open_unpacked(path, "zst") as stream,
        ):
            stream.read()
    path.write_bytes(frames[0] + b"something else")
    with pytest.raises(OSError, match="followed by something else"), open_unpacked(path) as stream:
        stream.read()


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, "9" * 5000, str(1 << 63), "{", "\ufeff{}", '"\\ud800"', "[1,]", "", "nul"],
)
def test_json_that_python_or_64_bits_cannot_hold(text: str) -> None:
    with pytest.raises(InputError, match=r"^x: is no JSON that can be read") as caught:
        parse_json(text, "x")
    assert len(str(caught.value)) < 500


def test_json_that_is_sound() -> None:
    value = {"a": [1, -(1 << 63), 2.5, None, "é"], "b": {"c": True}}
    assert parse_json(json.dumps(value), "x") == value
    assert parse_json(b'"\\ud83d\\ude00"', "x") == "😀"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id,text\n1,a;b\n", ","),
        ("id;text\n1;a,b\n", ";"),
        ("id\ttext\n1\ta\n", "\t"),
        ("id|text\n", "|"),
        ("sep=;\nid;text\n", ";"),
        # One column: nothing separates.
        ("text\na;b\n", ","),
        ("", ","),
        ('"a,b";text\n1;2\n', ";"),
        ("\n \ntext\ta\n", "\t"),
    ],
)
def test_the_header_shows_what_separates_columns(text: str, found: str) -> None:
    lines, separator = table_lines(io.StringIO(text))
    assert separator == found
    assert "".join(lines) == text.lstrip("\n ").removeprefix("sep=;\n")
