"""Formats of text: what each gives, what is left out, and the splits that names say."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infonoise_core.errors import InputError
from infonoise_text.data.documents import Documents, open_documents
from infonoise_text.data.prepare import prepare
from infonoise_text.data.reading import Document
from infonoise_text.data.split import Division

TEXT = 'one, "two"\r\n\tthree é\n'


def texts(source: Path, **options: Any) -> list[str]:
    return [document.text for document in open_documents(str(source), **options)]


def said(source: Path, **options: Any) -> str:
    """What a whole pass over a source says."""
    documents = open_documents(str(source), **options)
    assert list(documents)
    return documents.reading.summary()


def rows(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("suffix", "delimiter"), [("csv", ","), ("csv", ";"), ("tsv", "\t"), ("tsv", ",")]
)
def test_a_table_gives_a_document_a_row(tmp_path: Path, suffix: str, delimiter: str) -> None:
    """With line ends and quotes inside of a cell, and a byte order mark in front."""
    path = tmp_path / f"a.{suffix}"
    cell = '"' + TEXT.replace('"', '""') + '"'
    path.write_bytes(f"\ufeffid{delimiter}text\r\n1{delimiter}{cell}\r\n2{delimiter}b\r\n".encode())
    assert texts(path) == [TEXT, "b"]
    with pytest.raises(InputError, match=r"no column 'body' \(its columns: id, text\)"):
        texts(path, field="body")


def test_a_damaged_table_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,n\na,1\n"b"x,2\n')
    with pytest.raises(InputError, match=r"a\.csv: row 3 is no row of a table"):
        texts(path)
    path.write_bytes(b"n,text\n1,a\n2\n")
    with pytest.raises(InputError, match="row 3: column 'text' is null"):
        texts(path)
    path.write_bytes(b"text\na\ncaf\xe9\n")
    with pytest.raises(InputError, match="not UTF-8"):
        texts(path)


def test_an_array_of_json_is_as_good_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (
        b'\xef\xbb\xbf [{"text": "a"},\n {"text": "b"}]',
        rows({"text": "a"}, {"text": "b"}),
    ):
        path.write_bytes(content)
        assert texts(path) == ["a", "b"]
    path.write_bytes(b'[{"text": "a"}, {"body": "b"}]')
    with pytest.raises(InputError, match=r"record 2: no field 'text' \(its fields: body\)"):
        texts(path)


def test_a_field_may_lie_inside_of_others(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(rows({"message": {"content": "a", "by": "b"}}, {"message.content": "c"}))
    assert texts(path, field="message.content") == ["a", "c"]
    with pytest.raises(InputError, match=r"its fields: message\.content, message\.by"):
        texts(path, field="message.text")


def test_parquet_inside_of_records(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    table = arrow.table({"m": [{"text": "a"}, {"text": None}], "n": [1, 2]})
    pyarrow.parquet.write_table(table, path)
    assert texts(path, field="m.text", skip_bad=1) == ["a"]
    for other in (path.with_name("b.parquet.gz"), path.with_name("c.tar")):
        if other.suffix == ".gz":
            other.write_bytes(gzip.compress(path.read_bytes()))
        else:
            with tarfile.open(other, "w") as archive:
                archive.add(path, "in/a.parquet")
        assert texts(other, field="m.text", skip_bad=1) == ["a"]


def test_bad_records_are_left_out_up_to_a_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(rows({"text": "a"}, {"text": None}) + b"{oops\n" + rows({"text": "b"}))
    with pytest.raises(InputError, match=r"line 2: field 'text' is null; .*--skip-bad"):
        texts(path)
    with pytest.raises(InputError, match=r"more than --skip-bad 1 are bad; the next: .*line 3"):
        texts(path, skip_bad=1)
    assert texts(path, skip_bad=2) == ["a", "b"]
    summary = said(path, skip_bad=2)
    assert summary.startswith("2 documents in 1 files (1 .jsonl); 2 bad ones left out: ")
    assert "line 2" in summary
    assert "line 3" in summary


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa")
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + rows({"text": "b"}) + b"\n\n")
    assert texts(tmp_path) == ["a", "b"]


def test_zip_and_tar_hold_files_of_every_kind(tmp_path: Path) -> None:
    """What macOS and others leave behind, links and what leads outside are none."""
    members = {
        "in/a.txt": b"a", "in/.hidden.txt": b"\xff", "__MACOSX/in/._a.txt": b"\xff", "in/b.csv":
        b"text\nb\n", "in/c.png": b"\x89PNG",
    }  # fmt: skip
    path = zipped(tmp_path / "x.zip", **members)
    assert texts(path) == ["a", "b"]
    assert "1 files left out, of no known kind: x.zip:in/c.png" in said(path)
    tar = tmp_path / "x.tar"
    with tarfile.open(tar, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("in/d.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    assert texts(tar) == ["a", "b"]


def test_a_zip_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", **{"a.txt": b" " * (100 << 20)})
    with pytest.raises(InputError, match="unpacks to more than"):
        texts(path)


def test_zstandard(tmp_path: Path) -> None:
    library = pytest.importorskip("zstandard")
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(library.compress(rows({"text": TEXT})))
    assert texts(path) == [TEXT]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"%PDF-1.7 ...", "a PDF; make text of it first"),
        (b"PK\x03\x04...", "a ZIP container"),
        (b"\xff\xfea\0", "UTF-16; convert it to UTF-8"),
        (bytes(5000), "zero bytes; convert it to UTF-8 if it is UTF-16"),
        ("without a mark".encode("utf-16-le"), "zero bytes"),
        (b"PAR1....", "Parquet; give it the suffix .parquet"),
    ],
)
def test_a_file_that_is_no_text_is_called_by_its_name(
    tmp_path: Path, content: bytes, what: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what):
        texts(path)


def test_what_is_left_out_of_a_folder_is_said(tmp_path: Path) -> None:
    for name in ("a.txt", "b.MD", "c.html", "d.py", "README"):
        (tmp_path / name).write_text(name)
    (tmp_path / "e.txt").write_text(" \n")
    assert texts(tmp_path) == ["a.txt", "b.MD"]
    summary = said(tmp_path)
    assert summary == (
        "2 documents in 3 files (1 .md, 2 .txt); 1 empty ones left out; 3 files left out, of no"
        " known kind: README, c.html, d.py"
    )


def test_tables_and_json_that_lie_beside_text_are_left_out(tmp_path: Path) -> None:
    """Where they hold no such field; but one that is named, or is all there is, must have it."""
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "package.json").write_text('{"name": "b"}')
    (tmp_path / "c.csv").write_text("x,y\n1,2\n")
    (tmp_path / "notes.json").write_text("no JSON at all\nbut notes\n")
    assert texts(tmp_path) == ["a"]
    assert said(tmp_path).endswith(
        "; 2 files left out, without a field 'text': c.csv, package.json; 1 files left out, no json"
        " to read: notes.json"
    )
    with pytest.raises(InputError, match="no column 'text'"):
        texts(tmp_path / "c.csv")
    (tmp_path / "a.txt").unlink()
    with pytest.raises(InputError, match="no column 'text'"):
        texts(tmp_path)
    (tmp_path / "d.jsonl").write_bytes(rows({"text": "d"}, {"body": "e"}))
    with pytest.raises(InputError, match="line 2: no field 'text'"):
        texts(tmp_path)


def test_a_pattern_names_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).write_text(name)
    assert texts(tmp_path / "*.txt") == ["a.txt", "b.txt"]
    with pytest.raises(InputError, match="no file is called so"):
        open_documents(str(tmp_path / "*.csv"))


# Splits


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt", "valid.txt", "test.txt"),
        ("wiki.train.tokens", "wiki.val.tokens", "wiki.test.tokens"),
        ("train/a.txt", "validation/a.txt", "test/a.txt"),
    ],
)
def test_the_splits_that_names_say_are_used(tmp_path: Path, names: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"text {i}")
    found = {document.text: document.split for document in open_documents(str(tmp_path))}
    assert found == {"text 0": "train", "text 1": "valid", "text 2": "test"}


def test_several_files_may_be_named_and_say_splits(tmp_path: Path) -> None:
    for name in ("a.train.txt", "a.valid.txt", "a.test.txt"):
        (tmp_path / name).write_text(name)
    names = [str(tmp_path / f"a.{split}.txt") for split in ("train", "test", "valid")]
    documents = open_documents(names)
    assert list(documents) == [
        Document("a.train.txt", "train"), Document("a.test.txt", "test"),
        Document("a.valid.txt", "valid"),
    ]  # fmt: skip
    assert documents.name == "a.train.txt and 2 more"
    with pytest.raises(InputError, match="nothing: not found"):
        open_documents([names[0], str(tmp_path / "nothing")])


def test_names_that_say_a_split_only_here_and_there_are_not_used(tmp_path: Path) -> None:
    for name in ("train.txt", "test.txt", "other.txt"):
        (tmp_path / name).write_text(name)
    documents = open_documents(str(tmp_path))
    assert {document.split for document in documents} == {None}
    assert (
        documents.reading.note == "only some file names say a split, so the splits are drawn anew"
    )


def test_given_splits_are_kept_and_the_others_drawn() -> None:
    """Of documents with the same text in train and the given test, it is said how many."""
    train = [Document(f"text {i}") for i in range(40)]
    given = [Document("held out", "test"), Document("text 3", "test")]
    documents = Documents("some", lambda _: iter([*train, *given]))
    division = Division.of(documents)
    assert division.drawn == ("valid",)
    assert division.shared == 1
    splits = [split for document in train for split, _ in division.pieces(document)]
    assert set(splits) == {"train", "valid"}
    assert 0 < splits.count("valid") <= 2  # a twentieth of 40
    assert [list(division.pieces(document)) for document in given] == [
        [("test", "held out")], [("test", "text 3")],
    ]  # fmt: skip


def test_held_out_text_may_be_named(tmp_path: Path, topics: list[str], tokenizer: Any) -> None:
    for name, part in (("a", topics[:8]), ("v", topics[8:10]), ("t", topics[10:])):
        (tmp_path / name).write_bytes(rows(*({"text": text} for text in part)))
        (tmp_path / name).rename(tmp_path / f"{name}.jsonl")
    documents = open_documents(
        str(tmp_path / "a.jsonl"), val=str(tmp_path / "v.jsonl"), test=str(tmp_path / "t.jsonl")
    )
    corpus = prepare(documents, tmp_path / "out", tokenizer=tokenizer)
    counts = {name: c.documents for name, c in corpus.manifest.splits.items()}
    assert counts == {"train": 8, "valid": 2, "test": len(topics) - 10}
    assert corpus.manifest.given == ["valid", "test"]
