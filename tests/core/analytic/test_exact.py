"""Sources against brute force, against each other, and against their entropies."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infonoise_core import InputError, discrete_entropy
from infonoise_core.analytic.categorical import CategoricalSource, Races
from infonoise_core.analytic.exact import (
    BinarySource,
    GaussianSource,
    Source,
    SphereSource,
    bessel_ratio,
    exact_profile,
)
from infonoise_core.analytic.mixture import MixtureSource

BASES = torch.tensor([0.3, 0.2, 0.1, 0.4])
TETRAHEDRON = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]]) / 3**0.5
TWO_BITS = torch.tensor([[1, -1], [1, 1], [-1, 1], [-1, -1.0]])
CLUSTERS = torch.tensor([[0.0, 0.0], [3.0, 1.0], [10.0, -1.0]])

SOURCES: dict[str, Callable[[], Source]] = {
    "gaussian": lambda: GaussianSource(5, 2.0),
    "low rank": lambda: GaussianSource(6, 0.5, rank=2),
    "fair bits": lambda: BinarySource(3),
    "biased bits": lambda: BinarySource(3, 0.0, 1.0, torch.tensor([0.1, 0.5, 0.8])),
    "one-hot": lambda: CategoricalSource(BASES, 2, -1.0, 1.0),
    "one-hot, by position": lambda: CategoricalSource(torch.stack([BASES, BASES.flip(0)])),
    "two-bit code": lambda: MixtureSource(TWO_BITS, probabilities=BASES),
    "points on a line": lambda: MixtureSource(torch.tensor([[0.0, 0], [1.0, 2], [2.0, 4]])),
    "clusters, one width": lambda: MixtureSource(CLUSTERS, 0.7),
    "clusters, three widths": lambda: MixtureSource(CLUSTERS, torch.tensor([0.2, 1.0, 2.0])),
    "mixture in 1-D": lambda: MixtureSource(CLUSTERS[:, :1], torch.tensor([0.2, 1.0, 2.0])),
    "sphere": lambda: SphereSource(2, 5, 3.0),
    "circle": lambda: SphereSource(1, 2),
}
DISCRETE = ("fair bits", "biased bits", "one-hot", "one-hot, by position", "points on a line")


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("sigma", [0.6, 1.5, 4.0])
def test_denoiser_has_the_error_that_mmse_states(name: str, sigma: float) -> None:
    """The mean of 20,000 squared errors lies within 4.5 of its standard errors: 39 comparisons, of
    which one in 4,000 seeds fails. Below sigma 0.5 symbols are mistaken too rarely for that.
    """
    source = SOURCES[name]()
    rng = torch.Generator().manual_seed(len(name))
    n = 20_000
    x0 = source.sample(n, rng)
    x = x0 + sigma * torch.randn(x0.shape, generator=rng)
    error = (source.denoise(x, torch.full((n,), sigma)) - x0).square().sum(1).double()
    level = torch.tensor(sigma, dtype=torch.float64)
    stderr = math.hypot(float(error.std()) / math.sqrt(n), float(source.mmse_stderr(level)))
    assert x0.shape == (n, source.dim)
    assert abs(float(error.mean() - source.mmse(level))) < 4.5 * stderr


@pytest.mark.parametrize("name", SOURCES)
def test_mmse_obeys_its_laws(name: str) -> None:
    """mmse never falls with sigma, and 1/mmse - 1/(d sigma^2) never rises with it."""
    source = SOURCES[name]()
    sigma = torch.logspace(-1, 2, 25, dtype=torch.float64)
    mmse, error = source.mmse(sigma), source.mmse_stderr(sigma)
    # Sampled values may cross by their errors; quadrature by 1e-7, the promise of `Races`.
    slack = 5 * (error[1:] + error[:-1]) + 1e-7 * mmse[1:]
    assert bool((mmse.diff() >= -slack).all())
    seen = mmse > 1e-9 * mmse[-1]
    mmse, sigma, error = mmse[seen], sigma[seen], error[seen]
    inverse = 1 / mmse - 1 / (source.dim * sigma.square())
    slack = 5 * (error / mmse.square())[:-1] + 1e-6 / mmse[:-1]
    assert bool((inverse.diff() <= slack).all())


@pytest.mark.parametrize("name", SOURCES)
def test_denoise_keeps_shape_and_type(name: str) -> None:
    source = SOURCES[name]()
    x = source.sample(4, torch.Generator().manual_seed(0))
    denoised = source.denoise(x, torch.full((4,), 0.01))
    assert denoised.shape == x.shape
    assert denoised.dtype == torch.float32
    # So little noise moves nothing by more than itself.
    assert float((denoised - x).norm(dim=1).max()) < 0.1


@pytest.mark.parametrize("name", DISCRETE)
def test_profile_of_an_exact_discrete_source_adds_up_to_its_entropy(name: str) -> None:
    # 1e-4: sixty-four bins, a 4-point rule in each, and 1e-7 from the quadrature of mmse.
    source = SOURCES[name]()
    profile = exact_profile(source, 0.02, 200.0)
    assert source.entropy is not None
    assert discrete_entropy(profile).nats == pytest.approx(source.entropy, rel=1e-4)
    assert float(profile.stderr.max()) == 0


def test_profile_of_a_sampled_code_adds_up_to_its_entropy() -> None:
    source = MixtureSource(TWO_BITS, probabilities=BASES)
    profile = exact_profile(source, 0.02, 200.0, bins=16)
    found = discrete_entropy(profile)
    assert source.entropy is not None
    assert 0 < found.stderr < 1e-3
    assert abs(found.nats - source.entropy) < 4 * found.stderr


def test_sampled_code_equals_its_bits() -> None:
    """Equal symbols make the two bits of a code independent, so its mmse is that of two bits."""
    sigma = torch.logspace(-0.6, 1, 12, dtype=torch.float64)
    code = MixtureSource(TWO_BITS)
    error = code.mmse_stderr(sigma)
    # Also where a bit is mistaken once in 30,000 times, as half of the samples are taken there.
    assert bool((error < 5e-3 * code.mmse(sigma)).all())
    # 5 of its own errors, which 8 shifts of the sequence estimate to a quarter.
    assert bool(((code.mmse(sigma) - BinarySource(2).mmse(sigma)).abs() < 5 * error).all())


def test_sampled_values_are_the_same_in_every_call() -> None:
    sigma = torch.tensor([0.5, 2.0], dtype=torch.float64)
    first = MixtureSource(TWO_BITS).mmse(sigma)
    assert torch.equal(first, MixtureSource(TWO_BITS).mmse(sigma.flip(0)).flip(0))


def test_two_symbols_are_a_bit() -> None:
    """One-hot vectors of two symbols lie sqrt(2) apart, like +-1/sqrt(2); two methods, one number.

    256 Gauss-Hermite nodes for the bit hold 1e-6 while a symbol is mistaken more than once in 1e4.
    """
    sigma = torch.logspace(-0.6, 1.5, 12, dtype=torch.float64)
    half = 1 / math.sqrt(2)
    hot = CategoricalSource(torch.tensor([0.3, 0.7]))
    bit = BinarySource(1, -half, half, 0.7)
    torch.testing.assert_close(hot.mmse(sigma), bit.mmse(sigma), rtol=1e-6, atol=1e-9)


def test_symbols_equally_far_apart_are_one_hot() -> None:
    sigma = torch.logspace(-1, 1.5, 9, dtype=torch.float64)
    side = math.sqrt(8 / 3)
    hot = CategoricalSource(BASES, high=side / math.sqrt(2))
    tetrahedron = MixtureSource(TETRAHEDRON, probabilities=BASES)
    # TETRAHEDRON is in float32.
    torch.testing.assert_close(tetrahedron.mmse(sigma), hot.mmse(sigma), rtol=1e-5, atol=1e-12)


def test_mistakes_in_a_large_alphabet() -> None:
    """5,000 words with Zipf's frequencies: what noise destroys adds up to the entropy."""
    words = torch.softmax(-torch.arange(1, 5001, dtype=torch.float64).log(), 0)
    source = CategoricalSource(words)
    profile = exact_profile(source, 0.05, 50.0, bins=24)
    # 1e-4: 24 bins of a factor of 1.33 each, and the tails.
    assert discrete_entropy(profile).nats == pytest.approx(source.entropy, rel=1e-4)


