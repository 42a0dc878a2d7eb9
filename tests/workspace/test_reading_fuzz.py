"""Whatever bytes a file has, every reader gives its content or one InputError, and soon.

Sound files in which bytes and lengths are changed; JSON with other values; bytes of any kind.
What a longer search has found stands in `FOUND`, with each reader.
"""

import gzip
import json
import os
import struct
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.open import Reading, read_source
from infonoise_bio.evaluation.oracles.exported import load_program
from infonoise_core.config.tree import ConfigTree
from infonoise_core.config.yaml_file import read_config
from infonoise_core.errors import InputError
from infonoise_core.folders.marker import marker_of
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.training import checkpoint
from infonoise_core.training.artifact import read_card
from infonoise_core.training.config import TrainConfig
from infonoise_core.training.record.metrics import read_lines
from infonoise_core.training.run_folder import read_run
from infonoise_text.data.corpus import Manifest
from infonoise_text.data.documents import open_documents
from infonoise_vision.data.formats.npz import read_archive
from infonoise_vision.data.formats.packed import is_packed, read_packed
from infonoise_vision.data.open import open_source
from infonoise_vision.data.published.idx import read_array
from infonoise_vision.data.published.unpickle import load_plain

# A search of an hour, with other examples each time it is begun:
# INFONOISE_FUZZ=1500 pytest tests/workspace/test_reading_fuzz.py
EXAMPLES = int(os.environ.get("INFONOISE_FUZZ", "30"))
SAME = "INFONOISE_FUZZ" not in os.environ
SECONDS, BYTES = 5.0, 200 << 20


@dataclass(frozen=True)
class Reader:
    """name: of the file it is given.  sound: one that it reads.  read: reads it whole."""

    name: str
    sound: bytes
    read: Callable[[Path], object]
    words: tuple[bytes, ...] = ()


def _all(values: Iterable[Any]) -> None:
    for _ in values:
        pass


def _card() -> dict[str, Any]:
    return {"format": "infonoise-artefact", "version": 1, "kind": "model", "program": "x",
            "step": 3, "files": {"model.safetensors": "0" * 64}}  # fmt: skip


def _profile() -> dict[str, Any]:
    edges = torch.logspace(-2, 2, 5, dtype=torch.float64)
    columns = [torch.ones(4, dtype=torch.float64) for _ in range(3)]
    return EntropyRateProfile(edges, *columns, dim=3).to_dict()


def _npz() -> bytes:
    with tempfile.TemporaryFile() as file:
        np.savez_compressed(file, images=np.zeros((3, 4, 4), np.uint8), labels=np.arange(3))
        file.seek(0)
        return file.read()


def _idx() -> bytes:
    return struct.pack(">HBBIII", 0, 8, 3, 2, 4, 4) + bytes(range(32))


def _manifest() -> dict[str, Any]:
    return {"format": "infonoise-checkpoint", "version": 2, "step": 5, "parts": {}, "files": {}}


def _signed() -> bytes:
    manifest = _manifest()
    return json.dumps({"checksum": checkpoint._digest(manifest), **manifest}).encode()


def _corpus() -> dict[str, Any]:
    split = {"documents": 1, "tokens": 2, "bytes": 3, "sha256": "0"}
    return {"format": "infonoise-text corpus", "version": 1, "source": "x", "dtype": "uint16",
            "split_by": "document", "changed": 0, "tokenizer": {"name": "a", "digest": "b"},
            "splits": dict.fromkeys(("train", "valid", "test"), split)}  # fmt: skip


def _packed(path: Path) -> None:
    if is_packed(path.parent):
        read_packed(path.parent)


def _documents(path: Path) -> None:
    _all(open_documents(str(path)))


def _sequences(path: Path) -> None:
    _all(read_source(path, Reading(), Counts()))


def _intervals(path: Path) -> None:
    genome = path.parent / "genome.fa"
    genome.write_text(">chr1\n" + "ACGT" * 50 + "\n")
    _all(read_source(path, Reading(genome=genome), Counts()))


