"""Rows in a temporary file: as they were added, by number, in few bytes each."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from infonoise_bio.data.formats.spool import Spool

rows = st.lists(st.tuples(st.integers(0, 4), st.text(max_size=5), st.integers(-9, 9)))


@given(rows)
def test_rows_come_back_by_number_in_the_order_they_were_added(added):
    spool = Spool()
    for number, text, value in added:
        spool.add(number, (text, value))
    assert len(spool) == len(added)
    kept = [(number, [text, value]) for number, text, value in added]
    for number in range(5):
        assert list(spool.of(number)) == [row for own, row in kept if own == number]
    by_number = sorted(kept, key=lambda pair: pair[0])
    assert list(spool.in_order()) == [row for _, row in by_number]


def test_memory_for_a_row_is_16_bytes_whatever_it_holds():
    spool = Spool()
    tracemalloc.start()
    for number in range(20_000):
        spool.add(number, ("x" * 200, 1.5))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 20_000 * 24  # arrays grow by an eighth ahead
