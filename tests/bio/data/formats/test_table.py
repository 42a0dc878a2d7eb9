"""Tables as spreadsheets leave them: what is no CSV in UTF-8 is said, with what to do."""

import zipfile

import pytest

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.open import read_source
from infonoise_core import InputError

ROWS = "id,sequence,label\na,ACGTACGTAC,B cell\nb,GGGTACGTAC,T cell\n"


def read(path):
    return list(read_source(path, Reading(), Counts()))


def refused(match, path):
    with pytest.raises(InputError, match=match) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_and_marks_of_every_system(tmp_path, encoding, end):
    path = tmp_path / "x.csv"
    path.write_bytes(ROWS.replace("\n", end).encode(encoding))
    found = read(path)
    assert [r.id for r in found] == ["a", "b"]
    assert [r.fields["label"] for r in found] == ["B cell", "T cell"]


@pytest.mark.parametrize(("encoding", "byte"), [("utf-16", "0xff"), ("cp1252", "0xb5")])
def test_other_encodings_are_named(tmp_path, encoding, byte):
    path = tmp_path / "x.csv"
    path.write_bytes(ROWS.replace("B cell", "\N{MICRO SIGN}M").encode(encoding))
    refused(rf"x.csv.*: this is no text in UTF-8 \(byte {byte}\); .* 'CSV UTF-8'", path)


@pytest.mark.parametrize("name", ["x.xlsx", "x.csv"])
def test_a_workbook_is_named(tmp_path, name):
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as archive:
        for member in ("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
            archive.writestr(member, "<x/>")
    refused("this is an Excel workbook; save its sheet as 'CSV UTF-8'", path)


def test_a_name_for_two_columns_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,sequence,label,label\na,ACGTACGTAC,B,T\n")
    refused("has two columns 'label'; rename one", path)
    path.write_text("id,sequence,label,,\na,ACGTACGTAC,B,,\n")
    assert read(path)[0].fields["label"] == "B"


@pytest.mark.parametrize(("name", "separator"), [("x.csv", ","), ("x.tsv", "\t")])
def test_rows_behind_a_quote_that_is_not_closed_do_not_vanish(tmp_path, name, separator):
    path, rows = tmp_path / name, ROWS.replace("B cell", "\"5' end").replace("T cell", 'late"')
    path.write_text(rows.replace(",", separator))
    refused(r"record 'a' \(row 1\) has a cell that goes on over further rows", path)
    # An end of a line alone is one of a cell.
    path.write_text(ROWS.replace("B cell", '"B\ncell"').replace(",", separator))
    assert [record.id for record in read(path)] == ["a", "b"]


def test_rows_of_empty_cells_are_skipped_and_counted(tmp_path):
    path, counts = tmp_path / "x.csv", Counts()
    path.write_text(ROWS + ",,\n\n  \n,,,\nc,GGGTACGTAA,B cell\n,,\n")
    found = list(read_source(path, Reading(), counts))
    assert [record.id for record in found] == ["a", "b", "c"]
    assert "4 blank rows skipped" in counts.lines()


def test_sheets_of_other_programs_are_named(tmp_path):
    path = tmp_path / "x.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<x/>")
    refused("a sheet of another program; save it as CSV", path)
    path = tmp_path / "x.xls"
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(100))
    refused("an Excel workbook; save its sheet as", path)
    path = tmp_path / "x.txt"
    path.write_bytes(ROWS.encode("utf-16"))
    refused("text in UTF-16; save it as UTF-8", path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_known_by_its_header_where_its_name_says_nothing(tmp_path, separator):
    for name in ("x.txt", "x"):
        path = tmp_path / name
        path.write_text(ROWS.replace(",", separator))
        assert [record.fields["label"] for record in read(path)] == ["B cell", "T cell"]
