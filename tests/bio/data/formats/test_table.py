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
