"""The history of losses: the newest of each bin."""

import math
from collections import deque

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_core.binning import log_edges
from infonoise_core.schedules.loss_history import LossHistory


@settings(max_examples=50)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.one_of(st.floats(0, 1e6, width=32), st.just(math.nan), st.just(math.inf)),
            ),
            min_size=1,
            max_size=20,
        ),
        max_size=6,
    ),
    st.integers(1, 4),
)
def test_loss_history_is_a_deque_per_bin(
    batches: list[list[tuple[int, float]]], depth: int
) -> None:
    edges = log_edges(0.1, 10.0, 4)
    middle = (edges[:-1] * edges[1:]).sqrt()
    history = LossHistory(edges, depth)
    exact = [deque[float](maxlen=depth) for _ in range(4)]
    for batch in batches:
        bins, losses = zip(*batch, strict=True)
        history.observe(middle[list(bins)], torch.tensor(losses))
        for b, loss in batch:
            if math.isfinite(loss):
                exact[b].append(loss)
    history.merge()
    assert history.count.tolist() == [len(ring) for ring in exact]
    squares = [sum(loss**2 for loss in ring) / max(len(ring), 1) for ring in exact]
    torch.testing.assert_close(
        history.second_moment.nan_to_num(0), torch.tensor(squares, dtype=torch.float64)
    )
