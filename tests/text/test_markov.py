"""The exact source: against enumeration of all windows, and its own counts."""

import itertools
import math

import pytest
import torch

from infonoise_core.errors import InputError
from infonoise_text.codes.book import binary_codes

from .markov import MarkovDenoiser, MarkovSource

TABLE = torch.tensor([[0.8, 0.1, 0.1], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4]], dtype=torch.float64)
L = 4


def windows() -> tuple[torch.Tensor, torch.Tensor]:
    """All windows (81, L) and their probabilities."""
    source = MarkovSource(TABLE)
    ids = torch.tensor(list(itertools.product(range(3), repeat=L)))
    p = source.stationary[ids[:, 0]]
    for i in range(1, L):
        p = p * TABLE[ids[:, i - 1], ids[:, i]]
    return ids, p


def test_entropy_is_that_of_all_windows() -> None:
    source, (_, p) = MarkovSource(TABLE), windows()
    assert float(p.sum()) == pytest.approx(1)
    assert source.entropy(L) == pytest.approx(float(-torch.xlogy(p, p).sum()))
    torch.testing.assert_close(source.stationary @ TABLE, source.stationary)


def test_equal_rows_are_independent_tokens() -> None:
    source = MarkovSource(torch.full((8, 8), 1 / 8))
    assert source.entropy_rate == pytest.approx(math.log(8))
    assert source.entropy(5) == pytest.approx(5 * math.log(8))


@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0, 5.0])
@pytest.mark.parametrize("given", [False, True])
def test_the_denoiser_is_the_mean_over_all_windows(sigma: float, given: bool) -> None:
    source, book = MarkovSource(TABLE), binary_codes(3)
    ids, p = windows()
    bits = book.encode(ids).double()
    rng = torch.Generator().manual_seed(0)
    clean = book.encode(source.sample(6, L, rng)).double()
    x = clean + sigma * torch.randn(clean.shape, generator=rng, dtype=torch.float64)
    known = torch.zeros(6, L, dtype=torch.bool)
    known[:, 1] = given
    logits = -(x[:, None] - bits).square() / (2 * sigma**2)
    logits = logits.masked_fill(known[:, None, :, None], 0).sum((-1, -2)) + p.log()
    other = ((clean[:, None] != bits).any(-1) & known[:, None]).any(-1)
    weight = logits.masked_fill(other, -math.inf).softmax(1)
    expected = torch.einsum("nw,wlm->nlm", weight, bits)
    denoiser = MarkovDenoiser(source, book)
    level = torch.full((6,), sigma, dtype=torch.float64)
    found = denoiser(x, level, known=known, clean=clean)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    log_odds = denoiser(x, level, known=known, clean=clean, logits=True)
    torch.testing.assert_close(log_odds.sigmoid(), expected, atol=1e-9, rtol=0)


def test_what_is_drawn_follows_the_table() -> None:
    """Frequencies of pairs within 5 standard errors of binomial counts."""
    ids = MarkovSource(TABLE).sample(2000, 10, torch.Generator().manual_seed(0))
    assert ids.shape == (2000, 10)
    counts = torch.bincount((3 * ids[:, :-1] + ids[:, 1:]).flatten(), minlength=9).reshape(3, 3)
    share = counts / counts.sum(1, keepdim=True)
    error = (TABLE * (1 - TABLE) / counts.sum(1, keepdim=True)).sqrt()
    assert ((share - TABLE).abs() <= 5 * error).all()


@pytest.mark.parametrize(
    "table", [torch.eye(2)[:1], torch.tensor([[0.5, 0.6], [0.5, 0.5]]), torch.full((2, 2), -0.5)]
)
def test_a_table_that_is_no_law_is_refused(table: torch.Tensor) -> None:
    with pytest.raises(InputError, match="a transition table is square"):
        MarkovSource(table)
