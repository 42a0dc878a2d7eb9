"""The frozen table: integrals, quantiles, files."""

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infonoise_core import EntropyRateProfile, InputError
from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.binning import log_edges


def profile_of(rates: list[float]) -> EntropyRateProfile:
    rate = torch.tensor(rates, dtype=torch.float64)
    return EntropyRateProfile(
        log_edges(0.01, 10.0, len(rates)), rate, rate / 10, torch.ones_like(rate), dim=2
    )


def test_entropy_of_binary_symbols_is_ln2_each() -> None:
    """Over sigma 0.02 to 400 the tail beyond, 1/(2 sigma_max^2) a symbol, is below 1e-5."""
    profile = exact_profile(BinarySource(3), 0.02, 400.0, bins=128)
    assert profile.entropy() == pytest.approx(3 * math.log(2), rel=1e-4)


def test_entropy_of_a_gaussian_is_the_mutual_information() -> None:
    profile = exact_profile(GaussianSource(4, std=2.0), 0.1, 30.0)
    gain = 0.5 * 4 * (math.log(1 + 4 / 0.01) - math.log(1 + 4 / 900))
    assert profile.entropy() == pytest.approx(gain, rel=1e-6)


@given(st.lists(st.floats(0.0, 10.0), min_size=2, max_size=20), st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_quantile_inverts_the_cdf(rates: list[float], q: float) -> None:
    profile = profile_of([*rates, 1.0])
    sigma = profile.quantile(q)
    log_edges_, cdf = profile.edges.log(), profile.cdf()
    right = int(torch.searchsorted(log_edges_, sigma.log()).clamp(1, len(cdf) - 1))
    share = float((sigma.log() - log_edges_[right - 1]) / profile.width[right - 1])
    assert float(torch.lerp(cdf[right - 1], cdf[right], share)) == pytest.approx(q, abs=1e-9)


def test_quantile_of_a_flat_profile_is_log_uniform() -> None:
    """The cdf belongs to the bin edges: with midpoints the median would be half a bin off."""
    flat = profile_of([1.0] * 7)
    torch.testing.assert_close(flat.quantile(0.5), torch.tensor(math.sqrt(0.1)).double())
    torch.testing.assert_close(
        flat.quantile(torch.tensor([0.0, 1.0])), torch.tensor([0.01, 10.0]).double()
    )


def test_file_round_trip_is_exact(tmp_path: Path) -> None:
    profile = profile_of([0.1, 1 / 3, 2.0])
    profile.stderr[1] = math.inf
    path = tmp_path / "profile.json"
    profile.save(path)
    again = EntropyRateProfile.load(path)
    for name in ("edges", "rate", "stderr", "count"):
        assert torch.equal(getattr(profile, name), getattr(again, name))
    assert again.dim == 2
    assert list(tmp_path.iterdir()) == [path]
    json.loads(path.read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "content", ["", "{}", "[1, 2]", '{"format": "infonoise-profile", "version": 9}', "{broken"]
)
def test_a_file_that_is_no_profile_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"x\.json"):
        EntropyRateProfile.load(path)
    with pytest.raises(InputError, match="no such profile"):
        EntropyRateProfile.load(tmp_path / "missing.json")


def test_a_zero_profile_has_no_quantiles() -> None:
    with pytest.raises(InputError, match="zero everywhere"):
        profile_of([0.0, 0.0]).quantile(0.5)
    with pytest.raises(InputError, match="between 0 and 1"):
        profile_of([1.0, 1.0]).quantile(1.5)


@pytest.mark.parametrize("empty", [1, 3])
def test_empty_bins_at_the_ends_hold_no_quantile(empty: int) -> None:
    profile = profile_of([0.0] * empty + [0.1, 0.2, 0.3] + [0.0] * empty)
    ends = profile.quantile(torch.tensor([0.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(ends, profile.edges[[empty, empty + 3]])
