"""Text block by block: the right law behind what stands before, and a sample for each generator."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.sampling.churn import constant_churn
from infonoise_core.sampling.grids import log_uniform_grid
from infonoise_text.codes.book import binary_codes
from infonoise_text.data.spans import Given
from infonoise_text.evaluation.bound import LikelihoodBound
from infonoise_text.models.behind import Behind
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import SIGMA_LAST, make_denoiser
from infonoise_text.sampling.blocks import BlockSolver, generate_blocks
from infonoise_text.sampling.text import Generated, own_of

from ..markov import MarkovDenoiser, MarkovSource

TABLE = torch.tensor(
    [[0.8, 0.1, 0.05, 0.05], [0.05, 0.1, 0.8, 0.05], [0.3, 0.1, 0.1, 0.5], [0.1, 0.7, 0.1, 0.1]]
).double()
CHAIN = MarkovSource(TABLE)
BOOK = binary_codes(4)
LEVELS = log_uniform_grid(40, SIGMA_LAST, 20.0)


class MarkovBlock(MarkovDenoiser):
    """The exact denoiser of a block behind the clean token before it (n, 1, m), if there is one."""

    def __init__(self, block: int, before: Tensor | None = None) -> None:
        super().__init__(CHAIN, BOOK)
        self.block, self._before = block, before

    @classmethod
    def first(cls, block: int, n: int) -> "MarkovBlock":
        return cls(block)

    def then(self, clean: Tensor) -> "MarkovBlock":
        return MarkovBlock(self.block, clean[:, -1:])

    def forward(  # type: ignore[override]
        self, x: Tensor, sigma: Tensor, known: Tensor | None = None, clean: Tensor | None = None,
        previous: Tensor | None = None, logits: bool = False, before: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Of x's shape; a row that is longer than a block has its blocks behind clean ones."""
        parts = []
        for start in range(0, x.shape[1], self.block):
            there = slice(start, start + self.block)
            last = self._before
            if start and before is not None:
                last = before[:, start - 1 : start]
            given = known is not None and clean is not None
            own = (known[:, there], clean[:, there]) if given else (None, None)  # type: ignore[index]
            parts.append(self._block(x[:, there], sigma, last, *own, logits))
        return torch.cat(parts, 1)

    def _block(
        self, x: Tensor, sigma: Tensor, before: Tensor | None, known: Tensor | None,
        clean: Tensor | None, logits: bool,
    ) -> Tensor:  # fmt: skip
        if before is None:
            return super().forward(x, sigma, None, known, clean, logits)
        x = torch.cat([before, x], 1)
        known = torch.zeros(x.shape[0], x.shape[1] - 1).bool() if known is None else known
        clean = x[:, 1:] if clean is None else clean
        there = torch.cat([torch.ones_like(known[:, :1]), known], 1)
        found = super().forward(x, sigma, None, there, torch.cat([before, clean], 1), logits)
        return found[:, 1:]


def written(block: int, n: int, length: int, **change: Any) -> Generated:
    solver = BlockSolver(LEVELS, change.pop("name", "euler"), change.pop("churn", None), 1.0)
    options = {"chunk": n, **change}
    first: Any = partial(MarkovBlock.first, block)
    return generate_blocks(first, BOOK, n, length, solver, own_of(0), **options)


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("churn", [None, 0.3])
def test_exact_denoisers_give_the_source(block: int, churn: float | None) -> None:
    """As in whole windows (test_text.py): pairs within 5 standard errors and 0.02 for the steps;
    pairs within a block and across its end."""
    gamma = None if churn is None else constant_churn(churn)
    found = written(block, 400, 9, churn=gamma)
    assert not found.invalid.any()
    assert found.nfe == len(LEVELS)
    pairs = 4 * found.ids[:, :-1] + found.ids[:, 1:]
    expected = (CHAIN.stationary[:, None] * TABLE).flatten()
    ends = torch.arange(1, 9) % block == 0
    for some in (pairs[:, ends], pairs[:, ~ends]):
        if some.numel():
            share = torch.bincount(some.flatten(), minlength=16) / some.numel()
            error = (expected * (1 - expected) / 400).sqrt()
            assert ((share - expected).abs() < 5 * error + 0.02).all()


class Saying(nn.Module):
    """Says the law of the next token behind the last one (n,), whatever its noise."""

    block, blind = 1, False

    def __init__(self, last: Tensor | None = None) -> None:
        super().__init__()
        self.place, self._last = nn.Parameter(torch.zeros(())), last

    @staticmethod
    def codes_of(ids: Tensor) -> Tensor:
        return BOOK.encode(ids).float()

    def then(self, clean: Tensor) -> "Saying":
        return Saying(BOOK.decode(clean[:, 0] > 0.5)[0])

    def forward(self, x: Tensor, sigma: Tensor, *, joint: bool, **given: Tensor) -> Tensor:
        assert joint
        assert bool((sigma == float(LEVELS[0])).all())
        law = CHAIN.stationary.expand(len(x), 4) if self._last is None else TABLE[self._last]
        return law.log()[:, None].float()


