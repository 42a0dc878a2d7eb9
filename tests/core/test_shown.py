"""What data brings is shown as text: no control characters, no formulas."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.shown import amount, cell, printable

TEXT = st.text(st.characters(codec=None), max_size=40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("chr1:5-9", "chr1:5-9"),
        ("naïve 漢字", "naïve 漢字"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\rb\nc\td", r"a\rb\nc\td"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("name\udcff", r"name\udcff"),
    ],
)
def test_what_is_no_printed_character_is_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(TEXT)
def test_all_that_is_shown_can_be_printed_and_written(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()


@given(TEXT)
def test_a_cell_is_one_cell_and_no_formula(text: str) -> None:
    stream = io.StringIO()
    stream.write(f"{cell(text)}\tend\n")
    (row,) = csv.reader(io.StringIO(stream.getvalue()), delimiter="\t", quoting=csv.QUOTE_NONE)
    assert row == [cell(text), "end"]
    try:
        float(cell(text))
    except ValueError:
        assert not cell(text).startswith(("=", "+", "-", "@"))


def test_numbers_stay_numbers() -> None:
    assert [cell(v) for v in ("-1.5", "+3e-4", "=1+1", "-x", "@a", "+1+2")] == [
        "-1.5", "+3e-4", "'=1+1", "'-x", "'@a", "'+1+2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("record",), "0 records"),
        (1, ("record",), "1 record"),
        (1200, ("record",), "1,200 records"),
        (1, ("copy", "copies"), "1 copy"),
        (2, ("copy", "copies"), "2 copies"),
    ],
)
def test_amounts(number: int, words: tuple[str, ...], text: str) -> None:
    assert amount(number, *words) == text
