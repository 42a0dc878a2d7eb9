"""Tokens read by tuples of bits and answered in groups, against closed forms."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from infonoise_core.errors import InputError
from infonoise_text.models.config import TrunkConfig, TupleConfig, preset
from infonoise_text.models.denoiser import BitDenoiser, evidence, make_denoiser
from infonoise_text.models.groups import Groups, group_bits
from infonoise_text.models.trunk import Neighbours
from infonoise_text.models.tuples import TupleTransformer

SIZES = TrunkConfig(width=24, blocks=2, heads=3, reach=1, tuples=True)
# Bits of a token and of a group: even, uneven, one alone, and more than there are.
SHAPES = [
    (1, None),
    (4, None),
    (7, 3),
    (10, None),
    (11, None),
    (12, None),
    (12, 5),
    (16, 4),
    (5, 9),
]


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def scrambled(denoiser: BitDenoiser, scale: float = 0.3) -> BitDenoiser:
    drawn = rng()
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=scale, generator=drawn)
    return denoiser.eval()


def noisy(n: int, length: int, bits: int) -> tuple[Tensor, Tensor, Tensor]:
    """x0, x and sigma from almost clean to almost nothing."""
    drawn = rng()
    x0 = torch.randint(0, 2, (n, length, bits), generator=drawn).float()
    sigma = torch.logspace(-1.5, 1.5, n)
    return x0, x0 + sigma[:, None, None] * torch.randn(x0.shape, generator=drawn), sigma


@pytest.mark.parametrize(("bits", "width"), SHAPES)
def test_untrained_it_is_the_matched_filter(bits: int, width: int | None) -> None:
    """For every number of bits, those that fill no whole number of groups too."""
    denoiser = make_denoiser(bits, SIZES, 0, TupleConfig(group_bits=width))
    _, x, sigma = noisy(9, 5, bits)
    exact = evidence(x, sigma)
    # Sums of up to 2^9 terms of float32, of numbers up to 9 * 15.
    torch.testing.assert_close(denoiser.logits(x, sigma), exact, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(denoiser(x, sigma), exact.sigmoid(), atol=1e-5, rtol=0)
    believed = torch.rand(x.shape, generator=rng())
    again = denoiser(x, sigma, previous=believed)
    torch.testing.assert_close(again, exact.sigmoid(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("bits", "width"), SHAPES)
def test_a_group_is_the_posterior_of_its_codes_under_their_prior(
    bits: int, width: int | None
) -> None:
    """With u = log prior of the codes, p is Bayes' rule for Gaussian noise, counted out by hand."""
    width = group_bits(bits, width)
    groups = Groups(bits, width)
    _, x, sigma = noisy(1, 1, bits)
    sigma = torch.tensor([0.7])
    said = torch.randn(groups.count * groups.size, generator=rng())
    log_probs = groups.log_probs(said[None, None], evidence(x, sigma))[0, 0].double()
    for group in range(groups.count):
        places = range(group * width, min((group + 1) * width, bits))
        weights = {}
        for code in itertools.product((0.0, 1.0), repeat=len(places)):
            index = int("".join(str(int(c)) for c in (*code, *(0,) * (width - len(code)))), 2)
            distance = sum((float(x[0, 0, p]) - c) ** 2 for p, c in zip(places, code, strict=True))
            prior = float(said[group * groups.size + index])
            weights[index] = prior - distance / (2 * 0.7**2)
        exact = torch.tensor(list(weights.values()), dtype=torch.float64).log_softmax(0)
        found = log_probs[group, list(weights)]
        torch.testing.assert_close(found, exact, atol=1e-4, rtol=0)
        assert float(found.exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("bits", "width"), SHAPES)
def test_bits_are_the_marginals_of_their_groups(bits: int, width: int | None) -> None:
    groups = Groups(bits, group_bits(bits, width))
    _, x, sigma = noisy(3, 4, bits)
    said = torch.randn(3, 4, groups.count * groups.size, generator=rng())
    log_probs = groups.log_probs(said, evidence(x, sigma))
    p = groups.probs(log_probs)
    torch.testing.assert_close(groups.log_odds(log_probs).sigmoid(), p, atol=1e-5, rtol=0)
    # The costs of all codes of a token: their probabilities add up to 1.
    if bits <= 7:
        codes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=bits)))
        nats = torch.stack([groups.nats(log_probs, c.expand(3, 4, bits)) for c in codes])
        torch.testing.assert_close((-nats).exp().sum(0), torch.ones(3, 4), atol=1e-4, rtol=0)
        ones = ((-nats).exp()[..., None] * codes[:, None, None]).sum(0)
        torch.testing.assert_close(ones, p, atol=1e-4, rtol=0)


def test_a_group_says_no_less_than_the_product_of_its_bits() -> None:
    """On average over codes drawn from the group's own distribution (their mutual information)."""
    groups = Groups(4, 4)
    log_probs = groups.log_probs(torch.randn(1, 1, 16, generator=rng()), torch.zeros(1, 1, 4))
    codes = groups.codes
    apart = functional.binary_cross_entropy_with_logits(
        groups.log_odds(log_probs).expand(16, 1, 4), codes[:, None], reduction="none"
    ).sum((1, 2))
    together = torch.stack([groups.nats(log_probs, code[None, None]).sum() for code in codes])
    weights = log_probs.exp().flatten()
    assert float((weights * together).sum()) < float((weights * apart).sum()) - 0.01


