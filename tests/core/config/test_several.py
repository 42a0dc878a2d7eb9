"""An option of several values is given once, one that appends as often as one likes."""

from dataclasses import dataclass, field

import pytest
from tyro.conf import UseAppendAction

from infonoise_core.config.parse import parse_options
from infonoise_core.errors import InputError


@dataclass(frozen=True)
class Plot:
    """A group."""

    side_lengths: tuple[int, ...] = (1, 2)
    """several"""


@dataclass(frozen=True)
class Command:
    """A command."""

    columns: tuple[str, ...] = ()
    """several"""
    place: UseAppendAction[tuple[str, ...]] = ()
    """one at a time"""
    steps: int = 3
    """one"""
    plot: Plot = field(default_factory=Plot)


def test_what_is_given_once_or_appended_is_taken() -> None:
    words = ["--columns", "a", "b", "--place", "x", "--place", "y", "--steps", "4", "--steps", "5"]
    assert parse_options(Command, "prog", words) == Command(("a", "b"), ("x", "y"), 5)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--columns", "a", "--columns", "b"], "--columns"),
        (["--columns=a", "--steps", "2", "--columns", "b"], "--columns"),
        (["--plot.side-lengths", "3", "--plot.side_lengths", "4"], "--plot.side-lengths"),
    ],
)
def test_values_that_the_last_would_hide_are_refused(words: list[str], name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is given twice: give all values behind one"):
        parse_options(Command, "prog", words)
