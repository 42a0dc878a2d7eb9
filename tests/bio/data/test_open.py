"""Reading files: what each format gives, and one line for each mistake in them."""

import gzip
from pathlib import Path

import pytest
from Bio import SeqIO, bgzf
from Bio.Seq import Seq
from Bio.SeqFeature import CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.inspection import inspect_file
from infonoise_bio.data.open import format_of, read_source
from infonoise_core import InputError

GENOMES = Path(__file__).parents[4] / "shared" / "data" / "dna" / "genomes"
TWO = ">a first label=x expr=1.5\nACGT\nNNac\n\n>b\nTTTT\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def read(path: Path, **reading):
    counts = Counts()
    return list(read_source(path, Reading(**reading), counts)), counts


def refused(path: Path, match: str, **reading) -> str:
    with pytest.raises(InputError, match=match) as caught:
        read(path, **reading)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def genbank(path: Path, letters: str, features=(), topology="linear", name="G1") -> Path:
    record = SeqRecord(Seq(letters), id=name, name=name, description="made up")
    record.annotations = {"molecule_type": "DNA", "topology": topology}
    record.features = list(features)
    SeqIO.write(record, path, "genbank")
    return path


# FASTA


def test_fasta(tmp_path):
    (a, b), counts = read(write(tmp_path / "x.fa", TWO))
    assert (a.id, a.letters, a.fields) == ("a", b"ACGTNNac", {"label": "x", "expr": "1.5"})
    assert (b.id, b.letters, b.fields) == ("b", b"TTTT", {})
    assert counts.to_dict() == Counts(records=2, bases=12, ambiguous=2, lower=2).to_dict()


@pytest.mark.parametrize("mark", [";", "#"])
def test_comments_are_skipped_wherever_they_stand_and_counted(tmp_path, mark):
    text = f"{mark} one\n\n>a\nAC\n{mark} >no header\nGT\n>b\n{mark}\nTT\n{mark}"
    (a, b), counts = read(write(tmp_path / "x.fa", text))
    assert (a.letters, b.letters) == (b"ACGT", b"TT")
    assert counts.comments == 4


def test_rna_and_line_ends_and_byte_order_mark(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(b"\xef\xbb\xbf>a\r\nACGU\r\nu\r\n")
    (a,), counts = read(path)
    assert a.letters == b"ACGTt"
    assert counts.uracil == 2


def gz(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def bgz(path: Path, text: str) -> Path:
    with bgzf.BgzfWriter(str(path), "wb") as handle:
        # Blocks of their own, so that a cut between two is possible.
        for line in text.splitlines(keepends=True):
            handle.write(line.encode())
            handle.flush()
    return path


@pytest.mark.parametrize("pack", [gz, bgz])
@pytest.mark.parametrize("name", ["x.fa.gz", "x.fa.bgz", "x.fa", "noname"])
def test_compressed_by_content(tmp_path, pack, name):
    records, _ = read(pack(tmp_path / name, TWO))
    assert [r.letters for r in records] == [b"ACGTNNac", b"TTTT"]


@pytest.mark.parametrize("pack", [gz, bgz])
def test_cut_off_anywhere(tmp_path, pack):
    whole = pack(tmp_path / "whole.fa.gz", TWO * 50).read_bytes()
    path = tmp_path / "x.fa.gz"
    for end in range(2, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:end])
        assert str(path) in refused(path, "cut off or damaged")


def test_a_bgz_file_cut_between_blocks_names_the_last_record(tmp_path):
    text = "".join(f">r{i}\nACGT\n" for i in range(40_000))
    whole = gzip.compress(text.encode())
    path = tmp_path / "x.fa.gz"
    path.write_bytes(whole[: len(whole) // 2])
    assert "after record 'r" in refused(path, "cut off")
    whole = bgz(path, TWO).read_bytes()
    path.write_bytes(whole[:-28])  # without the block that ends a bgz file
    refused(path, "cut off")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "holds no sequence"),
        ("; only a comment\n", "holds no sequence"),
        ("ACGT\n", "starts with 'ACGT'"),
        (">a\n>b\nAC\n", "record 'a': is empty"),
        (">a\nAC\n>\nAC\n", "record 2 has no id"),
        (">p1 kinase\nMKVLAAGIVGL\n", r"record 'p1': 'L' at position 3 .from 0. is no nucleotide"),
        (">a\nAC-GT\n", "record 'a': '-' at position 2"),
        (">a\nACGT*\n", "position 4"),
        (">a\nAC12\n", "'1' at position 2"),
        (">a\nACÄ\n", "'Ä' at position 2"),
    ],
)
def test_bad_fasta(tmp_path, text, match):
    path = tmp_path / "x.fa"
    path.write_text(text, encoding="utf-8")
    assert str(path) in refused(path, match)


