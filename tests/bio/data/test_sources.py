"""Several files, folders, patterns and standard input, as one stream of sequences."""

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from infonoise_bio.alphabet import letters_of
from infonoise_bio.data import sources
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.options import Splitting
from infonoise_bio.data.region import place_of
from infonoise_bio.data.sequences import load_sequences
from infonoise_core import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = letters_of(np.random.default_rng(0).integers(0, 4, (40, 30)).astype(np.uint8))
    for name, some in (("strong", rows[:20]), ("weak", rows[20:])):
        text = "".join(f">chr1:{i}-{i + 30}\n{row}\n" for i, row in enumerate(some))
        (tmp_path / f"{name}.fa").write_text(text)
    (tmp_path / "notes.md").write_text("not sequences")
    return tmp_path


def test_a_class_for_each_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for source in ("strong.fa,weak.fa", "*.fa", ".", folder):
        found = load_sequences(source, splitting=Splitting(val=0, test=0), label="file")
        assert found.classes == ("strong", "weak")
        assert found.labels is not None
        assert found.labels.tolist() == [0] * 20 + [1] * 20


def test_an_id_of_two_files_gets_the_name_of_the_second(folder):
    counts = Counts()
    source = f"{folder / 'strong.fa'},{folder / 'weak.fa'}"
    found = list(sources.read_sources(source, Reading(), counts))
    assert [r.id for r in found[19:21]] == ["chr1:19-49", "chr1:0-30|weak"]
    assert [place_of(r) for r in found[20:22]] == [("chr1", 0, 30), ("chr1", 1, 31)]
    assert counts.records == 40


def test_two_files_are_not_one_class_nor_one_file_two(folder):
    (folder / "more").mkdir()
    other = folder / "more" / "weak.fa.gz"
    other.write_bytes(gzip.compress((folder / "weak.fa").read_bytes()))
    source = f"{folder / 'weak.fa'},{other}"
    assert len(list(sources.read_sources(source, Reading(), Counts()))) == 40
    with pytest.raises(InputError, match=r"would be one class, 'weak'; rename one"):
        list(sources.read_sources(source, Reading(), Counts(), "file"))
    source = f"{folder / 'weak.fa'},{folder / 'more' / '..' / 'weak.fa'}"
    with pytest.raises(InputError, match=r"weak\.fa is named twice"):
        list(sources.read_sources(source, Reading(), Counts()))


def test_a_comma_in_a_name_is_no_list(folder):
    path = folder / "a,b.fa"
    path.write_text(">a\nACGT\n")
    assert sources.paths_of(path) == [path]


def test_what_is_not_there_is_named(folder):
    for source, match in (
        (f"{folder / 'strong.fa'},{folder / 'none.fa'}", "none.fa: no such file"),
        (f"{folder}/*.bed", "no such file"),
    ):
        with pytest.raises(InputError, match=match):
            list(sources.read_sources(source, Reading(), Counts()))
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="without a file of sequences"):
        sources.paths_of(folder / "empty")


def test_standard_input_is_read_as_often_as_needed(monkeypatch):
    sources._standard_input.cache_clear()
    piped = io.TextIOWrapper(io.BytesIO(b">a\nACGT\n"))
    monkeypatch.setattr(sys, "stdin", piped)
    for _ in range(2):
        (record,) = sources.read_sources("-", Reading(), Counts())
        assert record.letters == b"ACGT"
    sources._standard_input.cache_clear()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(InputError, match="nothing is piped in"):
        sources.paths_of("-")
    sources._standard_input.cache_clear()
