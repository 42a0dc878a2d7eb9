"""The likelihood bound: exact where the entropy is known, never below it, per token and byte."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.data.corpus import Split, SplitCounts
from infonoise_text.data.windows import held_out_windows
from infonoise_text.evaluation.bound import LikelihoodBound, SecondPass, TextEvaluation
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import make_denoiser

from ..markov import MarkovDenoiser, MarkovSource

SIZES = TrunkConfig(width=16, blocks=1, heads=2)
SIGMA_MAX = 80.0
CHAIN = MarkovSource(
    torch.tensor(
        [
            [0.85, 0.05, 0.05, 0.05],
            [0.05, 0.05, 0.85, 0.05],
            [0.3, 0.1, 0.1, 0.5],
            [0.1, 0.8, 0, 0.1],
        ]
    )
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def split_of(ids: Tensor, bytes_: int | None = None, name: str = "valid") -> Split:
    flat = ids.flatten().numpy().astype(np.uint16)
    return Split(name, flat, SplitCounts(1, len(flat), bytes_ or len(flat), ""))


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_random_bits_cost_an_untrained_model_their_number(bits: int) -> None:
    """m ln 2 nats per token: the untrained model is exact, what is assumed at sigma_max costs less
    than 1e-6 nats a bit, and the chance in the noises is taken out, but for the lowest level's."""
    ids = torch.randint(0, 2**bits, (60, 12), generator=rng())
    bound = LikelihoodBound(ids, binary_codes(2**bits), SIGMA_MAX)
    found = bound(make_denoiser(bits, SIZES, 0))
    exact = bits * math.log(2)
    assert found.nats == pytest.approx(exact, rel=2e-3)
    assert found.stderr < 2e-3 * exact
    assert found.in_bits().value == pytest.approx(bits, rel=2e-3)
    assert found.perplexity == pytest.approx(math.exp(found.nats))


def test_without_the_control_it_is_the_same_within_its_error() -> None:
    """Few windows have none: ten sets of noises average to m ln 2 within 4 standard errors, and the
    error that is told is that of chance."""
    ids = torch.randint(0, 8, (15, 40), generator=rng())
    denoiser = make_denoiser(3, SIZES, 0)
    found = [LikelihoodBound(ids, binary_codes(8), SIGMA_MAX, seed=s)(denoiser) for s in range(10)]
    values = torch.tensor([b.nats for b in found])
    error = float(values.std()) / math.sqrt(10)
    assert abs(float(values.mean()) - 3 * math.log(2)) < 4 * error
    assert error < 0.03
    told = sum(b.stderr for b in found) / 10
    assert 0.5 < float(values.std()) / told < 2


def test_bits_of_known_frequency_cost_their_entropy() -> None:
    """A network that gives the log-odds of the prior is exact, at the lowest level too."""
    p = 0.15
    ids = (torch.rand(200, 64, generator=rng()) < p).long()
    denoiser = make_denoiser(1, SIZES, 0)
    fair = LikelihoodBound(ids, binary_codes(2), SIGMA_MAX)(denoiser)
    nn.init.constant_(denoiser.network.out.bias, math.log(p / (1 - p)))
    found = LikelihoodBound(ids, binary_codes(2), SIGMA_MAX)(denoiser)
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    # Of these windows, in which ones are not exactly as frequent as their law says.
    share = float(ids.float().mean())
    here = -share * math.log(p) - (1 - share) * math.log(1 - p)
    assert abs(here - entropy) < 0.02
    assert abs(found.nats - here) < 4 * found.stderr
    assert fair.nats == pytest.approx(math.log(2), rel=0.02)


@pytest.mark.parametrize("sigma_0", [0.08, 0.3, 1.0])
@pytest.mark.parametrize("book", ["binary", "other"])
def test_a_markov_source_costs_its_exact_denoiser_its_entropy(sigma_0: float, book: str) -> None:
    """Wherever the lowest level lies: there the cross entropy of the bits takes over. It is a sum
    over bits, each given x alone, so it is exact where x tells the bits: not at 1.0."""
    codes = binary_codes(4) if book == "binary" else CodeBook(torch.tensor([5, 0, 7, 2]), 3, 0, "")
    ids = CHAIN.sample(400, 12, rng())
    found = LikelihoodBound(ids, codes, SIGMA_MAX, sigma_0=sigma_0)(MarkovDenoiser(CHAIN, codes))
    exact = CHAIN.entropy(12) / 12
    if sigma_0 < 1:
        slack = 0.02 * exact if sigma_0 == 0.3 else 0
        assert abs(found.nats - exact) < 4 * found.stderr + slack
    else:
        assert found.nats > exact + 4 * found.stderr
    assert found.stderr < 0.04


def test_given_tokens_cost_nothing_and_tell_the_rest() -> None:
    """Behind a prompt a first-order chain costs its entropy rate for each token."""
    codes, ids = binary_codes(4), CHAIN.sample(400, 12, rng())
    known = torch.arange(12) < 5
    bound = LikelihoodBound(ids, codes, SIGMA_MAX, known=known)
    found = bound(MarkovDenoiser(CHAIN, codes))
    assert abs(found.nats - CHAIN.entropy_rate) < 4 * found.stderr
    # A model that knows nothing pays for the unknown tokens alone, and all of each.
    assert bound(make_denoiser(2, SIZES, 0)).nats == pytest.approx(2 * math.log(2), rel=0.03)
    with pytest.raises(InputError, match="every token is given"):
        LikelihoodBound(ids, codes, SIGMA_MAX, known=torch.ones(12, dtype=torch.bool))


