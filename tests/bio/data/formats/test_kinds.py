"""Formats by name or content: FASTQ, EMBL, lines; and every way to compress a file."""

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pytest
from Bio import SeqIO

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.kinds import format_of
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.open import read_source
from infonoise_core import InputError

GENOMES = Path(__file__).parents[5] / "shared" / "data" / "dna" / "genomes"
FASTA = ">a label=x\nACGT\n>b\nGGTT\n"
LETTERS = [b"ACGT", b"GGTT"]


def read(path: Path, **reading):
    return list(read_source(path, Reading(**reading), Counts()))


def packed(path: Path, content: bytes) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("folder/x.fa", content)
            archive.writestr("__MACOSX/folder/._x.fa", b"\0")
        return path
    compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[path.suffix]
    path.write_bytes(compress(content))
    return path


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zip"])
@pytest.mark.parametrize("name", ["x.fa", "x"])
def test_every_way_to_compress(ending, name, tmp_path):
    path = packed(tmp_path / f"{name}{ending}", FASTA.encode())
    assert [r.letters for r in read(path)] == LETTERS


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zip"])
def test_what_is_cut_off_is_one_line(ending, tmp_path):
    path = packed(tmp_path / f"x.fa{ending}", FASTA.encode() * 50)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match=r"damaged|cut off|get it again") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_zip_of_several_files_says_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.fa", FASTA)
        archive.writestr("b.fa", FASTA)
    with pytest.raises(InputError, match=r"holds 2 files \(a.fa, b.fa\)"):
        read(tmp_path / "x.zip")


def test_a_zip_that_unpacks_without_end_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.fa.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.fa", b">a\n" + bytes(2**27))
    with pytest.raises(InputError, match="unpacks to more than 100 times its size"):
        read(tmp_path / "x.fa.zip")


FASTQ = "@r1 label=x\nACGT\n+\nIIII\n@r2\nGGTT\n+r2\n@@II\n"


@pytest.mark.parametrize("name", ["x.fq", "x.fastq", "x"])
def test_fastq(name, tmp_path):
    path = tmp_path / name
    path.write_text(FASTQ)
    found = read(path)
    assert [(r.id, r.letters) for r in found] == [("r1", b"ACGT"), ("r2", b"GGTT")]
    assert found[0].fields == {"label": "x"}


@pytest.mark.parametrize("cut", [3, 12, 16, 40])
def test_fastq_that_is_cut_off_is_one_line(cut, tmp_path):
    (tmp_path / "x.fq").write_text(FASTQ[:-cut])
    with pytest.raises(InputError, match=r"FASTQ|no sequence") as caught:
        read(tmp_path / "x.fq")
    assert "\n" not in str(caught.value)


def test_one_sequence_a_line(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("# comment\nACGT\n\nggtt\n")
    assert format_of(path) == "lines"
    assert [(r.id, r.letters) for r in read(path)] == [("seq1", b"ACGT"), ("seq2", b"ggtt")]
    path.write_text("ACGT\nACGT 1.5\n")
    with pytest.raises(InputError, match="line 2 holds several words"):
        read(path)
    path.write_text("hello\n")
    with pytest.raises(InputError, match="ending is that of no format"):
        read(path)


@pytest.mark.data
def test_embl_is_read_as_genbank(tmp_path):
    genbank = GENOMES / "NC_005816.gb"
    with genbank.open() as old, (tmp_path / "x.embl").open("w") as new:
        SeqIO.convert(old, "genbank", new, "embl")
    ours, theirs = (
        read(path, feature="CDS", around="start", upstream=5, downstream=20)
        for path in (tmp_path / "x.embl", genbank)
    )
    assert [(r.id, r.letters) for r in ours] == [(r.id, r.letters) for r in theirs]
    text = (tmp_path / "x.embl").read_text()
    (tmp_path / "x.embl").write_text(text[:-900])
    with pytest.raises(InputError, match="cut off"):
        read(tmp_path / "x.embl")


def test_a_format_is_known_behind_empty_lines_and_comments(tmp_path):
    path = tmp_path / "x.txt"
    for before in ("\n\n", "# made by hand\n", "\n#\n "):
        path.write_text(before.rstrip(" ") + FASTA)
        assert format_of(path) == "fasta"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "x.sam",
            b"@HD\tVN:1.6\nr1\t0\tc\t1\t60\t4M\t*\t0\t0\tACGT\tIIII\n",
            "this is aligned reads",
        ),
        ("x.sam", b"r1\t0\tc\t1\t60\t4M\t*\t0\t0\tACGT\tIIII\n", "this is aligned reads"),
        ("reads", gzip.compress(b"BAM\x01rest", mtime=0), "make FASTQ of them"),
        ("x.aln", b"CLUSTAL W (1.83)\n\na  ACGT\n", "this is an alignment"),
        ("x.txt", b"# STOCKHOLM 1.0\na ACGT\n//\n", "this is an alignment"),
        ("x.wig", b"fixedStep chrom=c start=1 step=1\n1\n", "this is a track of numbers"),
        ("x.bedGraph", b"c\t0\t10\t0.5\n", "give its intervals as BED"),
        ("x.jsonl", b'{"sequence": "ACGT"}\n', "this is JSON"),
        ("x", b'[{"sequence": "ACGT"}]', "this is JSON"),
        ("x.parquet", b"PAR1rest", "of another program; write the letters"),
        ("x.gfa", b"S\t1\tACGT\n", "an assembly graph"),
        ("x.txt", b"a\tACGTACGTAC\t0.5\n", "a line holds more than a sequence; make a table"),
    ],
)
def test_formats_of_other_programs_are_called_what_they_are(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["x.aln", "x.dna", "x.phy"])
def test_sequences_are_read_whatever_their_ending(name, tmp_path):
    (tmp_path / name).write_text(FASTA)
    assert format_of(tmp_path / name) == "fasta"
