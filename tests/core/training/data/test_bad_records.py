"""Bad records: what stands in their place, how they are told, and when they are too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infonoise_core.errors import InputError
from infonoise_core.training.config import EngineConfig
from infonoise_core.training.data.records import BadRecords, Examples, Record

from .record_sources import Numbers, quiet, value


@given(st.integers(1, 30), st.sets(st.integers(0, 29)), st.integers(0, 5))
def test_in_the_place_of_a_bad_record_stands_the_next_good_one(
    n: int, bad: set[int], start: int
) -> None:
    bad = {i for i in bad if i < n}
    if len(bad) == n:
        bad.remove(0)
    expected = [next(j % n for j in range(i, i + n) if j % n not in bad) for i in range(n)]
    examples = Examples(Numbers(n, frozenset(bad)), value, quiet(n))
    # Whatever was read before.
    order = [*range(start, n), *range(n), *reversed(range(n))]
    assert examples.take(order) == [expected[i] for i in order]
    assert len(examples.bad) == len(bad)


def test_bad_records_are_named_first_and_counted_after() -> None:
    lines: list[str] = []
    examples = Examples(Numbers(20, frozenset(range(7))), value, BadRecords(7, lines.append))
    assert examples.take([0, 0, 3]) == [7, 7, 7]
    assert lines[0] == "bad record 1 of at most 7, skipped: number 0: is bad"
    assert lines[-1].endswith("number 4: is bad; more are only counted")
    assert len(lines) == 5
    assert examples.bad.summary() == (
        "7 bad records skipped (number 0, number 1, number 2, number 3, number 4, ...)"
    )
    assert quiet(3).summary() == ""


def test_above_the_limit_the_record_is_named() -> None:
    examples = Examples(Numbers(20, frozenset({3, 5, 9})), value, quiet(2))
    assert examples.take([3, 5, 3]) == [4, 6, 4]
    with pytest.raises(InputError) as caught:
        examples[9]
    assert str(caught.value) == (
        "number 9: is bad; 3 bad records are more than --bad-limit 2: fix the data or raise the"
        " limit"
    )
    with pytest.raises(InputError, match=r"number 3: is bad; 1 bad records are more than --bad-l"):
        Examples(Numbers(20, frozenset({3})), value, BadRecords())[3]


def test_the_count_goes_on_after_a_restart() -> None:
    source = Numbers(20, frozenset({3, 5, 9}))
    before = Examples(source, value, quiet(2))
    before.take([3, 5])
    after = Examples(source, value, quiet(2))
    after.bad.load_state_dict(before.bad.state_dict())
    assert after[3] == 4
    assert len(after.bad) == 2
    with pytest.raises(InputError, match="3 bad records"):
        after[9]


def test_only_input_errors_make_a_record_bad() -> None:
    def broken(record: Record) -> int:
        raise TypeError("a mistake in the program")

    with pytest.raises(TypeError):
        Examples(Numbers(3), broken, quiet(3))[0]


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="--workers -1: give 0 or more"):
        EngineConfig(workers=-1)
    with pytest.raises(InputError, match="--bad-limit -2: give 0 or more"):
        BadRecords(-2)


def test_when_all_are_bad_there_is_an_end() -> None:
    with pytest.raises(InputError, match="all 3 records are bad, the last: number 0"):
        Examples(Numbers(3, frozenset(range(3))), value, quiet(3))[1]
    with pytest.raises(InputError, match="there are no records"):
        Examples(Numbers(0), value, quiet(3))
