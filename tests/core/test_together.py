"""Work that processes share: the same as one process's, and over when one of them is gone."""

import json
from pathlib import Path

import pytest
import torch

from infonoise_core.together import Team, at_most, in_turn, own_part, team, together

from .sharing import found, run


def test_alone_everything_is_ones_own() -> None:
    assert team() == Team(0, 1)
    assert list(in_turn(3, lambda i: i * i)) == [0, 1, 4]
    assert (list(own_part(3)), at_most(8, 3)) == ([0, 1, 2], 3)


def test_parts_are_all_and_none_twice() -> None:
    parts = []
    for rank in range(4):
        with together(rank, 4):
            parts += own_part(10)
            assert at_most(8, 10) == 3
    assert parts == list(range(10))
    assert team() == Team(0, 1)


def test_three_processes_have_what_one_has(tmp_path: Path) -> None:
    """Bounds within rounding of sums in float64, samples in order and to the bit but for chunks."""
    codes, _ = run("whole", 3, tmp_path)
    assert codes == [0, 0, 0]
    alone = found()
    for rank in range(3):
        shared = json.loads((tmp_path / f"{rank}.json").read_text())
        assert shared["rates"] == pytest.approx(alone["rates"], rel=1e-12)
        assert shared["drawn"] == alone["drawn"]
        # A chunk of another size may take other kernels.
        torch.testing.assert_close(
            torch.tensor(shared["each"]), torch.tensor(alone["each"]), atol=1e-5, rtol=1e-5
        )


def test_a_process_that_fails_ends_all(tmp_path: Path) -> None:
    codes, seconds = run("failing", 3, tmp_path)
    assert codes[1] == 7
    assert all(codes)
    assert seconds < 60  # most of it is starting Python
