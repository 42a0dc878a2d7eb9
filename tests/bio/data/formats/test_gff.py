"""GFF3 and GTF: features joined, counted from 1 in the file, and one line for each mistake."""

from pathlib import Path

import pytest

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.open import read_source
from infonoise_core import InputError

LETTERS = "ACGTTGCAACCGGTTAAACCCGGGTTTACGATCGATTACGGATCCTAGGAT"
COMPLEMENT = str.maketrans("ACGT", "TGCA")


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text(f">c1\n{LETTERS}\n>c2\n{LETTERS[::-1]}\n")
    return path


def row(kind: str, start: int, end: int, strand: str, said: str, name: str = "c1") -> str:
    return "\t".join([name, "x", kind, str(start), str(end), ".", strand, ".", said]) + "\n"


def read(path: Path, text: str, genome: Path, **reading):
    path.write_text(text)
    counts = Counts()
    return list(read_source(path, Reading(genome=genome, **reading), counts)), counts


def backwards(letters: str) -> bytes:
    return letters[::-1].translate(COMPLEMENT).encode()


def test_gff3_joins_the_lines_of_one_id(tmp_path, genome):
    text = (
        "##gff-version 3\n# by hand\n"
        + row("gene", 5, 30, "-", "ID=gene1;Name=abc")
        + row("CDS", 5, 10, "-", "ID=cds1;Parent=gene1;product=a%3Bb")
        + row("CDS", 21, 30, "-", "ID=cds1;Parent=gene1")
        + row("CDS", 1, 6, "+", "ID=cds2", "c2")
        + "##FASTA\n>c1\nACGT\n"
    )
    (first, second), counts = read(tmp_path / "x.gff3", text, genome, feature="CDS")
    assert first.id == "c1:20-30(-),4-10(-)"
    assert first.letters == backwards(LETTERS[20:30]) + backwards(LETTERS[4:10])
    assert first.fields["product"] == "a;b"
    assert second.id == "c2:0-6(+)"
    assert counts.comments == 1


def test_gtf_joins_the_coding_parts_of_a_transcript_and_nothing_else(tmp_path, genome):
    said = 'gene_id "g1"; transcript_id "t1"; gene_name "x; y"; exon_number 1;'
    text = "".join(
        row(kind, *span, "+", said) for kind in ("exon", "CDS") for span in ((31, 36), (1, 6))
    )
    (joined,), _ = read(tmp_path / "x.gtf", text, genome, feature="CDS")
    assert joined.letters.decode() == LETTERS[:6] + LETTERS[30:36]
    assert joined.fields["gene_name"] == "x; y"
    apart, _ = read(tmp_path / "x.gtf", text, genome, feature="exon")
    assert sorted(r.id for r in apart) == ["c1:0-6(+)", "c1:30-36(+)"]


def test_partial_and_pseudo_genes_have_no_start(tmp_path, genome):
    text = (
        row("CDS", 11, 20, "+", "ID=a;partial=true;start_range=.,11")
        + row("CDS", 11, 20, "-", "ID=b;partial=true;start_range=.,11")
        + row("CDS", 21, 30, "+", "ID=c;pseudo=true")
        + row("CDS", 21, 30, "-", "ID=d;gene_biotype=transcribed_pseudogene")
    )
    found, counts = read(tmp_path / "x.gff", text, genome, feature="CDS", around="start",
                         downstream=3)  # fmt: skip
    assert [r.id for r in found] == ["c1:17-20(-)"]
    assert (counts.partial, counts.pseudo) == (1, 2)


def test_a_circular_sequence_goes_on_across_its_end(tmp_path, genome):
    n = len(LETTERS)
    text = row("region", 1, n, "+", "ID=c1;Is_circular=true") + row(
        "CDS", n - 3, n + 4, "+", "ID=a"
    )
    (found,), _ = read(tmp_path / "x.gff", text, genome, feature="CDS")
    assert found.letters.decode() == LETTERS[-4:] + LETTERS[:4]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("c1\tx\tCDS\t1\n", "line 1 has 4 columns, not 9"),
        (row("CDS", 9, 4, "+", "ID=a"), "line 1: 9 to 4 is no stretch"),
        (row("CDS", 0, 4, "+", "ID=a"), "line 1: 0 to 4 is no stretch"),
        (row("CDS", 1, 4, "x", "ID=a"), "line 1: strand 'x'"),
        (row("CDS", 1, 4, "+", "ID=a").replace("\t1\t", "\tone\t"), "line 1: has no start"),
        (row("gene", 1, 4, "+", "ID=a"), r"has no 'CDS'; it has gene \(1\)"),
        (row("CDS", 1, 4, "+", "ID=a", "chr9"), "line 1, chr9:0-4: .* has no sequence 'chr9'"),
    ],
)
def test_mistakes_are_one_line(text, match, tmp_path, genome):
    with pytest.raises(InputError, match=match) as caught:
        read(tmp_path / "x.gff", text, genome, feature="CDS")
    assert "\n" not in str(caught.value)


def test_a_feature_and_a_genome_are_needed(tmp_path, genome):
    text = row("gene", 1, 4, "+", "ID=a")
    with pytest.raises(InputError, match=r"give --feature; it has gene \(1\)"):
        read(tmp_path / "x.gff", text, genome)
    with pytest.raises(InputError, match="--genome"):
        list(read_source(tmp_path / "x.gff", Reading(feature="gene"), Counts()))
