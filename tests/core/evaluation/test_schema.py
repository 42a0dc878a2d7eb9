"""Tables as people read them."""

from infonoise_core.evaluation.schema import Row, Table, cells


def test_numbers_that_would_fill_a_line_are_shown_with_an_exponent() -> None:
    rows = [
        Row("small", {"nats": 1.23456, "words": 1e304}, {"nats": 0.01}),
        Row("none", {"nats": None}),
    ]
    header, body = cells(Table("t", "split", ("nats", "words"), rows))
    assert header == ["split", "nats", "words"]
    assert body == [["small", "1.2346 ± 0.0100", "1.00000e+304"], ["none", "-", "-"]]
