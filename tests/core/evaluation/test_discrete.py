"""Costs of symbols on a joint distribution whose every conditional is known."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from infonoise_core import InputError
from infonoise_core.evaluation.discrete import (
    Hidden,
    any_hidden,
    before,
    costs_of,
    even_hidden,
    masked_nats,
    strata_hidden,
)
from infonoise_core.sampling.discrete import checked_calls, first_hitting, in_chunks

L, V = 3, 2
EVERY = torch.tensor(list(itertools.product(range(V), repeat=L)))
# Of all sequences; far from independent.
JOINT = torch.tensor([0.3, 0.02, 0.05, 0.13, 0.01, 0.19, 0.08, 0.22], dtype=torch.float64)


def conditional(symbols: Tensor, hidden: Tensor) -> Tensor:
    """(n, L, V) probabilities of each place given the places that are shown."""
    agree = ((symbols[:, None] == EVERY) | hidden[:, None]).all(-1).double() * JOINT
    found = torch.stack([(agree[:, :, None] * (v == EVERY)).sum(1) for v in range(V)], -1)
    return found / found.sum(-1, keepdim=True)


def exact_costs(hidden: Tensor) -> Tensor:
    return -conditional(EVERY, hidden).gather(-1, EVERY[..., None])[..., 0].log()


def test_an_exact_model_pays_the_likelihood_over_all_orders_and_numbers() -> None:
    """By the chain rule in every order; and any other model pays more on average."""
    total, worse = torch.zeros(2, len(EVERY), dtype=torch.float64)
    draws = list(itertools.product(itertools.permutations(range(L)), range(1, L + 1)))
    for order, number in draws:
        drawn = Hidden(
            torch.tensor(order).expand(len(EVERY), L), torch.full((len(EVERY), 1), number)
        )
        total += masked_nats(exact_costs, drawn) / len(draws)
        worse += masked_nats(lambda hidden: exact_costs(torch.ones_like(hidden)), drawn) / len(
            draws
        )
    torch.testing.assert_close(total, -JOINT.log())
    assert float((JOINT * worse).sum()) > float(-(JOINT * JOINT.log()).sum()) + 0.1


@pytest.mark.parametrize("kind", ["even", "any", "strata"])
def test_every_number_and_every_place_is_hidden_equally_often(kind: str) -> None:
    n, length = 6000, 5
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "strata":
            rng = torch.Generator().manual_seed(0)
            draws = list(strata_hidden(n, length, length, rng))
        elif kind == "even":
            draws = [even_hidden(n, length, level, length) for level in range(length)]
        else:
            draws = [any_hidden(n, length) for _ in range(length)]
    numbers = torch.cat([d.number for d in draws], 1)
    assert numbers.shape == (n, length)
    share = torch.stack([(numbers == k).double().mean() for k in range(1, length + 1)])
    if kind == "any":
        # Five standard errors of a share of 1/5 in 30,000 draws.
        assert float((share - 0.2).abs().max()) < 5 * (0.16 / numbers.numel()) ** 0.5
    else:
        # A number from each stratum, of as many strata as there are numbers.
        assert share.tolist() == pytest.approx([0.2] * length)
        assert torch.equal(
            numbers.sort(1).values, torch.arange(1, length + 1).expand(n, -1).float()
        )
    for drawn in draws:
        assert torch.equal(drawn.rank.sort(1).values, torch.arange(length).expand(n, -1))
        places = (drawn.rank == 0).double().mean(0)
        assert float((places - 0.2).abs().max()) < 5 * (0.16 / n) ** 0.5


@pytest.mark.parametrize("shown", [(0,), (2,), (0, 1), (1, 2)])
def test_behind_given_symbols_an_exact_model_pays_for_the_others_alone(
    shown: tuple[int, ...],
) -> None:
    """Over all draws that never hide what is given: -log p of the rest, given that."""
    given = torch.zeros(len(EVERY), L, dtype=torch.bool)
    given[:, list(shown)] = True
    free = L - len(shown)
    costs = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for level in range(500 * free):
            drawn = even_hidden(len(EVERY), L, level % free, free, given=given)
            assert drawn.among is not None
            assert drawn.among.tolist() == [free] * len(EVERY)
            assert not bool(((drawn.rank < drawn.number) & given).any())
            costs.append(masked_nats(exact_costs, drawn))
    # The strata of one estimate together; within 5 standard errors of 500.
    found = torch.stack(costs).reshape(500, free, -1).mean(1)
    alike = (EVERY[:, None, list(shown)] == EVERY[:, list(shown)]).all(-1)
    expected = -(JOINT / (alike * JOINT).sum(1)).log()
    assert bool(((found.mean(0) - expected).abs() <= 5 * found.std(0) / 500**0.5 + 1e-9).all())


def test_even_numbers_are_even_within_a_batch() -> None:
    number = even_hidden(20, 10).number
    assert [int((number == k).sum()) for k in range(1, 11)] == [2] * 10


def test_what_stands_before() -> None:
    symbols = torch.tensor([[3, 1, 2]])
    assert before(symbols, 9).tolist() == [[9, 3, 1]]
    assert before(symbols > 1, True).tolist() == [[True, True, False]]


def test_costs_of_fixed_examples_come_in_parts() -> None:
    model = nn.Dropout(0.5)
    model.register_parameter("place", nn.Parameter(torch.zeros(())))
    seen = []

    def cost(rows: slice, device: torch.device) -> Tensor:
        assert not model.training
        assert not torch.is_grad_enabled()
        seen.append((rows.start, rows.stop))
        return torch.arange(10.0)[rows]

    found = costs_of(model, cost, 10, 4)
    assert found.dtype == torch.float64
    assert found.tolist() == list(range(10))
    assert seen == [(0, 4), (4, 8), (8, 12)]


def test_chunks_draw_from_the_distribution_and_say_how_far_they_are() -> None:
    done = []
    chunks = in_chunks(
        lambda rng, rows: first_hitting(
            lambda ids, hidden: conditional(ids, hidden).log(), rows, L, L, rng
        ),
        4000, seed=1, chunk=1500, progress=lambda rows, n: done.append((rows, n)),
    )  # fmt: skip
    drawn = torch.cat(list(chunks))
    assert done == [(1500, 4000), (1500, 4000), (1000, 4000)]
    share = torch.stack([(drawn == row).all(1).double().mean() for row in EVERY])
    assert bool(((share - JOINT).abs() < 5 * (JOINT * (1 - JOINT) / 4000).sqrt()).all())


@pytest.mark.parametrize("calls", [0, 4])
def test_calls_are_one_for_each_symbol_at_most(calls: int) -> None:
    assert checked_calls(None, 3, "base") == 3
    with pytest.raises(InputError, match=f"--steps {calls}: give 1 to 3, one for each base"):
        checked_calls(calls, 3, "base")
