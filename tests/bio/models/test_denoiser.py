"""The denoiser: exact before training, exact on the other strand, blind to what it must not see."""

import json
import math

import pytest
import torch

from infonoise_bio.alphabet import MASKED
from infonoise_bio.models.config import Conditions, ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser, IndependentBases, make_denoiser
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.options import ENCODING_NAMES, NetworkConfig
from infonoise_core.errors import InputError

LENGTH = 21
SYMMETRIC = (0.3, 0.2, 0.2, 0.3)
SKEWED = (0.4, 0.1, 0.2, 0.3)
CONDITIONS = Conditions(("x", "y"), ("act", "gc"), (1.0, 0.5), (2.0, 0.1))


def config(
    kind: str = "cnn", equivariant: bool = False, frequencies: tuple[float, ...] = SYMMETRIC
) -> ModelConfig:
    network = NetworkConfig(kind, width=16, depth=2, heads=2, equivariant=equivariant)
    return ModelConfig(LENGTH, network, CONDITIONS, frequencies)


def trained(name: str = "one-hot", scale: float = 1.0, **more) -> BaseDenoiser:
    """Every parameter away from its start."""
    denoiser = make_denoiser(config(**more), make_encoding(name, scale), seed=0).double().eval()
    g = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in denoiser.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=g, dtype=p.dtype))
    return denoiser.requires_grad_(False)


def noisy(denoiser: BaseDenoiser, n: int = 6):
    g = torch.Generator().manual_seed(1)
    codes = torch.randint(4, (n, LENGTH), generator=g).to(torch.uint8)
    x0 = denoiser.encoding.encode(codes).double()
    sigma = torch.rand(n, generator=g, dtype=torch.float64) * denoiser.encoding.scale + 0.2
    eps = torch.randn(x0.shape, generator=g, dtype=torch.float64)
    return codes, x0 + sigma[:, None, None] * eps, sigma


