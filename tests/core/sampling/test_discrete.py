"""Symbols drawn one by one follow the joint law that the network's conditionals come from."""

import pytest
import torch
from torch import Tensor

from infonoise_core.sampling.discrete import Given, draw, first_hitting, left_to_right

V, L, N = 3, 3, 4000
# Any joint law: far from independent symbols.
JOINT = torch.rand(V, V, V, generator=torch.Generator().manual_seed(1), dtype=torch.float64) ** 3
JOINT /= JOINT.sum()


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hidden_law(symbols: Tensor, hidden: Tensor) -> Tensor:
    """Exact conditionals (n, L, V) of each place given those in sight."""
    places = torch.cartesian_prod(*[torch.arange(V)] * L)
    fits = ((symbols[:, None] == places) | hidden[:, None]).all(2)
    weight = fits * JOINT.flatten()
    return torch.stack(
        [torch.stack([weight[:, places[:, i] == v].sum(1) for v in range(V)], 1) for i in range(L)],
        1,
    ).log()


def next_law(before: Tensor) -> Tensor:
    """Exact conditionals (n, V) of the next place."""
    i = before.shape[1]
    hidden = torch.arange(L).expand(len(before), L) >= i
    symbols = torch.cat([before, torch.zeros(len(before), L - i, dtype=torch.long)], 1)
    return hidden_law(symbols, hidden)[:, i]


def far(symbols: Tensor, law: Tensor) -> bool:
    """Whether any of the 27 sequences is more than 5 standard errors off its share."""
    index = (symbols * torch.tensor([V * V, V, 1])).sum(1)
    share = torch.bincount(index, minlength=V**L) / len(symbols)
    p = law.flatten()
    return bool(((share - p).abs() > 5 * (p * (1 - p) / len(symbols)).sqrt()).any())


def test_draws_follow_the_softmax_to_its_tail() -> None:
    """Frequencies within 5 standard errors; a symbol of probability 1e-5 is met at all."""
    expected = torch.tensor([0.9, 0.0999, 9e-5, 1e-5])
    share = torch.bincount(draw(expected.log().expand(400_000, -1), rng()), minlength=4) / 400_000
    assert ((share - expected).abs() < 5 * (expected / 400_000).sqrt()).all()
    assert share[3] > 0


def test_left_to_right_gives_the_joint_law() -> None:
    assert not far(left_to_right(next_law, N, L, rng()), JOINT)


@pytest.mark.parametrize("calls", [1, 3])
def test_first_hitting_gives_the_joint_law_if_symbols_come_one_by_one(calls: int) -> None:
    """All at once, each as if alone, it gives the product of what single places have."""
    found = first_hitting(hidden_law, N, L, calls, rng())
    a, b, c = (JOINT.sum([j for j in range(L) if j != i]) for i in range(L))
    alone = a[:, None, None] * b[:, None] * c
    assert far(found, JOINT) == (calls == 1)
    assert far(found, alone) == (calls == 3)


def test_the_network_is_asked_once_for_each_call_and_never_shown_what_is_hidden() -> None:
    shown: list[int] = []

    def law(symbols: Tensor, hidden: Tensor) -> Tensor:
        shown.append(int(hidden.sum(1)[0]))
        # What is hidden has not been drawn.
        assert bool((symbols[hidden] == 0).all())
        return torch.zeros(*symbols.shape, V)

    first_hitting(law, 2, 6, 3, rng())
    assert shown == [6, 4, 2]


# Of some examples the first symbol is given, of others the last two, of others nothing.
KNOWN = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=torch.bool)


@pytest.mark.parametrize("sampler", ["left to right", "first hitting"])
def test_what_is_given_stays_and_the_rest_follows_the_law_behind_it(sampler: str) -> None:
    """From left to right only what stands before a symbol is known of what is given."""
    known = KNOWN.repeat(N, 1)
    symbols = torch.tensor([2, 1, 0]).expand(3 * N, L)
    given = Given(symbols, known)
    if sampler == "left to right":
        found = left_to_right(next_law, 3 * N, L, rng(), given)
        last = JOINT.sum((1, 2))
    else:
        found = first_hitting(hidden_law, 3 * N, L, L, rng(), given)
        last = JOINT[:, 1, 0]
    assert torch.equal(found[known], symbols[known])
    laws = [torch.zeros_like(JOINT), torch.zeros_like(JOINT), JOINT]
    laws[0][2] = JOINT[2] / JOINT[2].sum()
    laws[1][:, 1, 0] = last / last.sum()
    for i, law in enumerate(laws):
        assert not far(found[i::3], law)


@pytest.mark.parametrize("sampler", ["left to right", "first hitting"])
def test_an_example_is_the_same_whatever_is_given_to_others(sampler: str) -> None:
    def drawn(known: Tensor) -> Tensor:
        given = Given(torch.zeros(len(known), L, dtype=torch.long), known)
        own = [rng(i) for i in range(len(known))]
        if sampler == "left to right":
            return left_to_right(next_law, len(known), L, own, given)
        return first_hitting(hidden_law, len(known), L, L, own, given)

    assert torch.equal(drawn(KNOWN[[0, 1, 2]])[0], drawn(KNOWN[[0, 2, 2]])[0])
