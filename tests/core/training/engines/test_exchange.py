"""The mean of gradients in buckets, against that of each; the other process is played."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.training.engines import exchange
from infonoise_core.training.engines.exchange import GradientMean


class Sent:
    def wait(self) -> None:
        pass


@pytest.mark.parametrize("bucket", [1, 5, 1000])
def test_gradients_become_their_mean(bucket: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four parameters the first has a gradient on both processes, the second here alone, the
    third there alone, the last nowhere.
    """
    monkeypatch.setattr(exchange, "BUCKET", bucket)
    parameters = [nn.Parameter(torch.zeros(2, 2)) for _ in range(4)]
    theirs = [torch.full((2, 2), 3.0), None, torch.full((2, 2), 5.0), None]

    buckets = []

    def add_theirs(flat: Tensor, async_op: bool) -> Any:
        names = mean._buckets[len(buckets)]
        buckets.append(names)
        values = [theirs[next(i for i, q in enumerate(parameters) if q is p)] for p in names]
        parts = [torch.zeros(4) if v is None else v.flatten() for v in values]
        had = torch.tensor([float(v is not None) for v in values])
        flat += torch.cat([*parts, had]) / 2
        return Sent()

    monkeypatch.setattr(exchange.dist, "all_reduce", add_theirs)
    mean = GradientMean(parameters, 2)
    for step in range(2):
        buckets.clear()
        for p in parameters:
            p.grad = None
        mean.on = False
        (parameters[0].sum() + parameters[1].sum()).backward()  # a micro-batch before the last
        assert not buckets
        mean.on = True
        (parameters[0].sum() + 3 * parameters[1].sum()).backward()
        mean.finish()
        found = [None if p.grad is None else p.grad.unique().tolist() for p in parameters]
        assert found == [[2.5], [2.0], [2.5], None], step
