"""The report on a file, against counts by hand, and the command line's one-line errors."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_bio.alphabet import letters_of, reverse_complement
from infonoise_bio.cli import main
from infonoise_bio.data.columns import Columns
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.inspection import Inspection, inspect_file
from infonoise_core import InputError

DNA = Path(__file__).parents[4] / "shared" / "data" / "dna"


def other_strand(text: str) -> str:
    return reverse_complement(text.encode()).decode()


def inspected(texts, fields=None, ids=None) -> Inspection:
    found = Inspection(label="label")
    for i, text in enumerate(texts):
        name = ids[i] if ids else f"r{i}"
        said = fields[i] if fields else {}
        found.add(Record(name, text.encode(), said, f"record '{name}'"))
    return found


def random_texts(n: int, length: int, p=None, seed: int = 0) -> list[str]:
    codes = np.random.default_rng(seed).choice(4, (n, length), p=p)
    return letters_of(codes.astype(np.uint8))


def fasta(path: Path, texts, ids=None) -> Path:
    names = ids or [f"r{i}" for i in range(len(texts))]
    path.write_text("".join(f">{n}\n{t}\n" for n, t in zip(names, texts, strict=True)))
    return path


sequences = st.lists(st.text("ACGTNRacgtn", min_size=1, max_size=30), min_size=1, max_size=12)


@settings(max_examples=60)
@given(sequences)
def test_counts_are_those_by_hand(texts):
    found = inspected(texts)
    joined = "".join(texts).upper()
    assert {b: found.bases[b] for b in "ACGT"} == {b: joined.count(b) for b in "ACGT"}
    assert {b: found.ambiguous[b] for b in "NR"} == {b: joined.count(b) for b in "NR"}
    known = sum(joined.count(b) for b in "ACGT")
    if known:
        assert found.gc == pytest.approx((joined.count("G") + joined.count("C")) / known)
    masked = ["".join(c if c in "ACGT" else "N" for c in t.upper()) for t in texts]
    distinct = set(masked)
    assert found.duplicates() == (
        len(texts) - len(distinct),
        len(distinct) - len({min(t, other_strand(t)) for t in distinct}),
    )
    assert found.lengths == {n: [*map(len, texts)].count(n) for n in map(len, texts)}


@settings(max_examples=40)
@given(sequences)
def test_columns_are_those_by_hand(texts):
    columns = Columns()
    found = inspected(texts)
    columns = found.columns
    forward, backward = columns.table()
    for i in range(len(forward)):
        here = [t[i].upper() for t in texts if i < len(t)]
        there = [other_strand(t)[i].upper() for t in texts if i < len(t)]
        assert forward[i].tolist() == [here.count(b) for b in "ACGT"]
        assert backward[i].tolist() == [there.count(b) for b in "ACGT"]


def test_homopolymers():
    found = inspected(["ACGT" * 9, "C" + "A" * 12 + "C", "G" + "T" * 31, "N" * 60])
    assert found.longest_run is not None
    run = found.longest_run
    assert (run.base, run.length, run.id) == ("T", 31, "r2")
    assert found.with_long_run == 1
    assert inspected(["AAAAAAAAAC"]).longest_run is None


def test_constant_columns():
    body = random_texts(50, 30)
    assert inspected(["GATC" + t for t in body]).columns.constant() == ["0-4 are GATC"]
    uneven = [t[: 20 + i % 10] + "TTAGC" for i, t in enumerate(body)]
    assert inspected(uneven).columns.constant() == ["0-5 from the 3' end are GCTAA, complemented"]
    assert inspected(["GATC" + t for t in body[:19]]).columns.constant() == []


def test_strand_hint():
    skewed = np.tile([0.25, 0.25, 0.25, 0.25], (40, 1))
    skewed[10:16] = [0.7, 0.1, 0.1, 0.1]
    rng = np.random.default_rng(0)
    codes = np.stack([rng.choice(4, 2000, p=p) for p in skewed], 1).astype(np.uint8)
    texts = letters_of(codes)
    directed = inspected(texts).columns
    # Six columns of 2 x 2000 letters: A 0.7 against 0.25 and the like, divided by 120 degrees.
    assert directed.asymmetry() > 20
    assert directed.strand_hint().startswith("forward suggested")
    # D(p | mean) of the skewed columns is 0.50 bits.
    p, mean = skewed[10], skewed.mean(0)
    assert directed.information() == pytest.approx(float(p @ np.log2(p / mean)), abs=0.05)
    turned = [other_strand(t) if i % 2 else t for i, t in enumerate(texts)]
    either = inspected(turned).columns
    # 60 independent columns of 3 degrees: the mean of chi-square / degree is 1 +- 0.11.
    assert either.asymmetry() == pytest.approx(1.0, abs=0.5)
    assert either.strand_hint().startswith("both suggested")
    assert "too few" in inspected(texts[:99]).columns.strand_hint()


def test_copies_across_parts():
    one, two = random_texts(2, 40)
    texts = [one, other_strand(one), one, two]
    parts = [{"split": s} for s in ("train", "test", "val", "train")]
    assert inspected(texts, parts).across_splits() == (1, 1)
    parts = [{"split": s} for s in ("train", "test", "train", "train")]
    assert inspected(texts, parts).across_splits() == (0, 1)
    assert inspected(texts).across_splits() is None
    with pytest.raises(InputError, match="1 of 4 records have no field 'split'"):
        inspected(texts, [*parts[:3], {}]).across_splits()


def test_ids_taken_twice():
    one, two = random_texts(2, 40)
    texts, ids = [one, two, other_strand(one), two], ["a", "b", "a", "b"]
    assert inspected(texts, ids=ids).repeated_ids() == (2, 2, 1)
    assert inspected(texts).repeated_ids() == (None, 0, 0)


def test_report(tmp_path):
    texts = ["GATC" + t for t in random_texts(150, 40)]
    texts[3] = texts[2]
    texts[5] = texts[4][:10] + "NNNN" + texts[4][14:]
    path = tmp_path / "x.csv"
    rows = [f"r{i},{t},{'xy'[i % 2]},{('train', 'test')[i % 2]}" for i, t in enumerate(texts)]
    path.write_text("\n".join(["id,sequence,label,split", *rows]))
    lines, fault = inspect_file(path, label="label", window=44)
    text = "\n".join(lines)
    assert fault is None
    for part in (
        "150",
        "lengths           44",
        "4 (N 4), masked",
        "1 copies, 0 reverse complements",
        "0-4 are GATC",
        "label x           75",
        "train 75, val 0, test 75",
        "1 copies, 1 counting both strands",
        "warning           columns that never change",
        "warning           copies of one sequence lie in several parts",
    ):
        assert part in text, part


# Command line


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys, match: str, *arguments) -> None:
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert match in err


def test_inspect_prints_first_and_fails_after(capsys, tmp_path):
    path = fasta(tmp_path / "x.fa", ["ACGT", "GGGTA"], ids=["a", "a"])
    code, out, err = run(capsys, "inspect", path)
    assert code == 2
    assert "lengths           4 to 5, median 4" in out
    assert "record 'a' (number 2): the id 'a' was taken" in err
    path = fasta(tmp_path / "y.fa", ["ACGT", "GG"])
    refused(capsys, "record 'r1' has 2 bases, fewer than the window of 3", "inspect", path,
            "--window", 3)  # fmt: skip
    assert run(capsys, "inspect", path, "--window", 2)[0] == 0


def test_bad_files_are_one_line(capsys, tmp_path):
    empty, protein = tmp_path / "empty.fa", tmp_path / "protein.fa"
    empty.write_text("")
    protein.write_text(">kinase\nMEEPQSDPSV\n")
    cut = tmp_path / "cut.fa.gz"
    cut.write_bytes(gzip.compress(b">a\nACGT\n" * 100)[:-9])
    table = tmp_path / "x.csv"
    table.write_text("name,dna\na,AC\n")
    bed = tmp_path / "x.bed"
    bed.write_text("chr1\t0\t9\n")
    genome = fasta(tmp_path / "g.fa", ["ACGT"], ids=["chr1"])
    refused(capsys, "empty.fa: holds no sequence", "inspect", empty)
    refused(capsys, "record 'kinase': 'E' at position 1", "inspect", protein)
    refused(capsys, "cut off or damaged", "inspect", cut)
    refused(capsys, "no column 'sequence'", "inspect", table)
    refused(capsys, "line 1, chr1:0-9: its window 0-9 (from 0) leaves the record", "inspect", bed,
            "--genome", genome, "--edge", "error")  # fmt: skip
    refused(capsys, "no such file", "inspect", tmp_path / "none.fa")
    refused(capsys, "--windw", "inspect", genome, "--windw", 3)


def test_extract(capsys, tmp_path):
    genome = fasta(tmp_path / "g.fa", ["AACCGGTTRn" * 20], ids=["chr1"])
    bed, out = tmp_path / "x.bed", tmp_path / "deep" / "x.fa"
    bed.write_text("chr1\t10\t20\tpeak one\t0\t-\nchr1\t0\t4\n")
    code, text, _ = run(capsys, "extract", bed, "--genome", genome, "--out", out, "--around",
                        "center", "--upstream", 4, "--downstream", 3)  # fmt: skip
    assert code == 0
    assert "1 sequence; names count from 0" in text
    assert "1 window dropped: it leaves its record" in text
    # Bases 12..18 of AACCGGTTRN..., read on the other strand.
    assert out.read_text() == '>chr1:12-19(-) name="peak one" score=0 strand=-\nYAACCGG\n'
    refused(capsys, "exists: give another name or --overwrite", "extract", bed, "--genome", genome,
            "--out", out)  # fmt: skip
    code, _, _ = run(capsys, "extract", bed, "--genome", genome, "--out", out, "--overwrite",
                     "--upstream", 5, "--edge", "mask")  # fmt: skip
    assert code == 0
    assert ">chr1:-5-4(+)\nNNNNNAACC\n" in out.read_text()


def test_extract_leaves_nothing_behind_after_an_error(capsys, tmp_path):
    genome = fasta(tmp_path / "g.fa", ["ACGT"], ids=["chr1"])
    bed, out = tmp_path / "x.bed", tmp_path / "x.fa"
    bed.write_text("chr1\t0\t3\nchr2\t0\t3\n")
    out.write_text("precious")
    refused(capsys, "no sequence 'chr2'", "extract", bed, "--genome", genome, "--out", out,
            "--overwrite")  # fmt: skip
    assert out.read_text() == "precious"
    assert {p.name for p in tmp_path.iterdir()} == {"g.fa", "x.bed", "x.fa"}
    refused(
        capsys,
        "give a GenBank, EMBL, BED, GFF or GTF file",
        "extract",
        genome,
        "--out",
        tmp_path / "y.fa",
    )
    bed.write_text("chr1\t0\t3\n")
    refused(capsys, "1 window dropped: it leaves its record); give smaller flanks", "extract",
            bed, "--genome", genome, "--out", tmp_path / "z.fa", "--upstream", 5)  # fmt: skip
    assert not (tmp_path / "z.fa").exists()
    refused(capsys, "is a folder", "extract", bed, "--genome", genome, "--out", tmp_path)


@pytest.mark.data
@pytest.mark.skipif(not DNA.is_dir(), reason="no DNA in ../shared/data")
class TestRealSets:
    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("ecoli_tss_50", "forward"),
            ("mammal_tata_promoters_300", "forward"),
            ("ecoli_promoters_165", "forward"),
            ("fly_starr_249", "both"),
            ("human_enhancers_200", "both"),
        ],
    )
    def test_strand(self, name, hint):
        lines, fault = inspect_file(DNA / f"{name}.csv.gz")
        assert fault is None
        assert any(f"{hint} suggested" in line for line in lines)

    def test_extract_from_e_coli(self, capsys, tmp_path):
        out = tmp_path / "x.fa"
        genome = DNA / "genomes" / "NC_000932.gb"
        assert run(capsys, "extract", genome, "--feature", "CDS", "--out", out)[0] == 0
        assert run(capsys, "inspect", out)[0] == 0
        refused(capsys, "record 'NC_000932.1' has no feature 'promoter'", "extract", genome,
                "--feature", "promoter", "--out", tmp_path / "y.fa")  # fmt: skip
        assert not (tmp_path / "y.fa").exists()