def test_mistakes_have_the_right_ends() -> None:
    p = BASES.to(torch.float64)[None]
    # Without any signal the posterior is the prior; the first order in snr is below 1e-6.
    assert float(Races(p).mistaken(1e-6)[0]) == pytest.approx(1 - float(p.square().sum()), rel=2e-6)
    assert float(Races(p).mistaken(1e4)[0]) == 0


def test_far_points_carry_the_log_of_their_number() -> None:
    rng = torch.Generator().manual_seed(0)
    far = MixtureSource(5 * torch.randn(7, 40, generator=rng))
    assert far.entropy == pytest.approx(math.log(7))
    # 40 random directions: no two points are nearer than about 30.
    found = discrete_entropy(exact_profile(far, 1.0, 2000.0, bins=12))
    assert found.nats == pytest.approx(math.log(7), rel=0.01)


def test_one_width_agrees_with_many() -> None:
    """The reduction to points in more noise against quadrature over the mixture itself."""
    sigma = torch.logspace(-2, 2, 15, dtype=torch.float64)
    means = torch.tensor([[0.0], [1.0], [4.0]])
    widths = torch.tensor([0.5, 0.5, 0.5 * (1 + 1e-9)], dtype=torch.float64)
    one, many = MixtureSource(means, 0.5), MixtureSource(means, widths)
    torch.testing.assert_close(one.mmse(sigma), many.mmse(sigma), rtol=1e-6, atol=0)


