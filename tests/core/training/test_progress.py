"""What a log file gets of work that takes a while."""

import re
import time
from typing import Any

from infonoise_core.training.progress import progress, waiting


def test_work_that_says_nothing_is_heard_of_now_and_then(capsys: Any) -> None:
    with waiting("at work", 0.05):
        time.sleep(0.5)
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "at work"
    assert others
    assert all(re.fullmatch(r"at work: \d+ s so far", line) for line in others)
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_work_that_fails_is_heard_of_no_more(capsys: Any) -> None:
    try:
        with waiting("at work", 0.05):
            raise KeyError
    except KeyError:
        capsys.readouterr()
    time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_the_last_of_known_work_is_always_said(capsys: Any) -> None:
    with progress(3, "work", 1e9) as reporter:
        for _ in range(3):
            reporter.advance()
    assert capsys.readouterr().err.splitlines()[-1].startswith("work: 3/3 (100%)")