def test_tokens_alone_are_drawn_from_what_the_network_says() -> None:
    """In one call, with no error of steps: pairs within 5 standard errors."""
    solver = BlockSolver(LEVELS[:1], draws=True)
    first: Any = lambda n: Saying()  # noqa: E731
    made = [generate_blocks(first, BOOK, 600, 9, solver, own_of(0), chunk=c) for c in (600, 77)]
    found = made[0]
    assert found.nfe == 1
    assert not found.invalid.any()
    assert torch.equal(found.ids, made[1].ids)
    expected = (CHAIN.stationary[:, None] * TABLE).flatten()
    share = (
        torch.bincount((4 * found.ids[:, :-1] + found.ids[:, 1:]).flatten(), minlength=16) / 4800
    )
    assert ((share - expected).abs() < 5 * (expected * (1 - expected) / 600).sqrt()).all()
    # What is given stands, and is drawn behind.
    given = Given(torch.tensor([2, 1, 0, 0]), torch.arange(4) < 2)
    behind = generate_blocks(first, BOOK, 600, 4, solver, own_of(1), given=given)
    assert bool((behind.ids[:, :2] == given.ids[:2]).all())
    share = torch.bincount(behind.ids[:, 2], minlength=4) / 600
    assert ((share - TABLE[1]).abs() < 5 * (TABLE[1] * (1 - TABLE[1]) / 600).sqrt()).all()


def test_a_prompt_may_end_within_a_block() -> None:
    ids = torch.tensor([1, 0, 2, 0, 1, 0, 0, 0])
    given = Given(ids, torch.arange(8) < 5)
    found = written(3, 600, 8, given=given)
    assert torch.equal(found.ids[:, :5], ids[:5].expand(600, 5))
    law = TABLE[1]
    share = torch.bincount(found.ids[:, 5], minlength=4) / 600
    assert ((share - law).abs() < 5 * (law * (1 - law) / 600).sqrt() + 0.02).all()


def test_a_window_is_its_own_generators_whatever_stands_beside_it() -> None:
    one = written(2, 7, 5, churn=constant_churn(0.3))
    other = written(2, 7, 5, churn=constant_churn(0.3), chunk=3)
    assert torch.equal(one.ids, other.ids)
    fewer = written(2, 2, 5, churn=constant_churn(0.3))
    assert torch.equal(fewer.ids, one.ids[:2])


def test_what_is_given_of_one_window_changes_no_other() -> None:
    """Also not by what it draws: where a window is given, its generator rests."""
    ids = torch.tensor([[3, 1, 2, 0, 1, 1], [0, 1, 0, 0, 0, 0]])
    known = torch.arange(6) < torch.tensor([[4], [1]])
    both = written(2, 2, 6, given=Given(ids, known), churn=constant_churn(0.3))
    for row in (0, 1):
        given = Given(ids[row : row + 1], known[row : row + 1])
        solver = BlockSolver(LEVELS, "euler", constant_churn(0.3), 1.0)
        first: Any = partial(MarkovBlock.first, 2)
        alone = generate_blocks(first, BOOK, 1, 6, solver, own_of(0, rows=[row]), given=given)
        assert torch.equal(alone.ids[0], both.ids[row])


def test_windows_that_are_given_whole_cost_no_call() -> None:
    ids = torch.tensor([[3, 1, 2, 0], [0, 1, 1, 2]])
    found = written(2, 2, 4, given=Given(ids, torch.ones(2, 4).bool()))
    assert torch.equal(found.ids, ids)
    assert found.nfe == 0


def test_progress_and_mistakes() -> None:
    done: list[tuple[float, int]] = []
    written(2, 5, 4, chunk=2, progress=lambda *step: done.append(step))
    assert done == [(1, 5), (1, 5), (1, 5), (1, 5), (0.5, 5), (0.5, 5)]
    with pytest.raises(InputError, match="--n 0"):
        written(2, 0, 4)
    with pytest.raises(InputError, match="--solver rk: no such solver"):
        written(2, 1, 4, name="rk")
    with pytest.raises(InputError, match="3 tokens with what is given, in windows of 4"):
        written(2, 1, 4, given=Given(torch.zeros(3).long(), torch.ones(3).bool()))


@pytest.mark.parametrize("block", [1, 3, 12])
def test_the_bound_of_exact_blocks_is_the_entropy(block: int) -> None:
    """Whatever the blocks, what stands before and what is noisy in one add up to all of it."""
    ids = CHAIN.sample(400, 12, torch.Generator().manual_seed(0))
    found = LikelihoodBound(ids, BOOK, 80.0, ordered=True)(MarkovBlock(block))
    assert abs(found.nats - CHAIN.entropy(12) / 12) < 4 * found.stderr
    assert found.stderr < 0.04


@pytest.mark.parametrize("make", [lambda p: nn.init.normal_(p, std=0.5)])
def test_a_network_writes_windows_of_any_length(make: Callable[[Tensor], Any]) -> None:
    """Also those that end within a block."""
    trunk = TrunkConfig(width=16, blocks=1, heads=2, reach=1, block=4, tuples=True)
    denoiser = make_denoiser(2, trunk, 0).eval()
    first = partial(Behind.first, denoiser)
    for parameter in denoiser.parameters():
        make(parameter)
    solver = BlockSolver(LEVELS[::8])
    found = generate_blocks(first, BOOK, 3, 10, solver, own_of(1))
    assert found.ids.shape == (3, 10)
    assert int(found.ids.max()) < 4
    # What stands before does not depend on what is still to come.
    fewer = generate_blocks(first, BOOK, 3, 8, solver, own_of(1))
    assert torch.equal(fewer.ids, found.ids[:, :8])
