"""The energy distance of images, against closed forms and what it must notice."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.energy import energy_distance, energy_of_sets


def folded(mean: float, std: float) -> float:
    """E|N(mean, std^2)|."""
    density = math.sqrt(2 / math.pi) * std * math.exp(-(mean**2) / (2 * std**2))
    return density + mean * math.erf(mean / (std * math.sqrt(2)))


def test_energy_distance_is_the_double_sum() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 1, 2, 2)), rng.standard_normal((4, 1, 2, 2))

    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not (same and i == j)]
        return float(np.mean([np.linalg.norm(a[i] - b[j]) for i, j in pairs]))

    expected = (2 * mean(x, y, False) - mean(x, x, True) - mean(y, y, True)) / 2  # root of 4 pixels
    found = energy_distance(torch.from_numpy(x), torch.from_numpy(y))
    assert found == pytest.approx(expected, rel=1e-12)
    assert energy_distance(torch.from_numpy(y), torch.from_numpy(x)) == pytest.approx(found)


def test_energy_distance_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of images in memory and of sets, whose parts end where they will."""
    rng = np.random.default_rng(0)
    first, second = (
        ImageSet("uniform", rng.integers(0, 256, (n, 1, 4, 4), np.uint8), 256) for n in (25, 16)
    )
    x, y = first.x0(slice(None)), second.x0(slice(None))
    whole = energy_distance(x, y)
    monkeypatch.setattr("infonoise_vision.evaluation.energy.CHUNK", 8)
    assert energy_distance(x, y) == pytest.approx(whole, rel=1e-12)
    assert energy_of_sets(first, second, torch.device("cpu")) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(("shift", "width"), [(0.0, 1.0), (0.5, 1.0), (2.0, 1.0), (0.0, 2.0)])
def test_energy_distance_of_two_normals(shift: float, width: float) -> None:
    """Closed form in one dimension; 30 pairs of sets of 100 within 4 standard errors, so the mean
    over the same distribution is 0: the estimate has no bias."""
    exact = (
        2 * folded(shift, math.sqrt(1 + width**2))
        - folded(0, math.sqrt(2))
        - folded(0, width * math.sqrt(2))
    )
    rng = torch.Generator().manual_seed(0)
    found = [
        energy_distance(
            torch.randn(100, 1, generator=rng), shift + width * torch.randn(100, 1, generator=rng)
        )
        for _ in range(30)
    ]
    error = np.std(found, ddof=1) / math.sqrt(30)
    assert abs(np.mean(found) - exact) < 4 * error
    assert error < 0.06


@given(st.integers(0, 2**31), st.integers(1, 6))
@example(43483, 5)
@settings(max_examples=15)
def test_the_same_distribution_is_at_distance_zero_on_average(seed: int, side: int) -> None:
    """Within 5 standard errors of 200 pairs.

    The distance of equals is skewed, as sums of squares are: of 20 pairs, mean and standard error
    hang together, and 5.1 standard errors were met (the example).
    """
    rng = torch.Generator().manual_seed(seed)

    def draw() -> Tensor:
        x = torch.randn(30, 1, side, side, generator=rng)
        return x + 2 * (torch.rand(30, 1, 1, 1, generator=rng) < 0.3)

    found = [energy_distance(draw(), draw()) for _ in range(200)]
    assert abs(np.mean(found)) < 5 * np.std(found, ddof=1) / math.sqrt(200)


def blurred(images: Tensor, times: int) -> Tensor:
    for _ in range(times):
        images = (images + images.roll(1, -1) + images.roll(1, -2)) / 3
    return images


def stripes(n: int, seed: int) -> Tensor:
    """Images with structure: stripes of random phase, either way up."""
    rng = torch.Generator().manual_seed(seed)
    phase = torch.randint(0, 4, (n, 1, 1), generator=rng)
    wave = torch.where((torch.arange(8) + phase) % 4 < 2, 1.0, -1.0).expand(n, 8, 8)
    turn = torch.rand(n, 1, 1, generator=rng) < 0.5
    return torch.where(turn, wave, wave.transpose(1, 2))[:, None]


def test_energy_distance_grows_with_every_corruption() -> None:
    real, model = stripes(200, 0), stripes(200, 1)
    noise = torch.randn(model.shape, generator=torch.Generator().manual_seed(2))
    clean = energy_distance(model, real)
    corruptions = {
        "shift": [model + s for s in (0.2, 0.5, 1.0)],
        "noise": [model + s * noise for s in (0.2, 0.5, 1.0)],
        "blur": [blurred(model, times) for times in (1, 2, 4)],
    }
    for name, sets in corruptions.items():
        found = [clean, *(energy_distance(images, real) for images in sets)]
        assert found == sorted(found), name
        assert found[-1] > 10 * abs(clean), name
    one_kind = energy_distance(model[:1].expand_as(model), real)
    assert one_kind > 10 * abs(clean)


@given(st.floats(0.01, 100), st.integers(0, 1000))
@settings(max_examples=20)
def test_energy_distance_scales_with_the_images(scale: float, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(6, 1, 3, 3, generator=rng, dtype=torch.float64) for _ in range(2))
    plain = energy_distance(x, y)
    assert energy_distance(scale * x, scale * y) == pytest.approx(scale * plain, abs=1e-9 * scale)
    # Distances of images that all move together stay as they are, to the rounding of cdist.
    assert energy_distance(x + 3, y + 3) == pytest.approx(plain, abs=1e-6)
