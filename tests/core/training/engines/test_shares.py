"""Shares of parameters: every number has one keeper, whatever is divided among how many."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from infonoise_core.training.engines.shares import Shares, divided, shapes_of


def network(sizes: list[int]) -> nn.Module:
    return nn.ParameterList(nn.Parameter(torch.arange(float(n))) for n in sizes)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(1, 9))
def test_every_number_has_one_keeper_and_all_keep_as_many(sizes: list[int], world: int) -> None:
    model = network(sizes)
    kept = [divided(model, rank, world) for rank in range(world)]
    seen = {name: torch.zeros(shape) for name, shape in shapes_of(model).items()}
    for share in (share for shares in kept for share in shares):
        place = seen[share.name][share.start : share.start + share.values.numel()]
        place += 1
        whole = dict(model.named_parameters())[share.name]
        assert torch.equal(share.values, whole[share.start :][: len(share.values)])
    assert all(bool((times == 1).all()) for times in seen.values())
    if world > 1:
        counts = [sum(share.values.numel() for share in shares) for shares in kept]
        assert max(counts) - min(counts) <= 1


def test_shares_follow_the_weights_themselves() -> None:
    model = network([5, 3])
    share = divided(model, 1, 2)[0]
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(7)
    assert share.values.tolist() == [7.0] * share.values.numel()


def test_what_does_not_lie_in_its_order_is_not_cut() -> None:
    model = nn.ParameterList([nn.Parameter(torch.randn(4, 6).t()), nn.Parameter(torch.randn(8))])
    kept = [divided(model, rank, 2) for rank in range(2)]
    assert [[(s.name, tuple(s.values.shape)) for s in shares] for shares in kept] == [
        [("0", (6, 4))], [("1", (8,))],
    ]  # fmt: skip


def test_alone_a_whole_is_a_piece_and_parts_are_checked() -> None:
    model = nn.Linear(3, 2)
    shares = Shares(divided(model, 0, 1), shapes_of(model), torch.device("cpu"))
    (pieces, _) = shares.values().values()
    whole = shares.whole("weight", pieces, 0)
    assert whole is not None
    assert whole.data_ptr() == model.weight.data_ptr()
    assert torch.equal(shares.everywhere("weight", pieces), model.weight)
    assert shares.part_of(shares.mine[0], torch.ones(2, 3)).shape == (2, 3)
