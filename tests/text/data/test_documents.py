"""Reading documents: what each kind of source gives, and one-line errors that say where."""

import bz2
import gzip
import io
import json
import lzma
import pydoc_data.topics
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from infonoise_core.errors import InputError
from infonoise_text.data.documents import open_documents
from infonoise_text.data.reading import Document

TEXT = "one\r\n\ttwo  \0 ▁ é\ufeff\n"


def read(source, **options) -> list[str]:
    return [document.text for document in open_documents(str(source), **options)]


def refused(source, match: str, **options) -> str:
    with pytest.raises(InputError, match=match) as caught:
        read(source, **options)
    message = str(caught.value)
    assert str(source) in message
    return message


def lines(*rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def archive(path: Path, mode: str, **members: bytes) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_the_embedded_corpus():
    documents = open_documents()
    assert documents.name == "pydoc"
    assert [d.text for d in documents] == list(pydoc_data.topics.topics.values())


def test_a_text_file_is_one_document_and_stays_as_it_is(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.encode())
    documents = open_documents(str(path))
    assert documents.name == "a.txt"
    assert list(documents) == list(documents) == [Document(TEXT)]


@pytest.mark.parametrize("name", ["a", "a.log", "A.TXT"])
def test_a_file_that_is_named_may_have_any_suffix(tmp_path, name):
    (tmp_path / name).write_text("text")
    assert read(tmp_path / name) == ["text"]


@pytest.mark.parametrize(("suffix", "module"), [("gz", gzip), ("xz", lzma), ("bz2", bz2)])
def test_packed(tmp_path, suffix, module):
    for name, content in (("a.txt", TEXT.encode()), ("b.jsonl", lines({"text": TEXT}))):
        path = tmp_path / f"{name}.{suffix}"
        path.write_bytes(module.compress(content))
        assert read(path) == [TEXT]
    path.write_bytes(path.read_bytes()[:-10])
    refused(path, "cannot be read")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.xz", "tar.bz2", "tgz"])
def test_archives(tmp_path, suffix):
    mode = {"tar": "w", "tgz": "w:gz"}.get(suffix) or f"w:{suffix[4:]}"
    members = {
        "books/b.txt": b"b",
        "a.txt": TEXT.encode(),
        "picture.png": b"\xff",
        "c.jsonl.gz": gzip.compress(lines({"text": "c"}, {"text": "d"})),
    }
    path = archive(tmp_path / f"x.{suffix}", mode, **members)
    assert read(path) == ["b", TEXT, "c", "d"]
    path.write_bytes(path.read_bytes()[:60])
    refused(path, "cannot be read")


def test_an_archive_without_text(tmp_path):
    path = archive(tmp_path / "x.tar", "w", **{"picture.png": b"\xff"})
    refused(path, "holds no file to read")


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    for name in ("z.txt", "a/y.md", "a/x.txt", ".hidden.txt", ".git/x.txt", "b.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (tmp_path / "c.jsonl").write_bytes(lines({"text": "c"}))
    archive(tmp_path / "m.tar.gz", "w:gz", **{"inside.txt": b"inside"})
    assert read(tmp_path) == ["a/x.txt", "a/y.md", "c", "inside", "z.txt"]


def test_a_folder_without_text(tmp_path):
    refused(tmp_path, "is empty")
    (tmp_path / "b.png").write_bytes(b"x")
    refused(tmp_path, "holds 1 files but none to read")


def test_empty_documents_are_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines({"text": "a"}, {"text": ""}) + b"\n  \n" + lines({"text": " "}))
    assert read(path) == ["a"]


def test_the_field_can_be_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines({"text": "a", "body": "b"}))
    assert read(path, field="body") == ["b"]


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (b"{oops", "line 2: is no JSON"),
        (b'["text"]', "line 2: not an object"),
        (b'{"title": "x", "n": 1}', r"line 2: no field 'text' \(its fields: title, n\)"),
        (b'{"text": 3}', "line 2: field 'text' is int"),
        (b'{"text": null}', "line 2: field 'text' is null"),
        (b'{"text": "\\ud800"}', "line 2: field 'text' holds half of a surrogate pair"),
        (b'{"text": "\xff"}', r"not UTF-8 at byte 24 \(0xff\)"),
    ],
)
def test_wrong_lines(tmp_path, line, match):
    path = tmp_path / "a.jsonl"
    # The first line has 14 bytes and a newline.
    path.write_bytes(b'{"text": "a"}\n' + line + b"\n")
    refused(path, match)


def test_not_utf8_says_which_byte(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9 au lait")
    refused(path, r"not UTF-8 at byte 3 \(0xe9\); convert")
    folder = archive(tmp_path / "x.tar.xz", "w:xz", **{"in/latin.txt": b"\xff"})
    assert "x.tar.xz:in/latin.txt" in refused(folder, "not UTF-8 at byte 0")


def test_not_there(tmp_path):
    refused(tmp_path / "nothing", "not found")


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(arrow.table({"text": ["a", TEXT, ""], "n": [1, 2, 3]}), path)
    assert read(path) == ["a", TEXT]
    refused(path, r"no column 'body' \(its columns: text, n\)", field="body")
    refused(path, "row 1: column 'n' is int", field="n")
    path.write_bytes(b"PAR1 but no more")
    refused(path, "cannot be read")


def test_hugging_face_data_are_streamed(monkeypatch):
    asked = []

    def load_dataset(*args, **options):
        asked.append((args, options))
        return {"train": iter([{"text": "a"}]), "validation": iter([{"text": "b"}])}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    documents = open_documents("hf:owner/name,config")
    assert list(documents) == [Document("a", "train"), Document("b", "valid")]
    assert asked == [(("owner/name", "config"), {"streaming": True})]
    refused("hf:name", r"no column 'body' \(its columns: text\)", field="body")


def test_hugging_face_data_that_cannot_be_opened(monkeypatch):
    def load_dataset(*args, **options):
        raise RuntimeError("no such thing\nand a long story")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    message = refused("hf:name", "cannot be opened")
    assert "no such thing" in message
    assert "story" not in message


@pytest.mark.slow
def test_hugging_face_data_on_the_disk(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": ["a", TEXT]})
    rows.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": rows}).save_to_disk(str(tmp_path / "split"))
    assert read(f"hf:{tmp_path / 'one'}") == read(f"hf:{tmp_path / 'split'}") == ["a", TEXT]


@pytest.mark.parametrize(("source", "extra"), [("hf:name", "hf"), ("a.parquet", "parquet")])
def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch, source, extra):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"")
    for name in ("datasets", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    refused(source, rf"pip install 'infonoise-text\[{extra}\]'")


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"some text\nof two lines\n", ["some text\nof two lines\n"]), (b'\n{"text": "a"}\n', ["a"])],
)
def test_what_is_piped_in_can_be_read_again(content, expected, monkeypatch):
    from infonoise_text.data.formats import stdin

    stdin.spooled.cache_clear()
    piped = SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", piped)
    documents = open_documents("-")
    for _ in range(2):
        assert [document.text for document in documents] == expected
    stdin.spooled.cache_clear()


def test_nothing_piped_in_is_refused(monkeypatch):
    from infonoise_text.data.formats import stdin

    stdin.spooled.cache_clear()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(InputError, match="-: nothing is piped in"):
        open_documents("-")
