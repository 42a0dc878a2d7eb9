"""Two processes under gloo."""

import pytest
import torch

from of_core import two_ranks


@pytest.fixture(scope="module")
def ranks() -> list[two_ranks.Tables]:
    return two_ranks.run_pair(seed=3)


def test_ranks_hold_the_same_table_to_the_last_bit(ranks: list[two_ranks.Tables]) -> None:
    """After each refresh, while each rank draws and observes its own."""
    first, second = ranks
    refreshes = two_ranks.STEPS // two_ranks.REFRESH
    for name in ("own", "shared", "rate"):
        assert first[name].shape[0] == refreshes
        assert torch.equal(first[name], second[name])
    # It did adapt: the last table is not the first one, the warm-up law's.
    assert not torch.allclose(first["own"][0], first["own"][-1], rtol=0.1)


def test_two_ranks_of_256_estimate_as_one_of_512(ranks: list[two_ranks.Tables]) -> None:
    alone = two_ranks.shared_observations(seed=3, rank=0, world=1)
    for name in ("shared", "rate"):
        difference = (ranks[0][name] - alone[name]).abs().max() / alone[name].max()
        # Sums in another order; the bound is derived where it is defined.
        assert float(difference) < two_ranks.TOLERANCE
    # Half of the losses give another estimate, so the ranks did pool theirs.
    half = two_ranks.shared_observations(seed=3, rank=0, world=2)
    assert float((ranks[0]["rate"] - half["rate"]).abs().max()) > 1e-3