class Mistaken(nn.Module):
    """The exact denoiser with its log-odds moved, at low noise, at high noise or everywhere."""

    def __init__(self, mistake: float, low: float, high: float) -> None:
        super().__init__()
        self.exact = MarkovDenoiser(CHAIN, binary_codes(4))
        self.mistake, self.low, self.high = mistake, low, high

    def forward(self, x: Tensor, sigma: Tensor, logits: bool = False) -> Tensor:
        inside = (sigma >= self.low) & (sigma < self.high)
        log_odds = self.exact(x, sigma, logits=True) + self.mistake * inside[:, None, None]
        return log_odds if logits else log_odds.sigmoid()


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.3), (0.3, 1.0), (1.0, 90.0), (0.0, 90.0)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_mistake_at_any_level_costs(low: float, high: float, sign: int) -> None:
    """On the same noises, and more the greater it is; so no denoiser gets below the entropy."""
    bound = LikelihoodBound(CHAIN.sample(100, 12, rng()), binary_codes(4), SIGMA_MAX, sigma_0=0.2)
    found = [bound(Mistaken(sign * m, low, high)).nats for m in (0.0, 1.0, 2.0, 4.0)]
    assert found == sorted(found)
    assert found[-1] > found[0] + 0.01


def test_the_bound_is_the_same_every_time() -> None:
    ids = CHAIN.sample(20, 6, rng())
    denoiser = make_denoiser(2, SIZES, 0)
    first = LikelihoodBound(ids, binary_codes(4), SIGMA_MAX)(denoiser)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again = LikelihoodBound(ids, binary_codes(4), SIGMA_MAX)(denoiser)
    assert again == first
    assert torch.equal(torch.get_rng_state(), state)
    assert LikelihoodBound(ids, binary_codes(4), SIGMA_MAX, seed=1)(denoiser) != first


def test_a_second_pass_sees_the_first() -> None:
    denoiser = make_denoiser(2, SIZES, 0)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.3, generator=rng())
    x, sigma = torch.randn(3, 5, 2, generator=rng()), torch.tensor([0.1, 0.5, 2.0])
    twice = SecondPass(denoiser)(x, sigma)
    assert torch.equal(twice, denoiser(x, sigma, previous=denoiser(x, sigma)))
    assert not torch.equal(twice, denoiser(x, sigma))
    assert torch.equal(SecondPass(denoiser)(x, sigma, logits=True).sigmoid(), twice)


def test_a_span_that_ends_below_the_last_level_is_refused() -> None:
    with pytest.raises(InputError, match=r"--sigma-max 0\.05: bits are already certain"):
        LikelihoodBound(torch.zeros(2, 3, dtype=torch.long), binary_codes(2), 0.05)


def test_held_out_windows_are_spread_and_never_meet() -> None:
    split = split_of(torch.arange(103))
    for windows in (2, 5, 10, 99):
        ids = held_out_windows(split, 10, windows)
        assert ids.shape == (min(windows, 10), 10)
        assert len(ids.unique()) == ids.numel()
        assert torch.equal(ids.diff(dim=1), torch.ones_like(ids[:, 1:]))
        assert ids[0, 0] == 0
        assert ids[-1, -1] == 99
    with pytest.raises(InputError, match="the valid split has 19 tokens, one window of 10"):
        held_out_windows(split_of(torch.arange(19)), 10, 5)
    with pytest.raises(InputError, match="the valid split has 9 tokens, fewer than one window"):
        held_out_windows(split_of(torch.arange(9)), 10, 5)


@pytest.mark.parametrize("passes", [1, 2])
def test_an_evaluation_has_the_measures_it_names(passes: int) -> None:
    """Three bytes to two tokens: bits per byte are two thirds of bits per token."""
    split = split_of(CHAIN.sample(50, 12, rng()), bytes_=900)
    evaluation = TextEvaluation(split, binary_codes(4), 12, SIGMA_MAX, windows=40, passes=passes)
    denoiser = make_denoiser(2, SIZES, 0)
    found = evaluation(denoiser)
    names = [measure.name for measure in evaluation.measures()]
    assert set(found) == {*names, *(f"{name}_stderr" for name in names)}
    assert names[0] == "bits_per_byte"
    bound = evaluation.bound(denoiser)
    assert found["nats_per_token"] == bound.nats
    assert found["bits_per_byte"] == pytest.approx(bound.in_bits().value * 600 / 900)
    assert found["bits_per_byte_stderr"] == pytest.approx(bound.stderr / math.log(2) * 600 / 900)
    assert evaluation.floors == {}
    by_window = evaluation.by_example(denoiser)
    assert by_window is not None
    assert float(by_window.mean()) == pytest.approx(found["bits_per_byte"])


def test_three_passes_are_refused() -> None:
    with pytest.raises(InputError, match="--passes 3"):
        TextEvaluation(split_of(torch.zeros(99)), binary_codes(2), 12, SIGMA_MAX, passes=3)