@pytest.mark.parametrize("name", ENCODING_NAMES)
@pytest.mark.parametrize("kind", ["cnn", "transformer"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_the_untrained_denoiser_is_the_exact_posterior_of_independent_bases(name, kind, scale):
    encoding = make_encoding(name, scale)
    denoiser = make_denoiser(config(kind, frequencies=SKEWED), encoding, seed=0)
    codes, x, sigma = noisy(denoiser)
    # Bayes' rule from squared distances, in float64.
    points = encoding.codebook[None, :, :, None]
    distance = (x[:, None] - points).square().sum(2)
    prior = torch.tensor(SKEWED, dtype=torch.float64)[:, None]
    chances = torch.softmax(-distance / (2 * sigma[:, None, None].square()) + prior.log(), 1)
    exact = torch.einsum("nbl,bc->ncl", chances, encoding.codebook)
    label = torch.arange(len(codes)) % 3
    found = denoiser(x.float(), sigma.float(), label=label)
    # float32: logits up to (scale / sigma)^2 = 25 times a few, each with a relative error of 1e-7.
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=3e-5 * scale)
    assert found.dtype == torch.float32
    same = IndependentBases(encoding, torch.tensor(SKEWED, dtype=torch.float64))
    torch.testing.assert_close(same(x, sigma).double(), exact, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("name", ENCODING_NAMES)
@pytest.mark.parametrize("kind", ["cnn", "transformer"])
def test_an_equivariant_denoiser_is_exact_on_the_other_strand(name, kind):
    denoiser = trained(name, kind=kind, equivariant=True)
    encoding = denoiser.encoding
    codes, x, sigma = noisy(denoiser)
    given = codes.masked_fill(torch.rand(codes.shape) < 0.7, MASKED)
    mask = torch.ones(codes.shape, dtype=torch.bool)
    mask[:2, :5] = False
    condition = {"label": torch.tensor([0, 1, 2, 0, 1, 2])}
    there = denoiser(x, sigma, given=given, mask=mask, **condition)
    complement = torch.tensor([3, 2, 1, 0, 4], dtype=torch.uint8)
    back = denoiser(
        encoding.reverse_complement(x),
        sigma,
        given=complement[given.long()].flip(1),
        mask=mask.flip(1),
        **condition,
    )
    assert torch.equal(encoding.reverse_complement(back), there)


def test_an_equivariant_denoiser_refuses_a_prior_that_is_not():
    with pytest.raises(InputError, match="strands"):
        config(equivariant=True, frequencies=SKEWED)


@pytest.mark.parametrize("kind", ["cnn", "transformer"])
def test_masked_positions_are_neither_seen_nor_predicted(kind):
    denoiser = trained(kind=kind)
    _, x, sigma = noisy(denoiser)
    mask = torch.rand(6, LENGTH, generator=torch.Generator().manual_seed(3)) < 0.6
    other = torch.where(mask[:, None], x, 7.0)
    found = denoiser(x, sigma, mask=mask)
    assert torch.equal(denoiser(other, sigma, mask=mask), found)
    hidden = found.transpose(1, 2)[~mask]
    assert torch.equal(hidden, torch.full_like(hidden, denoiser.encoding.origin))


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_given_bases_stay_and_are_looked_at(name):
    denoiser = trained(name)
    codes, x, sigma = noisy(denoiser)
    known = torch.rand(codes.shape, generator=torch.Generator().manual_seed(4)) < 0.5
    given = codes.masked_fill(~known, MASKED)
    found = denoiser(x, sigma, given=given)
    clean = denoiser.encoding.encode(codes).double()
    assert torch.equal(found.transpose(1, 2)[known], clean.transpose(1, 2)[known])
    # The noise on a given base tells nothing; the base itself does.
    assert torch.equal(denoiser(torch.where(known[:, None], -x, x), sigma, given=given), found)
    changed = torch.where(known, 3 - codes, MASKED)
    free = (~known)[:, None].expand_as(found)
    assert float((denoiser(x, sigma, given=changed) - found)[free].abs().max()) > 1e-3
    none = torch.full_like(codes, MASKED)
    assert torch.equal(denoiser(x, sigma, given=none), denoiser(x, sigma))


def test_conditions_matter_and_nothing_is_the_null_condition():
    denoiser = trained()
    _, x, sigma = noisy(denoiser)
    plain = denoiser(x, sigma)
    null = {k: v.expand(6, *v.shape[1:]) for k, v in CONDITIONS.null().items()}
    assert torch.equal(denoiser(x, sigma, **null), plain)
    label = torch.zeros(6, dtype=torch.long)
    assert float((denoiser(x, sigma, label=label) - plain).abs().max()) > 1e-3
    activity = torch.tensor([[3.0, math.nan]]).expand(6, 2)
    told = denoiser(x, sigma, activity=activity)
    assert float((told - plain).abs().max()) > 1e-3
    assert bool(told.isfinite().all())


def test_scaled_codes_and_noise_give_scaled_answers():
    one, ten = trained(scale=1.0), trained(scale=10.0)
    _, x, sigma = noisy(one)
    # Roundings of float64 through two blocks.
    torch.testing.assert_close(ten(10 * x, 10 * sigma), 10 * one(x, sigma), rtol=1e-9, atol=1e-9)


def test_log_probs_are_what_the_mean_is_made_of():
    denoiser = trained("bits")
    _, x, sigma = noisy(denoiser)
    chances = denoiser.log_probs(x, sigma).exp()
    torch.testing.assert_close(chances.sum(1), torch.ones(6, LENGTH, dtype=torch.float64))
    mean = torch.einsum("nbl,bc->ncl", chances, denoiser.encoding.codebook)
    torch.testing.assert_close(denoiser(x, sigma), mean)


def test_what_was_not_trained_for_is_refused():
    plain = make_denoiser(
        ModelConfig(LENGTH, NetworkConfig(width=16, depth=1)), make_encoding("bits"), 0
    )
    x, sigma = torch.zeros(2, 2, LENGTH), torch.ones(2)
    with pytest.raises(InputError, match="label"):
        plain(x, sigma, label=torch.zeros(2, dtype=torch.long))
    with pytest.raises(InputError, match="activity"):
        plain(x, sigma, activity=torch.zeros(2, 1))
    with pytest.raises(InputError, match="one noise level"):
        plain(x, torch.ones(1))
    with pytest.raises(InputError, match="'z' was not seen"):
        CONDITIONS.label("z")
    assert CONDITIONS.label("y") == 1
    with pytest.raises(InputError, match="'a' does not vary"):
        Conditions(activities=("a",), mean=(0.0,), std=(0.0,))


@pytest.mark.parametrize("kind", ["cnn", "transformer"])
def test_a_configuration_survives_json(kind):
    made = config(kind, equivariant=True)
    assert ModelConfig.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_the_same_seed_gives_the_same_model_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    one, two = (make_denoiser(config(), make_encoding("bits"), seed=3) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(p, q)