def test_a_mixture_of_one_is_a_gaussian() -> None:
    sigma = torch.logspace(-2, 2, 7, dtype=torch.float64)
    alone = MixtureSource(torch.tensor([[5.0, -3.0, 0.0]]), 0.4)
    torch.testing.assert_close(alone.mmse(sigma), GaussianSource(3, 0.4).mmse(sigma))
    assert alone.component(0).std == 0.4
    # Its entropy is sampled to about 1e-3.
    assert alone.entropy == pytest.approx(GaussianSource(3, 0.4).entropy, abs=5e-3)


@pytest.mark.parametrize("scale", [0.01, 100.0])
@pytest.mark.parametrize(
    "make",
    [
        lambda k: BinarySource(3, -k, k),
        lambda k: CategoricalSource(BASES, 2, 0.0, k),
        lambda k: MixtureSource(k * CLUSTERS[:, :1], 0.3 * k),
        lambda k: SphereSource(4, 9, k),
    ],
    ids=["bits", "one-hot", "mixture", "sphere"],
)
def test_scaling_the_data_scales_the_noise_levels(
    make: Callable[[float], Source], scale: float
) -> None:
    sigma = torch.logspace(-1, 1, 7, dtype=torch.float64)
    scaled = make(scale).mmse(scale * sigma) / scale**2
    torch.testing.assert_close(scaled, make(1.0).mmse(sigma), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("order", [0.0, 0.5, 4.5, 49.0])
def test_bessel_ratio(order: float) -> None:
    """Against scipy's exponentially scaled functions, up to x = 1e8, where I itself overflows.

    1 - ratio is what mmse is made of: it holds 1e-4 of itself.
    """
    special = pytest.importorskip("scipy.special")
    x = torch.logspace(-3, 8, 200, dtype=torch.float64)
    scaled = [torch.from_numpy(special.ive(order + k, x.numpy())) for k in (0, 1)]
    usable = (scaled[0] > 0) & (scaled[1] > 0)
    wanted = (scaled[1] / scaled[0])[usable]
    found = bessel_ratio(order, x)[usable]
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=0)
    # Beyond x = 1e6 the comparison itself runs out of digits.
    small = x[usable] < 1e6
    torch.testing.assert_close((1 - found)[small], (1 - wanted)[small], rtol=1e-4, atol=0)


def test_sphere_at_both_ends() -> None:
    sphere = SphereSource(10, 100, radius=2.0)
    sigma = torch.tensor([1e-3, 1e3], dtype=torch.float64)
    low, high = sphere.mmse(sigma).tolist()
    # At low noise the tangent space, at high noise the whole radius; corrections of 1e-4 or less.
    assert low / 1e-6 == pytest.approx(10, rel=1e-4)
    assert high == pytest.approx(4.0, rel=1e-4)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: CategoricalSource(torch.tensor([0.5, 0.6])), "sum to 1"),
        (lambda: CategoricalSource(torch.tensor([1.5, -0.5])), "0 or more"),
        (lambda: CategoricalSource(torch.rand(2, 3, 4)), "give"),
        (lambda: CategoricalSource(BASES.expand(2, 4), 3), "for 3 positions"),
        (lambda: BinarySource(2, probability=1.2), "between 0 and 1"),
        (lambda: MixtureSource(torch.zeros(3)), "components, dim"),
        (lambda: MixtureSource(TWO_BITS, probabilities=torch.ones(1)), "for 4 components"),
        (lambda: MixtureSource(TWO_BITS, torch.tensor([0.0, 0.0, 1.0, 1.0])), "std"),
        (lambda: SphereSource(3, 3), "sphere_dim"),
    ],
)
def test_mistakes_are_named(make: Callable[[], Source], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        make()


def test_noise_levels_of_any_shape() -> None:
    sigma = torch.tensor([[0.5, 1.0, 2.0]], dtype=torch.float64)
    for make in SOURCES.values():
        mmse: Tensor = make().mmse(sigma)
        assert mmse.shape == sigma.shape


def test_the_mmse_of_categories_keeps_the_digits_of_float64() -> None:
    source = CategoricalSource(torch.full((1, 4), 0.25, dtype=torch.float64))
    sigma = torch.tensor([0.3, 0.7, 2.0], dtype=torch.float64)
    exact = [float(Races(source.probabilities).mistaken(s**-2).sum()) for s in sigma.tolist()]
    assert source.mmse(sigma).tolist() == pytest.approx(exact, rel=1e-14)
