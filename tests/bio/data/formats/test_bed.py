"""Intervals as they come from other programs: summits, blocks, names of chromosomes, edges."""

from pathlib import Path

import pytest

from infonoise_bio.alphabet import reverse_complement
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.open import read_source
from infonoise_core import InputError

# No stretch of six occurs twice, on either strand.
LETTERS = "ACCTGTTAGGCATCGAACGTCCTTTAGCAGATGGACTATT"


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text(f">chr1\n{LETTERS}\n>chr2\n{LETTERS[::-1]}\n")
    return path


def windows(folder: Path, name: str, *lines: str, **reading):
    path, counts = folder / name, Counts()
    path.write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))
    return list(read_source(path, Reading(**reading), counts)), counts


def refused(match: str, *arguments, **reading) -> None:
    with pytest.raises(InputError, match=match) as caught:
        windows(*arguments, **reading)
    assert "\n" not in str(caught.value)


def letters(found) -> list[str]:
    return [record.letters.decode() for record in found]


PEAK = "chr1 10 20 peak 100 {strand} 3.5 4.5 2.5 {summit}"


def test_windows_are_cut_around_summits_on_either_strand(tmp_path, genome):
    lines = [PEAK.format(strand=s, summit=n) for s, n in (("+", 2), ("-", 2), (".", 7))]
    found, counts = windows(
        tmp_path, "x.narrowPeak", *lines, genome=genome, around="summit", upstream=3, downstream=4
    )
    forward = LETTERS[12 - 3 : 12 + 4]
    # Read from the other strand, the base of the summit is the first one downstream, too.
    backward = reverse_complement(LETTERS[12 - 3 : 12 + 4].encode()).decode()
    assert letters(found)[0] == forward
    assert letters(found)[1][3] == backward[3] == reverse_complement(LETTERS[12].encode()).decode()
    assert letters(found)[2] == LETTERS[17 - 3 : 17 + 4]
    assert found[0].fields == {
        "name": "peak", "score": "100", "strand": "+",
        "signalValue": "3.5", "pValue": "4.5", "qValue": "2.5",
    }  # fmt: skip
    assert counts.no_summit == 0


def test_a_peak_without_a_summit_is_cut_around_its_middle_and_counted(tmp_path, genome):
    lines = [PEAK.format(strand="+", summit=-1), PEAK.format(strand="+", summit=9)]
    how = {"genome": genome, "upstream": 2, "downstream": 2}
    found, counts = windows(tmp_path, "x.narrowPeak", *lines, around="summit", **how)
    assert letters(found) == [LETTERS[13:17], LETTERS[17:21]]
    assert counts.no_summit == 1
    # Around the middle both are one place, and it is said that there was a summit.
    found, counts = windows(tmp_path, "x.narrowPeak", *lines, around="center", **how)
    assert letters(found) == [LETTERS[13:17]]
    assert (counts.other_summit, counts.repeated) == (1, 1)
    assert any("--around summit" in line for line in counts.lines())


@pytest.mark.parametrize(
    ("name", "line", "match"),
    [
        ("x.narrowPeak", PEAK.format(strand="+", summit=10), "summit, 10 bases .* outside its 10"),
        ("x.narrowPeak", PEAK.format(strand="+", summit="x"), "summit 'x' is no whole number"),
        ("x.bed", "chr1 10 20", "has no summit; give a narrowPeak"),
        ("x.bed", "chr1 0 30 t 0 + 0 0 0 2 5,5 0,x", "no whole numbers"),
        ("x.bed", "chr1 0 30 t 0 + 0 0 0 2 5,5 0,26", "not 2 that follow each other within it"),
        ("x.bed", "chr1 0 30 t 0 + 0 0 0 2 5,5 0,3", "not 2 that follow"),
        ("x.bed", "chr1 0 30 t 0 + 0 0 0 3 5,5 0,10", "not 3 that follow"),
    ],
)
def test_bad_peaks_and_blocks_name_their_line(tmp_path, genome, name, line, match):
    refused(
        f"line 1, .*{match}", tmp_path, name, line,
        genome=genome, around="summit", upstream=2, downstream=2,
    )  # fmt: skip


def test_blocks_are_joined_in_reading_order_and_counted(tmp_path, genome):
    line = "chr1 4 30 t 0 {} 4 30 0 3 4,3,5, 0,8,21,"
    joined = LETTERS[4:8] + LETTERS[12:15] + LETTERS[25:30]
    for strand, expected in (("+", joined), ("-", reverse_complement(joined.encode()).decode())):
        found, counts = windows(tmp_path, "x.bed", line.format(strand), genome=genome)
        assert letters(found) == [expected]
        assert counts.joined == 1


def test_names_of_chromosomes_with_and_without_chr(tmp_path, genome):
    refused("has no sequence '1', only chr1, chr2; give --chr-prefix add", tmp_path, "x.bed",
            "1 0 4", genome=genome)  # fmt: skip
    found, _ = windows(tmp_path, "x.bed", "1 0 4", "chr2 0 4", genome=genome, chr_prefix="add")
    assert letters(found) == [LETTERS[:4], LETTERS[::-1][:4]]
    plain = tmp_path / "plain.fa"
    plain.write_text(f">1\n{LETTERS}\n")
    refused("only 1; give --chr-prefix drop", tmp_path, "x.bed", "chr1 0 4", genome=plain)
    found, _ = windows(tmp_path, "x.bed", "chr1 0 4", genome=plain, chr_prefix="drop")
    assert letters(found) == [LETTERS[:4]]
    refused("give the genome the intervals", tmp_path, "x.bed", "chrX 0 4", genome=plain)


