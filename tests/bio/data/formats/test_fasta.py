"""FASTA by blocks: the same records and counts as Biopython's and as record by record."""

import gzip

import numpy as np
import pytest
from Bio import SeqIO

from infonoise_bio.alphabet import only_bases
from infonoise_bio.data.formats import fasta
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.record import Record
from infonoise_core.errors import InputError


def write(path, records, wrap, end="\n"):
    text = ""
    for head, letters in records:
        lines = [letters[i : i + wrap] for i in range(0, len(letters), wrap)]
        text += end.join([f">{head}", *lines, ""])
    path.write_text(text, newline="")
    return path


def made(seed, n=60, letters="ACGT"):
    rng = np.random.default_rng(seed)
    return [
        (f"r{i} label=x{i} note=a>b;c#d", "".join(rng.choice(list(letters), rng.integers(1, 90))))
        for i in range(n)
    ]


def read(path):
    counts = Counts()
    return list(fasta.read_fasta(path, counts)), counts


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 16])
@pytest.mark.parametrize("letters", ["ACGT", "ACGTacgtN", "ACGUNRYu", "AC GT"])
def test_blocks_of_any_size_hold_the_same_records(tmp_path, monkeypatch, block, letters):
    """Whatever the block is cut at, whatever the letters: what record by record gives."""
    records = [(head, "A" + text + "A") for head, text in made(len(letters), letters=letters)]
    for wrap, end in ((1000, "\n"), (7, "\n"), (7, "\r\n")):
        path = write(tmp_path / "a.fa", records, wrap, end)
        monkeypatch.setattr(fasta, "_BLOCK", block)
        found, counts = read(path)
        with monkeypatch.context() as slow:
            slow.setattr(fasta, "_plain_block", lambda *_: None)
            expected, their_counts = read(path)
        assert [(r.id, r.letters, r.where) for r in found] == [
            (r.id, r.letters, r.where) for r in expected
        ]
        assert counts == their_counts
        assert [dict(r.fields) for r in found] == [dict(r.fields) for r in expected]
        with path.open() as handle:
            known = [str(r.seq) for r in SeqIO.parse(handle, "fasta")]
        known = [k.replace(" ", "").replace("U", "T").replace("u", "t") for k in known]
        assert [r.letters.decode() for r in found] == known


def test_records_before_one_at_fault_come_first(tmp_path):
    path = write(tmp_path / "a.fa", [*made(1, 5), ("bad", "ACG!T"), ("last", "ACGT")], 1000)
    reader = fasta.read_fasta(path, Counts())
    assert [next(reader).id for _ in range(5)] == [f"r{i}" for i in range(5)]
    with pytest.raises(InputError, match=r"record 'bad': '!' at position 3"):
        next(reader)


def test_what_a_record_is_called():
    record = Record("r1", b"ACGT", "r1 label=x", fasta.Path("a.fa"))
    assert record.where == "a.fa: record 'r1'"
    assert record.fields == {"label": "x"}
    assert Record("r1", b"ACGT", {}, "line 3").where == "line 3"
    # An id is no field, whatever it looks like.
    assert Record("label=y", b"ACGT", "label=y", "line 3").fields == {}


def test_only_bases(monkeypatch):
    monkeypatch.setattr("infonoise_bio.alphabet._AT_ONCE", 8)
    assert only_bases(b"")
    assert only_bases(b"ACGT" * 9)
    for other in (b"N", b"a", b"\n", b"U"):
        for at in (0, 7, 8, 30):
            text = bytearray(b"ACGT" * 9)
            text[at : at + 1] = other
            assert not only_bases(bytes(text))


def test_a_name_that_says_gz_is_packed_and_others_are_refused(tmp_path):
    records = [Record("a", b"ACGT" * 30, {"label": "B cell"}, "a"), Record("b", b"ACG", {}, "b")]
    plain, packed = tmp_path / "x.fa", tmp_path / "x.fa.gz"
    for path in (plain, packed):
        fasta.check_fasta(path, overwrite=False)
        fasta.write_fasta(path, records)
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    again = tmp_path / "y.fa.gz"
    fasta.write_fasta(again, records)
    assert again.read_bytes() == packed.read_bytes()
    assert [r.id for r in read(packed)[0]] == ["a", "b"]
    for name in ("x.fa.bz2", "x.zip", "x.fa.bgz"):
        with pytest.raises(InputError, match=r"is written as plain text or \.gz, not as"):
            fasta.check_fasta(tmp_path / name, overwrite=False)