def test_gradients_are_finite_where_a_group_is_short_and_bits_are_certain() -> None:
    denoiser = scrambled(make_denoiser(7, SIZES, 0, TupleConfig(group_bits=4)))
    x0, _, _ = noisy(2, 3, 7)
    x = (100 * (x0 - 0.5)).requires_grad_()
    out = denoiser.logits(x, torch.full((2,), 0.01)).sum() + denoiser(x, torch.ones(2)).sum()
    out.backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in denoiser.parameters())
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_a_known_token_is_read_as_one_code_of_each_tuple_whatever_x_holds() -> None:
    denoiser = scrambled(make_denoiser(6, SIZES, 0))
    clean, x, sigma = noisy(4, 5, 6)
    known = torch.tensor([True, False, True, False, False]).expand(4, 5)
    other = torch.where(known[..., None], torch.full_like(x, 7.0), x)
    found, again = (denoiser(v, sigma, known=known, clean=clean) for v in (x, other))
    torch.testing.assert_close(found, again, atol=1e-6, rtol=0)
    assert torch.equal(found[known], clean[known])
    network = denoiser.network
    assert isinstance(network, TupleTransformer)
    codes = network._codes((30.0 * (2 * clean - 1)).sigmoid())
    shaped = codes.reshape(4, 5, len(network.tuples), -1)
    torch.testing.assert_close(shaped.amax(-1), torch.ones(4, 5, 8), atol=1e-5, rtol=0)
    index = (clean[..., network.tuples].long() << torch.arange(4, -1, -1)).sum(-1)
    assert torch.equal(shaped.argmax(-1), index)


def test_codes_of_tuples_are_products_of_single_bits() -> None:
    network = TupleTransformer(7, SIZES, TupleConfig(tuples=3, tuple_bits=2))
    ones = torch.rand(2, 4, 7, generator=rng())
    found = network._codes(ones).reshape(2, 4, 3, 4)
    for t, (a, b) in enumerate(network.tuples.tolist()):
        p, q = ones[..., a], ones[..., b]
        exact = torch.stack([(1 - p) * (1 - q), (1 - p) * q, p * (1 - q), p * q], -1)
        torch.testing.assert_close(found[:, :, t], exact)


@pytest.mark.parametrize("bits", [1, 3, 5, 7, 12, 15, 16, 20])
def test_every_bit_is_in_a_tuple_and_none_is_twice_in_one(bits: int) -> None:
    tuples = TupleTransformer(bits, SIZES).tuples
    assert tuples.shape == (8, min(5, bits))
    assert all(len(set(row)) == len(row) for row in tuples.tolist())
    assert set(tuples.flatten().tolist()) == set(range(bits))


def test_tuples_come_with_the_weights() -> None:
    """A network made for another seed has those of the one whose weights it takes over."""
    one, other = (make_denoiser(12, SIZES, seed) for seed in (0, 1))
    assert not torch.equal(one.network.tuples, other.network.tuples)  # type: ignore[union-attr]
    other.load_state_dict(one.state_dict())
    _, x, sigma = noisy(2, 3, 12)
    assert torch.equal(one(x, sigma), other(x, sigma))


def test_groups_are_few_and_about_even() -> None:
    assert [group_bits(m) for m in (1, 5, 6, 10, 12, 15, 16, 17, 20)] == [1, 5, 3, 5, 4, 5, 4, 5, 5]


@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_neighbours_are_a_depthwise_convolution(causal: bool, reach: int) -> None:
    near = Neighbours(6, reach, causal=causal)
    x = torch.randn(2, 9, 6, generator=rng())
    kernel = near.weight.T[:, None]  # (6, 1, 2 reach + 1)
    pad = (2 * reach, 0) if causal else (reach, reach)
    exact = x + functional.conv1d(functional.pad(x.mT, pad), kernel, groups=6).mT
    torch.testing.assert_close(near(x), exact, atol=1e-6, rtol=1e-5)


def test_a_causal_trunk_with_neighbours_sees_nothing_of_what_comes() -> None:
    from infonoise_text.models.trunk import Trunk

    trunk = Trunk(replace(SIZES, causal=True))
    drawn = rng()
    for parameter in trunk.parameters():
        nn.init.normal_(parameter, std=0.3, generator=drawn)
    x, noise = torch.randn(1, 6, 24, generator=drawn), torch.randn(1, 24, generator=drawn)
    changed = x.clone()
    changed[0, 3] = torch.randn(24, generator=drawn)
    differs = (trunk(x, noise) - trunk(changed, noise)).abs().amax(-1)[0] > 1e-6
    assert differs.tolist() == [False, False, False, True, True, True]


def test_the_output_costs_groups_and_not_tokens() -> None:
    """From 15 to 20 bits, a vocabulary 32 times as large, the network grows by a few per cent."""

    def size(bits: int) -> int:
        network = make_denoiser(bits, preset("tiny"), 0).network
        return sum(p.numel() for p in network.parameters())

    assert 0 < size(20) - size(15) < 0.03 * size(15)


@pytest.mark.parametrize(
    ("change", "told"),
    [({"tuples": 0}, "--tuples 0"), ({"tuple_bits": 0}, "bits 0"), ({"group_bits": 11}, "bits 11")],
)
def test_tuples_that_cannot_be_built_are_refused(change: dict[str, int], told: str) -> None:
    with pytest.raises(InputError, match=told):
        TupleConfig(**change)
