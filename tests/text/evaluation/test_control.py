"""What is taken out of the bound's noise: unbiased, and what is left is small."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.evaluation.bound import LikelihoodBound
from infonoise_text.evaluation.control import CodeLaw, control_width, token_counts

from ..markov import MarkovDenoiser, MarkovSource

SIGMA_MAX = 80.0
CHAIN = MarkovSource(
    torch.tensor(
        [[0.9, 0.04, 0.04, 0.02], [0.1, 0.1, 0.7, 0.1], [0.3, 0.1, 0.1, 0.5], [0.2, 0.7, 0, 0.1]]
    )
)
SKEWED = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02], dtype=torch.float64)
BOOK = CodeBook(torch.tensor([6, 0, 3, 2, 5, 1, 4]), 3, 0, "")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def skewed(n: int, length: int) -> Tensor:
    drawn = torch.multinomial(SKEWED, n * length, replacement=True, generator=rng())
    return drawn.reshape(n, length)


class Denoising(torch.nn.Module):
    """A CodeLaw as the bound calls a denoiser."""

    def __init__(self, law: CodeLaw) -> None:
        super().__init__()
        self.law = law

    def forward(self, x: Tensor, sigma: Tensor, logits: bool = False) -> Tensor:
        found = self.law(x, sigma)
        return found.logit(1e-7) if logits else found


@pytest.mark.parametrize(("width", "known"), [(1, 0), (2, 3), (3, 0)])
def test_the_cost_of_the_control_is_what_noises_cost_it_on_average(width: int, known: int) -> None:
    """Its integral, measured with many noises, is the closed form that is taken for its mean."""
    ids = skewed(40, 8)
    law = CodeLaw(BOOK, 1000 * SKEWED, width)
    given = torch.arange(8) < known
    found = []
    for seed in range(8):
        bound = LikelihoodBound(ids, BOOK, SIGMA_MAX, known=given, seed=seed, counts=SKEWED)
        measured = bound._error(law).rate_integral
        exact = (law.nats(BOOK.encode(ids).float(), SIGMA_MAX) * ~given).sum(1)
        found.append(float((measured - exact).mean()))
    error = np.std(found, ddof=1) / math.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error
    assert error < 0.02 * 8 * 1.4


@pytest.mark.parametrize("width", [1, 3])
def test_the_bound_of_a_unigram_law_is_its_exact_cost(width: int) -> None:
    """Nothing is left of the noise where the denoiser is the control, and little where it is not:
    a bound by another law of the same tokens is unbiased over seeds."""
    ids = skewed(64, 16)
    counts = 1000 * SKEWED
    law = CodeLaw(BOOK, counts, width)
    exact = float(law.nats(BOOK.encode(ids).float(), 1e9).mean())
    found = torch.tensor(
        [
            LikelihoodBound(ids, BOOK, SIGMA_MAX, seed=seed, counts=counts)(Denoising(law)).nats
            for seed in range(8)
        ]
    )
    spread = float(found.std())
    assert abs(float(found.mean()) - exact) < 4 * spread / math.sqrt(8) + 1e-4
    # float32's certainty about bits at the lowest level, and what bits are at sigma_max.
    assert spread < (2e-3 if width == 3 else 0.02)


def test_a_source_with_memory_is_bounded_without_bias_and_with_less_noise() -> None:
    """Over seeds the mean is the entropy of these windows by the exact denoiser, which is known."""
    codes, ids = binary_codes(4), CHAIN.sample(64, 12, rng())
    denoiser = MarkovDenoiser(CHAIN, codes)
    counts = token_counts(ids.flatten().numpy(), 4)
    first = -CHAIN.stationary[ids[:, 0]].log()
    later = -CHAIN.transition[ids[:, :-1], ids[:, 1:]].log()
    exact = float(first.sum() + later.sum()) / ids.numel()
    old, new = (
        torch.tensor(
            [
                LikelihoodBound(ids, codes, SIGMA_MAX, seed=s, **more)(denoiser).nats
                for s in range(10)
            ]
        )
        for more in ({}, {"counts": counts})
    )
    assert abs(float(new.mean()) - exact) < 4 * float(new.std()) / math.sqrt(10) + 1e-4
    assert float(new.std()) < 0.8 * float(old.std())


def test_a_control_is_as_wide_as_can_be_paid_for() -> None:
    assert control_width(12, 16 * 64 * 64) == 12
    assert control_width(12, 16 * 257 * 64) == 6
    assert control_width(16, 16 * 64 * 1024) == 8
    assert control_width(1, 1 << 40) == 1
