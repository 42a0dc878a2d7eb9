"""Bits answered by a distribution over tokens: exact for frequencies, in log-odds and in cost."""

import pytest
import torch
from torch import Tensor, nn

from infonoise_text.codes.book import CodeBook
from infonoise_text.evaluation.bound import LikelihoodBound
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import BitDenoiser, make_denoiser
from infonoise_text.models.tuples import TupleTransformer
from infonoise_text.models.vocabulary import Vocabulary, Words

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
    answer = denoiser(x, level, joint=True)
    log_probs = answer.log_softmax(-1)
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
    nats, probs = groups.cost(answer, BOOK.encode(ids))
    torch.testing.assert_close(nats.double(), cost, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(probs, found)


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
    codes = book.encode(torch.arange(3))
    own = (x[:, 1:2] - 0.5) / 0.36
    words = Words(3, codes, 0.0)
    nn.init.eye_(words.weight)
    vocabulary = Vocabulary(codes)
    found = vocabulary.probs(vocabulary.answer(words(others.float(), own.float()), own))
    torch.testing.assert_close(found.double(), exact(x, sigma)[:, 1:2], atol=1e-5, rtol=0)


def test_frequencies_cost_the_entropy_of_tokens() -> None:
    """Not that of bits, which know less of each other."""
    rng = torch.Generator().manual_seed(0)
    law = (COUNTS + 0.5) / (COUNTS + 0.5).sum()
    ids = torch.multinomial(law.expand(300, 5), 20, replacement=True, generator=rng)
    found = LikelihoodBound(ids, BOOK, 80.0)(denoiser_of(COUNTS))
    assert abs(found.nats + float(law[ids].log().mean())) < 4 * found.stderr
    assert found.stderr < 0.02


def test_the_cost_has_the_gradient_of_cross_entropy() -> None:
    """By torch's own, in float64, to rounding; probabilities have none."""
    rng = torch.Generator().manual_seed(0)
    answer = torch.randn(4, 3, 5, dtype=torch.float64, generator=rng, requires_grad=True)
    ids = torch.randint(0, 5, (4, 3), generator=rng)
    weight = torch.rand(4, 3, dtype=torch.float64, generator=rng)
    vocabulary = Vocabulary(CODES).double()
    nats, probs = vocabulary.cost(answer, BOOK.encode(ids))
    assert not probs.requires_grad
    (found,) = torch.autograd.grad((nats * weight).sum(), answer)
    exact = nn.functional.cross_entropy(answer.flatten(0, 1), ids.flatten(), reduction="none")
    (expected,) = torch.autograd.grad((exact.reshape(4, 3) * weight).sum(), answer)
    torch.testing.assert_close(nats, exact.reshape(4, 3))
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_many_examples_are_answered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    _, x, level = noisy(0.5)
    denoiser = denoiser_of(COUNTS)
    known = torch.arange(7).expand(6, 7) % 3 == 0
    condition = {"known": known, "clean": x.round().clamp(0, 1), "previous": x.sigmoid()}
    together = [denoiser(x, level, logits=logits, **condition) for logits in (False, True)]
    monkeypatch.setattr("infonoise_text.models.denoiser._NUMBERS", 4 * 7 * 5)
    apart = [denoiser(x, level, logits=logits, **condition) for logits in (False, True)]
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other)
