"""Fields of FASTA headers: what is written is read back, and what others write is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_bio.data.formats.header import header_fields, header_text

values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
keys = st.text(st.characters(categories=["L", "N"]), min_size=1)


@given(fields=st.dictionaries(keys, values))
def test_what_is_written_is_read_back(fields):
    text = header_text(fields)
    assert header_fields(text) == fields
    # A header is one line, whatever the values hold.
    assert len(text.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("some words label=x expr=1.5", {"label": "x", "expr": "1.5"}),
        ('label="B cell, naive" act=2', {"label": "B cell, naive", "act": "2"}),
        ("label='B cell' act=2", {"label": "B cell", "act": "2"}),
        (r'note="a \"quoted\" word"', {"note": 'a "quoted" word'}),
        (r'path="C:\data" x=1', {"path": r"C:\data", "x": "1"}),
        ("label=T=cell", {"label": "T=cell"}),
        # Where it should end is not known: no label is better than a part of one.
        ('label="B cell act=2', {"act": "2"}),
        ("label='B cell act=2", {"act": "2"}),
        ("note=5'-end act=2", {"note": "5'-end", "act": "2"}),
        ("label= act=2", {"label": "", "act": "2"}),
        ("label=x label=y", {"label": "y"}),
        ("5'UTR=yes =x", {}),
        ("", {}),
    ],
)
def test_headers_of_others(text, fields):
    assert header_fields(text) == fields


def test_plain_values_stay_plain():
    assert header_text({"label": "CD4+", "act": "1.5", "empty": ""}) == "label=CD4+ act=1.5"
