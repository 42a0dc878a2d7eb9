"""Variants of a VCF file as pairs of windows, and one line for each mistake."""

from pathlib import Path

import pytest

from infonoise_bio.data.alleles import alleles, variants_by_chromosome
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_core import InputError

LETTERS = "ACGTTGCAACCGGTTAAACCCGGGTTTACGATCGATTACGGATCCTAGGAT"
LENGTH = 9
HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text(f">1\n{LETTERS}\n>2\n{LETTERS[::-1].lower()}\n")
    return path


def read(tmp_path: Path, lines: list[str], genome: Path, edge="drop", **reading):
    path = tmp_path / "x.vcf"
    path.write_text(HEAD + "".join(f"{line}\t.\t.\t.\n" for line in lines))
    counts = Counts()
    options = Reading(genome=genome, **reading)
    variants = variants_by_chromosome(path, options, counts)
    return list(alleles(variants, genome, LENGTH, edge, counts)), counts


def test_the_variant_is_in_the_middle_of_both_windows(tmp_path, genome):
    at = 20
    found, _ = read(tmp_path, [f"1\t{at + 1}\trs1\t{LETTERS[at]}\tG"], genome)
    (one,) = found
    assert one.reference.decode() == LETTERS[at - 4 : at + 5]
    assert one.alternative.decode() == LETTERS[at - 4 : at] + "G" + LETTERS[at + 1 : at + 5]
    assert (one.offset, one.variant.start, one.variant.id) == (4, at, "rs1")


def test_insertions_and_deletions_move_what_comes_after_them(tmp_path, genome):
    at = 20
    lines = [
        f"1\t{at + 1}\t.\t{LETTERS[at]}\t{LETTERS[at]}TT",
        f"1\t{at + 1}\t.\t{LETTERS[at : at + 3]}\t{LETTERS[at]}",
    ]
    (longer, shorter), _ = read(tmp_path, lines, genome)
    assert longer.alternative.decode() == LETTERS[at - 4 : at + 1] + "TT" + LETTERS[at + 1 : at + 3]
    assert longer.reference.decode() == LETTERS[at - 4 : at + 5]
    assert shorter.reference.decode() == LETTERS[at - 4 : at + 5]
    assert shorter.alternative.decode() == LETTERS[at - 4 : at + 1] + LETTERS[at + 3 : at + 7]


def test_each_allele_has_its_row_in_the_order_of_the_file(tmp_path, genome):
    letters = LETTERS[::-1]
    lines = [f"2\t11\t.\t{letters[10]}\tA,C,G,T,<DEL>,*", f"1\t21\t.\t{LETTERS[20]}\tC,T,."]
    found, counts = read(tmp_path, lines, genome)
    own = {letters[10], LETTERS[20]}
    assert [a.variant.number for a in found][-1] == 2
    assert sorted(a.variant.number for a in found) == list(range(len(found)))
    assert counts.symbolic == 9 - len(found)
    assert own


def test_windows_that_leave_their_sequence(tmp_path, genome):
    lines = [f"1\t2\t.\t{LETTERS[1]}\tA", f"1\t{len(LETTERS)}\t.\t{LETTERS[-1]}\tA"]
    found, counts = read(tmp_path, lines, genome)
    assert (found, counts.outside) == ([], 2)
    (first, last), _ = read(tmp_path, lines, genome, edge="mask")
    assert first.alternative.decode() == "---AA" + LETTERS[2:6]
    assert last.reference.decode() == LETTERS[-5:] + "----"
    with pytest.raises(InputError, match=r"its window -3-6 \(from 0\) leaves the record"):
        read(tmp_path, lines, genome, edge="error")


def test_alleles_longer_than_half_a_window_are_counted(tmp_path, genome):
    found, counts = read(tmp_path, [f"1\t21\t.\t{LETTERS[20]}\tACGTAC"], genome)
    assert (found, counts.too_long) == ([], 1)


def test_alleles_that_are_no_clear_bases_are_left_out(tmp_path, genome):
    lines = [f"1\t21\t.\t{LETTERS[20]}\tN,R,{'ACGT'[('ACGT'.index(LETTERS[20]) + 1) % 4]}"]
    found, counts = read(tmp_path, lines, genome)
    assert (len(found), counts.symbolic) == (1, 2)


def test_windows_of_unequal_numbers_of_known_bases_are_left_out(tmp_path, genome):
    """A bound over fewer bases is lower, whatever the change."""
    n = len(LETTERS)
    lines = [f"1\t{n - 3}\tdel\t{LETTERS[n - 4 : n - 2]}\t{LETTERS[n - 4]}"]
    lines += [f"1\t{n - 1}\tsnv\t{LETTERS[n - 2]}\tG"]
    found, counts = read(tmp_path, lines, genome, edge="mask")
    assert [a.variant.id for a in found] == ["snv"]
    assert counts.unequal == 1
    genome.write_text(f">1\n{LETTERS[:24]}N{LETTERS[25:]}\n")
    lines = [f"1\t{at + 1}\t.\t{LETTERS[at : at + 3]}\t{LETTERS[at]}" for at in (17, 18, 20)]
    found, counts = read(tmp_path, lines, genome)
    assert [a.variant.start for a in found] == [17, 20]
    assert counts.unequal == 1


def test_chromosomes_are_renamed(tmp_path, genome):
    lines = [f"chr1\t21\t.\t{LETTERS[20]}\tG"]
    with pytest.raises(InputError, match="no sequence 'chr1', only 1, 2; give --chr-prefix drop"):
        read(tmp_path, lines, genome)
    assert len(read(tmp_path, lines, genome, chr_prefix="drop")[0]) == 1


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (f"1\t21\t.\t{'ACGT'[('ACGT'.index(LETTERS[20]) + 1) % 4]}\tN", "the genome has C there"),
        ("1\t0\t.\tA\tG", "line 3: position '0'"),
        ("1\tx\t.\tA\tG", "line 3: position 'x'"),
        ("1\t5\t.\t.\tG", "line 3: REF is '.'"),
        ("1\t500\t.\tA\tG", "an end at 51"),
        ("1 5 . A G", "columns; give VCF"),
    ],
)
def test_mistakes_are_one_line(line, match, tmp_path, genome):
    with pytest.raises(InputError, match=match) as caught:
        read(tmp_path, [line], genome)
    assert "\n" not in str(caught.value)
