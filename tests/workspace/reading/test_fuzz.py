"""Whatever bytes a file has, every reader gives its content or one InputError, and soon.

Sound files in which bytes and lengths are changed; JSON with other values; bytes of any kind.
What a longer search has found stands in `FOUND`, with each reader.
"""

import json
import os
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_core.training import checkpoint

from .changes import changed, restructured
from .readers import JSON_READERS, READERS, Reader

# A longer search, with other examples each time it is begun (150: one to six minutes were seen):
# INFONOISE_FUZZ=150 pytest tests/workspace/reading
EXAMPLES = int(os.environ.get("INFONOISE_FUZZ", "30"))
SAME = "INFONOISE_FUZZ" not in os.environ
SECONDS, BYTES = 5.0, 200 << 20
# To explain a failure takes a hundred times what finding it takes.
PHASES = (Phase.generate, Phase.shrink)


def _manifest(**changes: object) -> bytes:
    """A checkpoint's manifest with other values, and the checksum of these."""
    value = {**json.loads(READERS["checkpoint"].sound), **changes}
    del value["checksum"]
    return json.dumps({"checksum": checkpoint.digest(value), **value}).encode()


# (reader, bytes) that a longer search has found to break one.
FOUND: list[tuple[str, bytes]] = [
    ("pickle", b"r\x00\x00\x00\x10."),
    ("pickle", b"\x80\x02" + b")" + b"2\x86" * 40 + b"h\x00s."),
    ("yaml", b"seed: " + b"9" * 5000),
    ("yaml", b"seed: 2001-99-99"),
    ("bed", b"chr1\t" + b"9" * 5000 + b"\t9\n"),
    ("bed", b"chr1\t2\t9999999999999999999999999999999\n"),
    (
        "genbank",
        b"LOCUS       A                          8 bp    DNA     linear   UNK 01-JAN-1980\n"
        b"FEATURES             Location/Qualifiers\n gene            1..4\nORIGIN\n//\n",
    ),
    ("profile", b'{"edges": [' + b"9" * 400 + b"]}"),
    ("card", b"[" * 200_000),
    ("metrics", b"[" * 200_000 + b"\n"),
    ("listing", b'{"labels": [["0.png", null], ["1.png", []]]}'),
    ("checkpoint", _manifest(files=[])),
    ("checkpoint", _manifest(parts=[])),
    # Biopython's reader of 2bit asks for what the numbers say, or for as many records.
    ("a.2bit", b"C'A\x1a" + bytes(4) + b"\1" + bytes(16) + b"\x1b\xe4"),
    ("a.2bit", b"C'A\x1a" + bytes(4) + b"\1\0\x11" + bytes(5) + b"\4chr1\x19" + bytes(20)),
    ("a.2bit", b"C'A\x1a" + bytes(4) + b"\1" + bytes(7) + b"\4chr1\x18" + bytes(27)),
    ("npz", READERS["npz"].sound.replace(b"PK\1\2-\x03-", b"PK\1\2-\x03m")),
    ("tokenizer.model", READERS["tokenizer.model"].sound.replace(b"</s>", b"\xbc/s>")),
    ("a.jaspar", b">\n b\nA [ 3 0 ]\nC [ 0 4 ]\nG [ 1 0 ]\nT [ 0 0 ]\n"),
    ("a.pfm", b">"),
    ("a.transfac", "\U00010000".encode()),
    ("a.transfac", b"ID!a\nP0 A C G T\n01 3 0 1 2\nXX\n//\n"),
    # Its directory lies before the start of the file.
    ("images.zip", READERS["images.zip"].sound[1:]),
    ("texts.zip", READERS["texts.zip"].sound[3:]),
    ("a.fa.zip", READERS["a.fa.zip"].sound[3:]),
    # Of a version of the format that is yet to come.
    ("a.fa.zip", READERS["a.fa.zip"].sound.replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3T")),
    ("idx", b"\0\0\x08\xff" + b"\x7f" * 1100),
]


def read(reader: Reader, content: bytes) -> None:
    """InputError or success, in bounded time and memory."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / reader.name
        path.write_bytes(content)
        tracemalloc.start()
        began = time.process_time()
        try:
            reader.read(path)
        except InputError:
            pass
        finally:
            took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert took < SECONDS, f"{took:.1f} s"
    assert peak < BYTES, f"{peak >> 20} MiB"


def _cases() -> list[Any]:
    return [pytest.param(READERS[name], content, id=f"{name}-{i}")
                for i, (name, content) in enumerate(FOUND)]  # fmt: skip


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_sound_files_are_read(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / reader.name
    path.write_bytes(reader.sound)
    if reader.whole:
        reader.read(path)
        return
    with pytest.raises(InputError):
        reader.read(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_changed_files_are_read_or_refused(reader: Reader) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=SAME,
              phases=PHASES, suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(changed(reader.sound, reader.words))
    def check(content: bytes) -> None:
        read(reader, content)

    check()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", JSON_READERS.values(), ids=JSON_READERS)
def test_other_values_are_read_or_refused(reader: Reader) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=SAME,
              phases=PHASES, suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(restructured(reader.sound))
    def check(content: bytes) -> None:
        read(reader, content)

    check()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_any_bytes_are_read_or_refused(reader: Reader) -> None:
    @settings(max_examples=max(5, EXAMPLES // 3), deadline=None, database=None, derandomize=SAME,
              phases=PHASES, suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.binary(max_size=200))
    def check(content: bytes) -> None:
        read(reader, content)

    check()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("reader", "content"), _cases())
def test_what_a_search_has_found(reader: Reader, content: bytes) -> None:
    read(reader, content)