def _listing(path: Path) -> None:
    from PIL import Image

    for i in range(2):
        Image.new("L", (2, 2), i).save(path.parent / f"{i}.png")
    open_source(path.parent)


def _checkpoint(path: Path) -> None:
    folder = path.parent / "step-00000005"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(path.read_bytes())
    try:
        checkpoint.load(folder)
    except checkpoint.DamagedCheckpoint as damage:
        raise InputError(str(damage)) from None


def _plain_pickle(path: Path) -> None:
    import pickle

    try:
        load_plain(path.read_bytes())
    except pickle.UnpicklingError as error:
        raise InputError(str(error)) from None


def _config() -> bytes:
    return b"steps: 5\nbatch_size: 8\nlr: 0.01\nlr_schedule: cosine\ntarget: nats=3\n"


def _pickled() -> bytes:
    import pickle

    return pickle.dumps({b"data": np.zeros((2, 4), np.uint8), b"labels": [1, 2]}, protocol=2)


JSON_WORDS = (b"null", b"1e999", b"-1", b"9" * 30, b"9" * 5000, b"[" * 2000, b'"\\ud800"', b"NaN",
              b"true", b"{}", b"[]", b'""', b'{"format":')  # fmt: skip
READERS = {
    "settings": Reader("config.json", json.dumps({"command": "x", "train": {"lr": 1}}).encode(),
                       lambda path: read_run(path.parent), JSON_WORDS),
    "card": Reader("card.json", json.dumps(_card()).encode(),
                   lambda path: read_card(path.parent), JSON_WORDS),
    "checkpoint": Reader("manifest.json", _signed(), _checkpoint, JSON_WORDS),
    "marker": Reader("infonoise.json", b'{"format": "infonoise-folder", "version": 1, "kind": "r"}',
                     lambda path: marker_of(path.parent), JSON_WORDS),
    "profile": Reader("profile.json", json.dumps(_profile()).encode(), EntropyRateProfile.load,
                      JSON_WORDS),
    "metrics": Reader("metrics.jsonl",
                      b'{"step": 1, "loss": 2}\n{"step": 2, "evaluate": {"a": 1}}\n',
                      read_lines, JSON_WORDS),
    "corpus": Reader("corpus.json", json.dumps(_corpus()).encode(),
                     lambda path: Manifest.read(path.parent), JSON_WORDS),
    "prepared": Reader("manifest.json", json.dumps({
        "format": "infonoise-vision images", "version": 1, "name": "x", "levels": 2,
        "classes": [], "parts": {"train": [1, 1, 2, 2]}}).encode(), _packed, JSON_WORDS),
    "listing": Reader("dataset.json", b'{"labels": [["0.png", 3], ["1.png", 4]]}', _listing,
                      JSON_WORDS),
    "yaml": Reader("config.yaml", _config(),
                   lambda path: read_config(path, ConfigTree(TrainConfig)),
                   (b"&a", b"*a", b"!!python/object:os.system", b"2001-99-99", b"1:60", b"9" * 5000,
                    b"[" * 2000, b"<<: *a", b"!!binary x", b"? [a]")),
    "npz": Reader("a.npz", _npz(), read_archive, (b"\xff" * 4, b"PK\x01\x02", b"'|O'")),
    "idx": Reader("x-images-idx3-ubyte", _idx(), read_array, (b"\xff" * 4, b"\x1f\x8b")),
    "idx.gz": Reader("x-images-idx3-ubyte.gz", gzip.compress(_idx()), read_array),
    "fasta": Reader("a.fa", b">a class=x\nACGT\nNNAC\n>b\nTTTT\n", _sequences,
                    (b">", b";", b"\r", b"=", b"\x00")),
    "fasta.gz": Reader("a.fa.gz", gzip.compress(b">a\nACGT\n"), _sequences),
    "table": Reader("a.csv", b"id,sequence,label\na,ACGT,x\nb,TTTT,y\n", _sequences,
                    (b'"', b",", b"\n", b"\x00")),
    "bed": Reader("a.bed", b"chr1\t2\t9\tx\t0\t+\nchr1\t4\t8\n", _intervals,
                  (b"-1", b"9" * 30, b"9" * 5000, b"\xc2\xb2", b"\t")),
    "genbank": Reader("a.gb", b"LOCUS       A                          8 bp    DNA     linear   "
                      b"UNK 01-JAN-1980\n"
                      b"FEATURES             Location/Qualifiers\n"
                      b"     gene            1..4\nORIGIN\n        1 acgtacgt\n//\n", _sequences,
                      (b"join(", b"9" * 30, b"complement(", b"order(1.2,3^4)")),
    "lines": Reader("a.jsonl", b'{"text": "one"}\n{"text": "two"}\n', _documents, JSON_WORDS),
    "text": Reader("a.txt", "é text\n".encode(), _documents),
    "text.xz": Reader("a.txt.xz", __import__("lzma").compress(b"text " * 40), _documents),
    "tar": Reader("a.tar", b"", _documents),
    "pickle": Reader("data_batch_1", _pickled(), _plain_pickle,
                     (b"cos\nsystem\n", b"r\xff\xff\xff\x0f", b"\x85", b"2")),
    "program": Reader("a.pt2", b"PK\x05\x06" + bytes(18), load_program),
}  # fmt: skip


