"""Bits answered by a distribution over tokens: exact for frequencies, in log-odds and in cost."""

import pytest
import torch
from torch import Tensor, nn

from infonoise_text.codes.book import CodeBook
from infonoise_text.evaluation.bound import LikelihoodBound
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import BitDenoiser, make_denoiser
from infonoise_text.models.tuples import TupleTransformer
from infonoise_text.models.vocabulary import Vocabulary

from ..markov import MarkovDenoiser, MarkovSource

SIZES = TrunkConfig(width=24, blocks=2, heads=2, reach=1, tuples=True)
BOOK = CodeBook(torch.tensor([6, 1, 7, 0, 4]), 3, 0, "some")
CODES = BOOK.encode(torch.arange(5))
COUNTS = torch.tensor([40.0, 3.0, 9.0, 0.0, 11.0])


def denoiser_of(counts: Tensor | None = None) -> BitDenoiser:
    made = make_denoiser(3, SIZES, 0, codes=CODES)
    if counts is not None:
        assert isinstance(made.network, TupleTransformer)
        made.network.expect(counts)
    return made


def noisy(sigma: float, n: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 5, (n, 7), generator=rng)
    x0 = BOOK.encode(ids).float()
    return ids, x0 + sigma * torch.randn(x0.shape, generator=rng), torch.full((n,), sigma)


@pytest.mark.parametrize("sigma", [0.08, 0.3, 1.0, 20.0])
def test_untrained_it_is_the_posterior_of_the_frequencies(sigma: float) -> None:
    """Bayes' rule over all tokens in float64; where evidence is clipped, bits are certain."""
    _, x, level = noisy(sigma)
    away = (x[..., None, :].double() - CODES.double()).square().sum(-1)
    share = ((COUNTS + 0.5) / (COUNTS + 0.5).sum()).double()
    exact = (share.log() - away / (2 * sigma**2)).softmax(-1) @ CODES.double()
    torch.testing.assert_close(denoiser_of(COUNTS)(x, level).double(), exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sigma", [0.2, 0.7, 3.0])
def test_what_it_says_is_the_mean_over_tokens(sigma: float) -> None:
    """By enumeration in float64, with a network of random weights; 1e-5 is float32's."""
    ids, x, level = noisy(sigma)
    denoiser = denoiser_of()
    rng = torch.Generator().manual_seed(1)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.2, generator=rng)
    log_probs = denoiser(x, level, joint=True)
    groups = denoiser.groups
    assert isinstance(groups, Vocabulary)
    p = log_probs.double().exp()
    assert torch.allclose(p.sum(-1), torch.ones(6, 7, dtype=torch.float64), atol=1e-5)
    ones = p @ CODES.double()
    found = denoiser(x, level)
    torch.testing.assert_close(found.double(), ones, atol=1e-5, rtol=0)
    odds = denoiser.logits(x, level)
    torch.testing.assert_close(odds.sigmoid(), found, atol=1e-5, rtol=0)
    cost = -p.log().gather(-1, ids[..., None]).squeeze(-1)
    torch.testing.assert_close(groups.nats(log_probs, BOOK.encode(ids)).double(), cost)


def test_the_law_of_all_other_tokens_makes_the_answer_exact() -> None:
    """Noise is independent between tokens, so a token's posterior is its law given the others, by
    its own evidence: with that law for u it is the exact denoiser of a chain."""
    table = torch.tensor([[0.8, 0.2, 0.0], [0.1, 0.2, 0.7], [0.5, 0.1, 0.4]]).double()
    chain, book = MarkovSource(table), CodeBook(torch.tensor([3, 0, 2]), 2, 0, "")
    exact = MarkovDenoiser(chain, book)
    rng = torch.Generator().manual_seed(0)
    x0 = book.encode(chain.sample(20, 3, rng)).double()
    x, sigma = x0 + 0.6 * torch.randn(x0.shape, generator=rng).double(), torch.full((20,), 0.6)
    alone = exact._evidence(x, sigma.double())
    alone[:, 1] = 0
    others = exact._posterior(alone)[:, 1:2].log()
    vocabulary = Vocabulary(book.encode(torch.arange(3)))
    own = (x[:, 1:2] - 0.5) / 0.36
    found = vocabulary.probs(vocabulary.log_probs(others, own))
    torch.testing.assert_close(found.double(), exact(x, sigma)[:, 1:2], atol=1e-5, rtol=0)


def test_frequencies_cost_the_entropy_of_tokens() -> None:
    """Not that of bits, which know less of each other."""
    rng = torch.Generator().manual_seed(0)
    law = (COUNTS + 0.5) / (COUNTS + 0.5).sum()
    ids = torch.multinomial(law.expand(300, 5), 20, replacement=True, generator=rng)
    found = LikelihoodBound(ids, BOOK, 80.0)(denoiser_of(COUNTS))
    assert abs(found.nats + float(law[ids].log().mean())) < 4 * found.stderr
    assert found.stderr < 0.02
