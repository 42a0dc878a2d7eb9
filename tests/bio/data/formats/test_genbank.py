"""GenBank as it is found: partial genes, pseudogenes, names taken twice, files that are cut off."""

from pathlib import Path

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import AfterPosition, BeforePosition, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.open import read_source
from infonoise_core import InputError

LETTERS = "ACCTGTTAGGCATCGAACGTCCTTTAGCAGATGGACTATT" * 4


def record(features=(), name="G1", letters=LETTERS) -> SeqRecord:
    made = SeqRecord(Seq(letters), id=name, name=name, description="made up")
    made.annotations = {"molecule_type": "DNA", "topology": "linear"}
    made.features = list(features)
    return made


def written(path: Path, *records: SeqRecord) -> Path:
    SeqIO.write(records, path, "genbank")
    return path


def gene(start, end, strand=1, **qualifiers) -> SeqFeature:
    return SeqFeature(SimpleLocation(start, end, strand), type="CDS", qualifiers=qualifiers)


def read(path: Path, **reading):
    counts = Counts()
    return list(read_source(path, Reading(**reading), counts)), counts


def test_a_partial_gene_has_no_window_at_the_end_that_is_missing(tmp_path):
    genes = [
        gene(BeforePosition(0), 30), gene(20, AfterPosition(90)), gene(30, 60),
        gene(BeforePosition(40), 70, -1), gene(50, AfterPosition(100), -1),
    ]  # fmt: skip
    path = written(tmp_path / "x.gb", record(genes))
    for around, starts, left_out in (
        ("start", ["20-24(+)", "30-34(+)", "66-70(-)"], 2),
        ("end", ["30-34(+)", "60-64(+)", "46-50(-)"], 2),
    ):
        found, counts = read(path, feature="CDS", around=around, downstream=4)
        assert [r.id.split(":")[1] for r in found] == starts
        assert counts.partial == left_out
        assert any("beyond the record" in line for line in counts.lines())
    whole, counts = read(path, feature="CDS")
    assert (len(whole), counts.partial) == (5, 0)


def test_a_pseudogene_has_no_start(tmp_path):
    genes = [gene(0, 30, pseudo=[""]), gene(30, 60, pseudogene=["processed"]), gene(60, 90)]
    path = written(tmp_path / "x.gb", record(genes))
    found, counts = read(path, feature="CDS", around="start", downstream=4)
    assert [r.id for r in found] == ["G1:60-64(+)"]
    assert counts.pseudo == 2
    assert len(read(path, feature="CDS")[0]) == 3


def test_two_plasmids_of_one_name_are_refused_where_windows_are_cut(tmp_path):
    """Every file that SnapGene exports is called Exported."""
    pair = (record([gene(0, 30)], "Exported"), record([gene(0, 30)], "Exported", LETTERS[::-1]))
    path = written(tmp_path / "x.gb", *pair)
    with pytest.raises(InputError, match="record 'Exported': the name was taken by an earlier"):
        read(path, feature="CDS")
    assert len(read(path)[0]) == 2


@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
def test_a_file_that_is_cut_off_says_so(tmp_path, share):
    path = written(tmp_path / "x.gb", record([gene(0, 30), gene(30, 60)]))
    text = path.read_text()
    path.write_text(text[: int(share * len(text))])
    with pytest.raises(InputError, match=r"x\.gb: the file is cut off; get it again"):
        read(path, feature="CDS")


def test_what_biopython_warns_of_becomes_a_line(tmp_path):
    path = written(tmp_path / "x.gb", record([gene(0, 30)]))
    # One more base in the first line than there are.
    path.write_text(path.read_text().replace("160 bp", "161 bp"))
    (found,), counts = read(path)
    assert len(found.letters) == 160
    (line,) = [line for line in counts.lines() if line.startswith("warning: ")]
    assert "161" in line
    assert "160" in line


def test_a_name_with_spaces_is_one_line(tmp_path):
    """As plasmid editors write them."""
    path = written(tmp_path / "x.gb", record([gene(0, 30)]))
    rest = path.read_text().split("\n", 1)[1]
    path.write_text("LOCUS       my plasmid map      160 bp ds-DNA   circular SYN\n" + rest)
    with pytest.raises(InputError, match=r"no GenBank that can be read.*my plasmid map") as caught:
        read(path, feature="CDS")
    assert "\n" not in str(caught.value)


def test_a_place_that_is_none_is_found_by_its_number_and_name(tmp_path):
    path = written(tmp_path / "x.gb", record([gene(0, 30), gene(40, 70, gene=["abc"])]))
    path.write_text(path.read_text().replace("41..70", "?..70"))
    with pytest.raises(InputError, match=r"CDS number 2 \(abc\): its position is not known"):
        read(path, feature="CDS")


@pytest.mark.parametrize("kind", ["genbank", "embl"])
def test_what_stands_between_records_is_no_part_of_the_file(tmp_path, kind):
    path = tmp_path / "x.gb"
    SeqIO.write([record(), record(name="G2")], path, kind)
    text = path.read_text()
    path = path.with_suffix({"genbank": ".gb", "embl": ".embl"}[kind])
    path.write_text("A HEADER OF A RELEASE\n\n" * (kind == "genbank") + text + "\n\n")
    assert len(read(path)[0]) == 2
    for more in (">a\nACGT\n", "ACGT\n"):
        path.write_text(text + more)
        with pytest.raises(InputError, match=r"after record 'G2.*' belongs to no record; take it"):
            read(path)


def test_a_record_that_is_cut_off_takes_nothing_of_the_next(tmp_path):
    path = written(tmp_path / "x.gb", record([gene(0, 30)]), record([gene(60, 90)], "G2"))
    first, second = path.read_text().split("//\n")[:2]
    for kept in (first, first[: first.index("ORIGIN") - 20] + "\n", first[:-50] + "\n"):
        path.write_text(kept + second + "//\n")
        with pytest.raises(InputError, match=r"begins before the end \('//'\).*cut off there"):
            read(path, feature="CDS")
