"""Grids of levels: one grid on every processor."""

import torch

from infonoise_core.binning import log_edges, same_edges
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.infonoise import InfoNoise


def elsewhere(edges: torch.Tensor) -> torch.Tensor:
    """As a processor whose exponential rounds otherwise has them: a few bits in the last place."""
    sign = torch.tensor([1.0, -1.0], dtype=edges.dtype).repeat(len(edges))[: len(edges)]
    return edges * (1 + 2 * torch.finfo(edges.dtype).eps * sign)


def test_rounding_makes_no_other_grid() -> None:
    edges = log_edges(0.002, 80.0, 64)
    assert not torch.equal(elsewhere(edges), edges)
    assert same_edges(elsewhere(edges), edges)
    for other in (log_edges(0.002, 80.0, 63), log_edges(0.002, 80.001, 64), edges[:-1]):
        assert not same_edges(other, edges)


def test_a_run_goes_on_on_another_processor() -> None:
    channel = VarianceExploding(0.002, 80.0)
    first, second = InfoNoise(channel, dim=4), InfoNoise(channel, dim=4)
    first.observe(first.sample(32), torch.rand(32))
    state = first.state_dict()
    state["estimator"]["edges"] = elsewhere(state["estimator"]["edges"])
    second.load_state_dict(state)
    assert torch.equal(second.density(torch.tensor(1.0)), first.density(torch.tensor(1.0)))