def test_what_is_no_text_or_no_file(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\nAC\xff\xfe\x80\n")
    refused(path, "no text")
    refused(tmp_path / "no.fa", "no such file")
    (tmp_path / "folder.fa").mkdir()
    refused(tmp_path / "folder.fa", "folder")
    refused(write(tmp_path / "x.doc", "words"), "ending is that of no format")


def test_format_by_ending_and_by_content(tmp_path):
    for name, kind in (("A.FA.GZ", "fasta"), ("a.gbff.bgz", "genbank"), ("a.v1.tsv", "table")):
        assert format_of(tmp_path / name) == kind
    assert format_of(write(tmp_path / "x", ">a\nA\n")) == "fasta"
    assert format_of(genbank(tmp_path / "y", "ACGT")) == "genbank"


# Tables


@pytest.mark.parametrize(
    "text",
    [
        "id;sequence;label\nq;ACGT;x\n",
        "id\tsequence\tlabel\nq\tACGT\tx\n",
        "sep=;\nid;sequence;label\nq;ACGT;x\n",
        "sep=,\nid,sequence,label\nq,ACGT,x\n",
        "\ufeffid,sequence,label\r\nq,ACGT,x\r\n",
        "id, sequence, label\nq, ACGT , x\n",
        '"id","sequence","label"\n"q","ACGT","x"\n',
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode())
    (found,), _ = read(path)
    assert (found.id, found.letters, found.fields) == ("q", b"ACGT", {"label": "x"})


def test_a_table_without_the_column_says_what_to_do(tmp_path):
    refused(write(tmp_path / "a.csv", "ID,Sequence\na,ACGT\n"), "give --sequence-column Sequence")
    refused(write(tmp_path / "b.csv", "r0,ACGTACGTA\nr1,ACGT\n"), "a line of column names above it")
    refused(write(tmp_path / "c.csv", "name,dna\na,AC\n"), "only name, dna; name it with --seq")


def test_table(tmp_path):
    path = write(tmp_path / "x.csv", 'id,sequence,label,score\nq,ACGU,"x, y",2\nr,TT,z,-1e3\n')
    (q, r), _ = read(path)
    assert (q.id, q.letters, q.fields) == ("q", b"ACGT", {"label": "x, y", "score": "2"})
    assert r.fields["score"] == "-1e3"
    path = write(tmp_path / "x.tsv", "dna\tcell\nAC\tK562\nGT\tHepG2\n")
    records, _ = read(path, sequence_column="dna")
    assert [(r.id, r.fields) for r in records] == [
        ("row1", {"cell": "K562"}),
        ("row2", {"cell": "HepG2"}),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("id,sequence\n", "only a header"),
        ("id,dna\na,AC\n", "no column 'sequence' of sequences, only id, dna"),
        ("id,sequence\na,AC,extra\n", r"record 'a' \(row 1\) has 3 columns, not 2 as"),
        ("id,sequence,label\na,AC\n", r"record 'a' \(row 1\) has 2 columns, not 3 as"),
        ("id,sequence\na,\n", "record 'a': is empty"),
        ("id,sequence\na,AC\nb,AE\n", "record 'b': 'E' at position 1"),
        ('id,sequence\na,"AC\n', "table cannot be read"),
    ],
)
def test_bad_table(tmp_path, text, match):
    refused(write(tmp_path / "x.csv", text), match)


# GenBank


def feature(*parts, kind="CDS", **qualifiers):
    places = [SimpleLocation(*part) for part in parts]
    location = places[0] if len(places) == 1 else CompoundLocation(places)
    return SeqFeature(location, type=kind, qualifiers={k: [v] for k, v in qualifiers.items()})


LETTERS = "ACGTTGCAACCGGTTAAACCCGGGTTTACGATCGATTACGGATCCTAGGAT"


@pytest.mark.parametrize("topology", ["linear", "circular"])
def test_features_are_what_biopython_extracts(tmp_path, topology):
    features = [
        feature((2, 9, 1), gene="one"),
        feature((5, 20, -1), gene="two"),
        feature((3, 8, 1), (12, 20, 1), gene="three"),
        feature((30, 36, -1), (12, 20, -1), gene="four"),
        feature((30, 36, -1), (40, 46, 1), gene="trans"),
        feature((45, 50, 1), (0, 5, 1), gene="across"),
        feature((1, 3, 1), kind="promoter"),
    ]
    path = genbank(tmp_path / "x.gb", LETTERS, features, topology)
    records, counts = read(path, feature="CDS")
    assert [r.fields["gene"] for r in records] == [f.qualifiers["gene"][0] for f in features[:6]]
    for record, made in zip(records, features, strict=False):
        assert record.letters.decode() == str(made.extract(Seq(LETTERS)))
        assert record.chromosome == "G1"
    assert records[1].id == "G1:5-20(-)"
    assert records[3].id == "G1:30-36(-),12-20(-)"
    assert counts.records == 1


def test_whole_records_and_their_topology(tmp_path):
    (record,), _ = read(genbank(tmp_path / "x.gb", LETTERS, topology="circular"))
    assert record.letters.decode() == LETTERS
    assert record.circular


def test_promoters_written_the_new_way(tmp_path):
    features = [
        feature((2, 9, 1), kind="promoter"),
        feature((5, 20, -1), kind="regulatory", regulatory_class="promoter"),
        feature((5, 30, -1), kind="regulatory", regulatory_class="terminator"),
    ]
    path = genbank(tmp_path / "x.gb", LETTERS, features)
    assert len(read(path, feature="promoter")[0]) == 2
    assert len(read(path, feature="regulatory")[0]) == 2


def test_the_same_place_is_cut_once(tmp_path):
    features = [feature((2, 9, 1)), feature((2, 9, 1)), feature((2, 9, -1))]
    records, counts = read(genbank(tmp_path / "x.gb", LETTERS, features), feature="CDS")
    assert len(records) == 2
    assert counts.repeated == 1


def test_a_piece_in_another_record_is_counted_and_left_out(tmp_path):
    elsewhere = SeqFeature(SimpleLocation(1, 5, 1, ref="J00194.1"), type="CDS")
    features = [feature((2, 9, 1)), elsewhere]
    records, counts = read(genbank(tmp_path / "x.gb", LETTERS, features), feature="CDS")
    assert len(records) == 1
    assert (counts.remote, counts.outside) == (1, 0)


def test_bad_genbank(tmp_path):
    path = genbank(tmp_path / "x.gb", LETTERS, [feature((2, 9, 1))])
    refused(path, r"record 'G1' has no feature 'promoter'; it has CDS \(1\)", feature="promoter")
    refused(write(tmp_path / "y.gb", ">a\nACGT\n"), "no GenBank record")
    refused(write(tmp_path / "z.gb", ""), "no GenBank record")
    text = path.read_text()
    bare = text[: text.index("ORIGIN")] + "CONTIG      join(J00194.1:1..51)\n//\n"
    refused(write(tmp_path / "w.gb", bare), "record 'G1' has no sequence")
    refused(path, "go with --feature", upstream=5)
    refused(write(tmp_path / "x.fa", TWO), "--feature goes with a GenBank", feature="CDS")


# BED


def test_bed_respects_strand_and_the_order_of_the_genome(tmp_path):
    genome = write(tmp_path / "g.fa", f">chr1\n{LETTERS}\n>chr2\nAAACCCGGGT\n")
    bed = write(
        tmp_path / "x.bed",
        "track name=x\n# c\nchr2\t0\t4\tp\t7\t-\nchr1\t4\t9\n\nchr1\t4\t9\tq\t0\t-\n",
    )
    records, counts = read(bed, genome=genome)
    assert [(r.id, r.letters) for r in records] == [
        ("chr1:4-9(+)", b"TGCAA"),
        ("chr1:4-9(-)", b"TTGCA"),
        ("chr2:0-4(-)", b"GTTT"),
    ]
    assert records[2].fields == {"name": "p", "score": "7", "strand": "-"}
    assert [r.chromosome for r in records] == ["chr1", "chr1", "chr2"]
    assert counts.records == 2


def test_bed_on_a_genbank_genome_and_in_gz(tmp_path):
    genome = genbank(tmp_path / "g.gb", LETTERS)
    (record,), _ = read(gz(tmp_path / "x.bed.gz", "G1\t0\t3\n"), genome=genome)
    assert record.letters == b"ACG"


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (
            "chr1\t3\t99",
            "line 1, chr1:3-99: its window 3-99 .from 0. leaves the record of 10",
        ),
        ("chr1\t-1\t5", "line 1, chr1:-1-5: its window -1-5 .from 0. leaves the record"),
        ("chr1\t5\t5", "end must lie after the start"),
        ("chr1\t5", "no start and end"),
        ("chr1\tx\t5", "no start and end"),
        ("chr1\t1\t5\t.\t.\t*", r"strand '\*'"),
        ("chr9\t1\t5", "has no sequence 'chr9'"),
        ("# nothing", "holds no interval"),
    ],
)
def test_bad_bed(tmp_path, line, match):
    genome = write(tmp_path / "g.fa", ">chr1\nAAACCCGGGT\n")
    refused(write(tmp_path / "x.bed", line + "\n"), match, genome=genome, edge="error")


