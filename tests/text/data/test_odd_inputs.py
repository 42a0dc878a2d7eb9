"""Inputs that other programs write: each is read whole, or refused in words that say what it is."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infonoise_core.errors import InputError
from infonoise_text.data.documents import open_documents
from infonoise_text.data.formats import stdin
from infonoise_text.data.prompts import read_prompts

RECORDS = [{"text": "one"}, {"text": "two"}]
LINES = "".join(f"{json.dumps(record)}\n" for record in RECORDS)


def texts(path: Path, content: bytes | str | None = None, **options: Any) -> list[str]:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [document.text for document in open_documents(str(path), **options)]


@pytest.mark.parametrize("name", ["a.jsonlines", "a.jl", "a.jsonl", "a.JSONL", "a.json"])
def test_json_lines_go_by_several_names(tmp_path: Path, name: str) -> None:
    assert texts(tmp_path / name, LINES) == ["one", "two"]


@pytest.mark.parametrize("content", [json.dumps(RECORDS), f"\ufeff{json.dumps(RECORDS, indent=1)}"])
def test_an_array_is_read_where_lines_should_be(tmp_path: Path, content: str) -> None:
    assert texts(tmp_path / "a.jsonl", content) == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{\n "text": "one"\n}\n', "line 1: the object goes on in the next; give one per line"),
        ('[{"text": "one"},]', "a.jsonl: is no JSON that can be read .*line 1"),
        (
            '{"text": ["a", "b"]}',
            "line 1: field 'text' is a list; name what is in it: --field text.0",
        ),
        ('{"text": {"en": "a"}}', "'text' is an object; name what is in it: --field text.en"),
        ('{"text": []}', "'text' is list; give text"),
        ('{"m": [{"role": "user", "content": "a"}]}', r"its fields: m\.0\.role, m\.0\.content"),
    ],
)
def test_records_of_another_form_are_named(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        texts(tmp_path / "a.jsonl", content)


def test_a_field_may_lie_in_a_list_and_beside_numbers_of_any_size(tmp_path: Path) -> None:
    record = {"id": 10**30, "messages": [{"content": "one"}, {"content": "two"}]}
    path = tmp_path / "a.jsonl"
    assert texts(path, json.dumps(record), field="messages.1.content") == ["two"]
    with pytest.raises(InputError, match=r"no field 'messages\.2\.content'"):
        texts(path, field="messages.2.content")
    with pytest.raises(InputError, match="field 'id' is int"):
        texts(path, field="id")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text,n\na, b, c,1\n", r"row 2: 4 cells under a header of 2; put quotes .* hold ','"),
        ("text\na, b\n", "row 2: 2 cells under a header of 1"),
        ("text,text\na,b\n", "2 columns are called 'text'; give one another name"),
        ("id,text\n1,a\n".encode("utf-16"), "not text but UTF-16"),
        (b"PK\x03\x04\0\0", "ZIP container"),
    ],
)
def test_a_table_never_gives_a_part_of_a_text(
    tmp_path: Path, content: bytes | str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        texts(tmp_path / "a.csv", content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,text,\n1,one,\n2,two,,,\n"),
        ("a.csv", "\n\nid, text\n1,one\n2,two\n"),
        ("a.csv", '"i,d";"text"\n1;one\n\n2;two\n'),
        ("a.tab", "id\ttext\n1\tone\n2\ttwo\n"),
    ],
)
def test_tables_of_spreadsheets(tmp_path: Path, name: str, content: str) -> None:
    assert texts(tmp_path / name, content) == ["one", "two"]


def test_a_row_of_too_many_cells_can_be_left_out(tmp_path: Path) -> None:
    assert texts(tmp_path / "a.csv", "text,n\na,b,1\nc,2\n", skip_bad=1) == ["c"]


def test_parquet_of_bytes_is_read_and_of_two_such_columns_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(["é".encode(), b"two"], pa.binary())}), path)
    assert texts(path) == ["é", "two"]
    pq.write_table(pa.table({"text": pa.array([b"\xff"], pa.binary())}), path)
    with pytest.raises(InputError, match="row 1: column 'text' is bytes that are not UTF-8"):
        texts(path)
    column = pa.array(["a"])
    pq.write_table(pa.table([column, column], names=["text", "text"]), path)
    with pytest.raises(InputError, match="2 columns are called 'text'"):
        texts(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.html", "<p>hello</p>", "is HTML; make text of it first.* or call it .txt"),
        ("page", "\n<!DOCTYPE html>\n<html></html>", "is HTML"),
        ("a.xml", "<mediawiki><page/></mediawiki>", "is XML"),
        ("dump", "<?xml version='1.0'?><rss/>", "is XML"),
        ("a.ipynb", '{"cells": []}', "is a notebook"),
        ("page", "WARC/1.0\r\nWARC-Type: response\r\n", "is a web archive"),
        ("a.mbox", "From a Mon Jan 1\nSubject: b\n\nhello\n", "is mail with its headers"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nhello\n", "is subtitles with their times"),
        ("a.ps", "%!PS-Adobe-3.0\n", "PostScript"),
        ("a.txt", b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        ("a.pkl", b"\x80\x04\x95\xff", "a pickle"),
        ("a.dat", bytes(range(1, 256)), "not text but binary data"),
        ("a.mp3", b"ID3\x03\xff\xfb", "a sound"),
        ("a.txt", "ID3 tags are described here.\nMZ begins programs.\n", None),
        ("a.html.txt", "<html>learned as it is written</html>", None),
        ("a.txt", "café".encode("latin-1"), "not UTF-8 at byte 3"),
        ("a.txt", "€ 5".encode("cp1252"), "not UTF-8 at byte 0"),
    ],
)
def test_what_is_no_text_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes | str, words: str | None
) -> None:
    if words is None:
        assert texts(tmp_path / name, content)
        return
    with pytest.raises(InputError, match=words):
        texts(tmp_path / name, content)


def test_archives_in_archives_and_without_their_suffix(tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:bz2") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"one"))
    assert texts(tmp_path / "a.tbz", held.getvalue()) == ["one"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as outer:
        outer.writestr("in/a.tbz", held.getvalue())
        outer.writestr("b.txt", "two")
    with pytest.raises(InputError, match=r"a\.zip:in/a\.tbz: an archive in an archive"):
        texts(tmp_path / "a.zip")
    assert texts(tmp_path / "a.zip", skip_bad=1) == ["two"]
    with tarfile.open(tmp_path / "plain", "w") as archive:
        archive.add(tmp_path / "a.zip", "a.zip")
    with pytest.raises(InputError, match=r"a tar archive; give it the suffix \.tar"):
        texts(tmp_path / "plain")


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train.txt", "eval.txt"), ["train", "valid"]),
        (("train1.txt", "train2.txt", "heldout-1.txt"), ["train", "train", "test"]),
        (("data/train-0-of-1.jsonl", "data/test-0-of-1.jsonl", "README.md"), ["train", "test"]),
        (("train.jsonl", "validation.jsonl", "dataset_infos.json"), ["train", "valid"]),
        (("train.txt", "valid.txt", "more.txt"), [None, None, None]),
        (("README.md", "train.txt"), [None, None]),
    ],
)
def test_files_that_tell_of_the_splits_beside_them_are_no_text(
    tmp_path: Path, names: tuple[str, ...], splits: list[str | None]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(LINES.splitlines()[0] if "json" in name else "words")
    with zipfile.ZipFile(tmp_path.parent / f"{tmp_path.name}.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / name, name)
    for source in (tmp_path, tmp_path.parent / f"{tmp_path.name}.zip"):
        documents = open_documents(str(source))
        found = [document.split for document in documents]
        assert sorted(map(str, found)) == sorted(map(str, splits))
        kept = len(names) - len(splits)
        assert ("beside files whose names say a split" in documents.reading.summary()) == bool(kept)


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (LINES.encode(), ".jsonl"),
        (b"\xef\xbb\xbf \n[ \n {", ".jsonl"),
        (b"[Illustration]\n", ""),
        (b"", ""),
        (b"\x1f\x8bno gzip behind it", ".gz"),
    ],
)
def test_what_is_piped_in_is_called_by_what_it_holds(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    (tmp_path / "stdin").write_bytes(content)
    assert stdin._suffix(tmp_path / "stdin") == suffix


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "\ufeffone\u2028more\x85\r\n\r\ntwo\fmore\n"),
        ("a", "one\u2028more\x85\rtwo\fmore"),
        ("a.json", json.dumps([{"prompt": "one\u2028more\x85"}, {"prompt": "two\fmore"}])),
        ("a.JSONL", '{"prompt": "one\u2028more\x85"}\n\n{"prompt": "two\\fmore"}\n'),
        ("a.csv", "n,prompt\n1,one\u2028more\x85\n2,two\fmore\n"),
    ],
)
def test_prompts_are_lines_or_records_whatever_is_in_them(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert read_prompts(tmp_path / name) == ["one\u2028more\x85", "two\fmore"]


def test_prompts_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"%PDF-1.7\n")
    with pytest.raises(InputError, match="a PDF"):
        read_prompts(tmp_path / "a.txt")
    (tmp_path / "a.jsonl").write_text('{"prompt": "one"}\n{"prompt": ""}\n')
    with pytest.raises(InputError, match=r"a\.jsonl: prompt 2 is empty"):
        read_prompts(tmp_path / "a.jsonl")
