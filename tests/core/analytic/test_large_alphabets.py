"""Priors of large alphabets: what is done once, how far the work is, and that it is right."""

import pytest
import torch
from torch import Tensor

from infonoise_core import VarianceExploding, independent_symbol_profile
from infonoise_core.analytic import categorical, mixture
from infonoise_core.analytic.mixture import MixtureSource


@pytest.mark.parametrize(
    ("size", "width"), [(70, 3), pytest.param(1000, 16, marks=pytest.mark.slow)]
)
def test_vectors_of_a_large_alphabet_come_to_the_entropy(size: int, width: int) -> None:
    """All of it lies between the ends of the grid; and it is said how far the work is."""
    channel = VarianceExploding(0.002, 200.0)
    vectors = torch.randn(size, width, generator=torch.Generator().manual_seed(0))
    p = torch.arange(1, size + 1, dtype=torch.float64).reciprocal()
    p = p / p.sum()
    told: list[tuple[int, int]] = []
    bins = 24 if size < 1000 else 64
    profile = independent_symbol_profile(
        channel, p, vectors, 3, bins, progress=lambda done, total: told.append((done, total))
    )
    entropy = 3 * float(-(p * p.log()).sum())
    # What noise above sigma 200 destroys: half of the variance over its square, 3 width / 8e4.
    assert profile.entropy() == pytest.approx(entropy, abs=4 * profile.entropy_stderr() + 0.01)
    assert profile.entropy_stderr() < 0.01 * entropy
    assert told == [(i, bins) for i in range(1, bins + 1)]


def test_many_points_agree_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path with few passes, on points that the other one takes as well."""
    points = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([0.05, 0.2, 0.7, 3.0], dtype=torch.float64)
    plain = MixtureSource(points)
    exact, error = plain.mmse(sigma), plain.mmse_stderr(sigma)
    monkeypatch.setattr(mixture, "_MANY", 4)
    source = MixtureSource(points)
    assert (source.nodes, plain.nodes) == (2, 4)
    found, own = source.mmse(sigma), source.mmse_stderr(sigma)
    assert bool(((found - exact).abs() <= 4 * (error + own) + 1e-12).all())


def test_an_alphabet_s_decks_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []

    class Counted(categorical._Deck):
        def __init__(self, probabilities: Tensor) -> None:
            built.append(len(probabilities))
            super().__init__(probabilities)

    monkeypatch.setattr(categorical, "_Deck", Counted)
    p = torch.full((50,), 0.02, dtype=torch.float64)
    independent_symbol_profile(VarianceExploding(), p, positions=8, bins=6)
    assert built == [50]