def test_bed_and_genome_go_together(tmp_path):
    bed = write(tmp_path / "x.bed", "chr1\t0\t3\n")
    refused(bed, "give --genome")
    refused(bed, "FASTA, 2bit, GenBank", genome=bed)
    refused(write(tmp_path / "x.fa", TWO), "--genome goes with a BED", genome=bed)


# Real files


@pytest.mark.data
@pytest.mark.skipif(not GENOMES.is_dir(), reason="no genomes in ../shared/data")
class TestGenomes:
    def test_the_same_plasmid_in_two_formats(self):
        for one, two in (("NC_005816.gb", "NC_005816.fna"), ("MN908947.gb", "MN908947.fasta")):
            (a,), _ = read(GENOMES / one)
            (b,), _ = read(GENOMES / two)
            assert a.letters == b.letters

    @pytest.mark.parametrize(
        ("name", "records", "bases", "ambiguous"),
        [
            ("NC_000932.gb", 1, 154_478, 0),
            ("NC_016566.gbk", 1, 44_077, 0),
            ("GCF_000023685.1.gbff.gz", 1, 1_084_586, 0),
            ("NC_002696.fna.gz", 2, 4_016_947, 0),
            ("ls_orchid.fasta", 94, 67_518, 541),
        ],
    )
    def test_sizes(self, name, records, bases, ambiguous):
        _, counts = read(GENOMES / name)
        assert (counts.records, counts.bases) == (records, bases)
        assert counts.ambiguous == ambiguous

    def test_spliced_and_trans_spliced_genes_are_as_biopython_extracts_them(self):
        path = GENOMES / "NC_000932.gb"
        entry = SeqIO.read(path, "genbank")
        wanted = {str(f.extract(entry.seq)) for f in entry.features if f.type == "CDS"}
        records, _ = read(path, feature="CDS")
        assert {r.letters.decode() for r in records} == wanted
        assert sum("," in r.id for r in records) > 10

    def test_starts_of_all_coding_sequences_of_e_coli(self):
        path = GENOMES / "NC_000913.gbk.gz"
        records, counts = read(path, feature="CDS", around="start", upstream=20, downstream=3)
        # A pseudogene has no start that is one.
        assert len(records) + counts.repeated + counts.pseudo == 4319
        starts = [r.letters[-3:] for r in records]
        # About 9 in 10 genes of E. coli start with ATG (Blattner et al. 1997: 83 to 90 %).
        assert starts.count(b"ATG") / len(starts) > 0.8


@pytest.mark.parametrize("name", ["s.fa.gz", "s.csv.gz", "s.gb.gz"])
def test_what_unpacks_without_end_is_refused(name: str, tmp_path: Path) -> None:
    """Once it is past what any small file may be: 128 MiB of zeros are 128 KB."""
    path = tmp_path / name
    start = b">a\n" if name == "s.fa.gz" else b""
    path.write_bytes(gzip.compress(start + bytes(2**27)))
    with pytest.raises(InputError, match="unpacks to more than 100 times its size"):
        inspect_file(path)
