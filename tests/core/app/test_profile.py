"""A profile in words: its entropy with the error of what was seen, and how much was not."""

import re
from pathlib import Path

import pytest
import torch

from infonoise_core import EntropyRateProfile, VarianceExploding
from infonoise_core.app.profile import show_profile


def saved(path: Path, unseen: int) -> Path:
    """Ten bins of rate 2 and error 0.1; nothing was seen in the last `unseen`."""
    edges = VarianceExploding(1.0, 10.0).edges(10)
    stderr = torch.full((10,), 0.1, dtype=torch.float64)
    stderr[10 - unseen :] = torch.inf
    rate, count = (torch.full((10,), v, dtype=torch.float64) for v in (2.0, 50.0))
    EntropyRateProfile(edges, rate, stderr, count).save(path)
    return path


@pytest.mark.parametrize("unseen", [0, 3])
def test_the_error_is_of_what_was_seen(
    unseen: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_profile(saved(tmp_path / "p.json", unseen))
    out = capsys.readouterr().out
    width = VarianceExploding(1.0, 10.0).edges(10).log().diff()[0]
    error = 0.1 * float(width) * (10 - unseen) ** 0.5
    found = re.search(r"entropy +([\d.]+) ± ([\d.]+) nats", out)
    assert found is not None
    assert float(found[1]) == pytest.approx(20 * float(width), abs=0.006)
    assert float(found[2]) == pytest.approx(error, abs=0.006)
    assert ("3 of 10 bins" in out) == (unseen == 3)
    assert ("30.0% of the entropy is filled in" in out) == (unseen == 3)