def _tar() -> bytes:
    import io
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("a.txt", "b.jsonl"):
            content = b'{"text": "x"}'
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


READERS["tar"] = Reader("a.tar", _tar(), _documents, (b"\xff" * 8, b"7" * 11, b"g", b"x", b"S"))

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
]


@st.composite
def changed(draw: st.DrawFn, sound: bytes, words: tuple[bytes, ...]) -> bytes:
    """A sound file in which some bytes are others, more, fewer, or words of its format."""
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "word", "repeat"]))
        if kind == "flip" and at < len(content):
            content[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at : at + draw(st.integers(1, 20))]
        elif kind == "insert":
            content[at:at] = draw(st.binary(max_size=12))
        elif kind == "word" and words:
            end = at + draw(st.integers(0, 8))
            content[at:end] = draw(st.sampled_from(words))
        elif kind == "repeat":
            content[at:at] = content[at : at + 16] * draw(st.integers(1, 50))
    return bytes(content)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from([-1, 0, 2**31, 2**63, 2**70, 1e308, "", "..", "a/b", "\ud800", "\x1b[2J"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    if isinstance(value, dict):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return []
    return [(value, key) for key, _ in items] + [p for _, inner in items for p in _places(inner)]


@st.composite
def restructured(draw: st.DrawFn, sound: bytes) -> bytes:
    """Sound JSON (a checksum beside it made anew) in which values are others, or gone."""
    value = json.loads(sound)
    signed = isinstance(value, dict) and value.pop("checksum", None) is not None
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 4)):
            container[key] = draw(VALUES)
        else:
            del container[key]
    if signed:
        value = {"checksum": checkpoint._digest(value), **value}
    return json.dumps(value).encode()


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


JSON_READERS = {name: reader for name, reader in READERS.items() if _is_json(reader.sound)}


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
def test_sound_files_are_read(reader: Reader) -> None:
    read(reader, reader.sound)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_changed_files_are_read_or_refused(reader: Reader) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=SAME,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(changed(reader.sound, reader.words))
    def check(content: bytes) -> None:
        read(reader, content)

    check()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", JSON_READERS.values(), ids=JSON_READERS)
def test_other_values_are_read_or_refused(reader: Reader) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=SAME,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(restructured(reader.sound))
    def check(content: bytes) -> None:
        read(reader, content)

    check()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_any_bytes_are_read_or_refused(reader: Reader) -> None:
    @settings(max_examples=max(5, EXAMPLES // 3), deadline=None, database=None, derandomize=SAME,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.binary(max_size=200))
    def check(content: bytes) -> None:
        read(reader, content)

    check()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("reader", "content"), _cases())
def test_what_a_search_has_found(reader: Reader, content: bytes) -> None:
    read(reader, content)