def test_intervals_that_leave_their_record_are_treated_as_edge_says(tmp_path, genome):
    n = len(LETTERS)
    lines = [f"chr1 {n - 3} {n + 2}", "chr1 -2 3", f"chr1 {n + 5} {n + 9}", "chr1 1 4"]
    found, counts = windows(tmp_path, "x.bed", *lines, genome=genome)
    assert letters(found) == [LETTERS[1:4]]
    assert counts.outside == 3
    found, counts = windows(tmp_path, "x.bed", *lines, genome=genome, edge="mask")
    # A window without any base of the record is dropped in any case.
    assert letters(found) == [f"{LETTERS[-3:]}--", f"--{LETTERS[:3]}", LETTERS[1:4]]
    assert counts.outside == 1
    refused("line 1, .* leaves the record", tmp_path, "x.bed", *lines, genome=genome, edge="error")


def test_two_sequences_of_one_name_are_refused_where_windows_are_cut(tmp_path):
    twice = tmp_path / "g.fa"
    twice.write_text(f">chr1\n{LETTERS}\n>chr2\nACGT\n>chr2\nTTTT\n>chr1\n{LETTERS[::-1]}\n")
    refused("record 'chr1': the name was taken", tmp_path, "x.bed", "chr1 0 4", genome=twice)
    # Of what no window is cut out of, nothing is missing.
    twice.write_text(f">chr2\nACGT\n>chr2\nTTTT\n>chr1\n{LETTERS}\n")
    found, _ = windows(tmp_path, "x.bed", "chr1 0 4", genome=twice)
    assert letters(found) == [LETTERS[:4]]


def test_a_chromosome_that_is_written_both_ways_keeps_all_its_intervals(tmp_path, genome):
    lines = ("chr1 0 8", "1 8 16", "chr2 4 12")
    found, _ = windows(tmp_path, "x.bed", *lines, genome=genome, chr_prefix="add")
    assert letters(found) == [LETTERS[:8], LETTERS[8:16], LETTERS[::-1][4:12]]


@pytest.mark.parametrize(
    ("there", "given", "hint"),
    [
        ("NC_000913.3", "NC_000913", "if it is 'NC_000913.3', write it so"),
        ("MT", "chrM", "if it is 'MT', write it so"),
        ("Chr1", "chr1", "if it is 'Chr1', write it so"),
        ("1", "chr1", "give --chr-prefix drop"),
        ("scaffold", "chr1", "give the genome the intervals were made on"),
    ],
)
def test_names_that_differ_are_said_with_what_to_do(tmp_path, there, given, hint):
    genome = tmp_path / "g.fa"
    genome.write_text(f">{there}\n{LETTERS}\n")
    match = f"has no sequence '{given}', only {there}; {hint}"
    refused(match, tmp_path, "x.bed", f"{given} 0 8", genome=genome)


def test_a_sequence_that_only_some_intervals_lie_on(tmp_path, genome):
    lines = ("chr1 0 8", "chrUn_1 0 8")
    refused(
        "'chrUn_1', only chr1, chr2; take its lines out, or", tmp_path, "x.bed", *lines,
        genome=genome,
    )  # fmt: skip


def test_ten_columns_without_a_summit_are_said_to_have_none(tmp_path, genome):
    line = "chr1 1 9 x 0 + 1 2 3 abc"
    match = "summit 'abc' is no whole number; give -1 for none, or fewer columns than narrow"
    refused(match, tmp_path, "x.bed", line, genome=genome)


def test_blocks_of_a_gapped_peak_are_joined(tmp_path, genome):
    line = "chr1 1 20 x 0 - 1 20 0,0,0 2 4,5, 0,14, 3.5 4.5 2.5"
    found, _ = windows(tmp_path, "x.gappedPeak", line, genome=genome)
    joined = LETTERS[1:5] + LETTERS[15:20]
    assert letters(found) == [reverse_complement(joined.encode()).decode()]


def test_a_dot_is_no_name(genome, tmp_path):
    found, _ = windows(tmp_path, "x.bed", "chr1 10 20 . 5", "chr1 12 22 peak 5", genome=genome)
    assert [record.fields.get("name") for record in found] == [None, "peak"]


def test_intervals_without_a_strand_are_told_where_it_matters(genome, tmp_path):
    lines = ["chr1 10 20 a 5 .", "chr1 12 22", "chr1 14 24 b 5 -"]
    for number, reading in (
        (2, {"around": "start", "upstream": 2, "downstream": 2}),
        (2, {"upstream": 3}),
        (0, {"around": "center", "upstream": 2, "downstream": 2}),
        (0, {}),
    ):
        _, counts = windows(tmp_path, "x.bed", *lines, genome=genome, **reading)
        assert counts.unstranded == number
    gff = tmp_path / "x.gff"
    gff.write_text("".join(f"chr1\tx\tgene\t{at}\t{at + 5}\t.\t{s}\t.\tID={at}\n"
                           for at, s in ((10, "+"), (12, "."), (14, "?"))))  # fmt: skip
    counts = Counts()
    list(read_source(gff, Reading(feature="gene", genome=genome, upstream=2), counts))
    assert counts.unstranded == 2
