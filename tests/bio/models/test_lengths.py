"""Sequences of several lengths: padding changes nothing, and lengths are drawn as they came."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from infonoise_bio.alphabet import MASKED
from infonoise_bio.models.config import Conditions, ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser, make_denoiser, of_length
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.lengths import LengthLaw, length_law, read_backwards
from infonoise_bio.models.options import NetworkConfig
from infonoise_core.errors import InputError

LENGTHS = [23, 5, 17, 1, 12]
LONGEST = 31
ENCODING = make_encoding("one-hot")


def model(kind: str = "cnn", **more) -> BaseDenoiser:
    """Every parameter away from where it started, in float64."""
    # Five blocks of a coarse network hold one of attention, with convolutions before and after it.
    network = NetworkConfig(
        kind, width=16, depth=5 if kind == "coarse" else 2, heads=2, stretch=4, **more
    )
    law = LengthLaw(tuple(sorted(LENGTHS)), ((1,) * len(LENGTHS),))
    found = make_denoiser(ModelConfig(LONGEST, network, lengths=law), ENCODING, seed=0)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return found.double().eval()


def sequences() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes with nothing beyond the ends, noise everywhere, and levels."""
    rng = torch.Generator().manual_seed(3)
    codes = torch.randint(0, 4, (len(LENGTHS), LONGEST), generator=rng).to(torch.uint8)
    for row, length in zip(codes, LENGTHS, strict=True):
        row[length:] = MASKED
    eps = torch.randn(len(LENGTHS), 4, LONGEST, generator=rng, dtype=torch.float64)
    return codes, eps, torch.linspace(0.3, 2.0, len(LENGTHS), dtype=torch.float64)


BOTH = {"positions": False, "equivariant": True}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        *((kind, more) for kind in ("cnn", "transformer", "coarse") for more in ({}, BOTH)),
        *((kind, {"causal": True}) for kind in ("cnn", "transformer")),
    ],
    ids=str,
)
@torch.no_grad()
def test_a_padded_sequence_is_denoised_as_it_is_alone(kind, more):
    network, (codes, eps, sigma) = model(kind, **more), sequences()
    lengths = torch.tensor(LENGTHS)
    x = ENCODING.encode(codes).double() + sigma[:, None, None] * eps
    together = network(x, sigma, length=lengths)
    for i, length in enumerate(LENGTHS):
        alone = network(x[i : i + 1, :, :length], sigma[i : i + 1])
        # Sums of as many terms in another order, in float64.
        torch.testing.assert_close(together[i : i + 1, :, :length], alone, rtol=0, atol=1e-12)
        assert bool((together[i, :, length:] == ENCODING.origin).all())
    if "causal" not in more:
        # Without the lengths what lies beyond the ends is heard: the equality is no accident.
        unaware = network(x, sigma, mask=codes != MASKED)
        assert float((unaware - together).abs().max()) > 1e-3


def test_padding_beyond_the_longest_changes_nothing_either():
    network, (codes, eps, sigma) = model("cnn", positions=False), sequences()
    lengths = torch.tensor(LENGTHS)
    x = ENCODING.encode(codes).double() + sigma[:, None, None] * eps
    more = torch.cat([x, 7.0 * torch.ones(len(x), 4, 20, dtype=x.dtype)], 2)
    found = network(more, sigma, length=lengths)[:, :, :LONGEST]
    torch.testing.assert_close(found, network(x, sigma, length=lengths), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["cnn", "transformer", "coarse"])
def test_the_other_strand_gives_the_other_answer_whatever_the_length(kind):
    network, (codes, eps, sigma) = model(kind, positions=False, equivariant=True), sequences()
    lengths = torch.tensor(LENGTHS)
    x = ENCODING.encode(codes).double() + sigma[:, None, None] * eps

    def other(h: torch.Tensor) -> torch.Tensor:
        return read_backwards(ENCODING.reverse_complement(h).flip(2), lengths)

    turned = network(other(x), sigma, length=lengths)
    assert torch.equal(turned, other(network(x, sigma, length=lengths)))


def test_reading_backwards_twice_is_reading_forward():
    x = torch.arange(30.0).reshape(2, 3, 5)
    lengths = torch.tensor([3, 5])
    assert read_backwards(x, lengths)[0, 0].tolist() == [2, 1, 0, 3, 4]
    assert torch.equal(read_backwards(x, lengths)[1], x[1].flip(1))
    assert torch.equal(read_backwards(read_backwards(x, lengths), lengths), x)
    assert torch.equal(read_backwards(x), x.flip(2))


def test_lengths_are_drawn_as_they_came_in_training():
    rng = np.random.default_rng(0)
    lengths = rng.choice([7, 9, 30, 31], 500, p=[0.1, 0.5, 0.3, 0.1])
    labels = np.where(lengths < 10, 0, rng.integers(0, 3, 500))  # 2: of no class
    law = length_law(lengths, labels, 2)
    n = 4000
    for label, own in ((None, lengths), (0, lengths[labels == 0]), (1, lengths[labels == 1])):
        drawn = law.draw(n, torch.Generator().manual_seed(1), label).numpy()
        values, counts = np.unique(own, return_counts=True)
        assert set(drawn.tolist()) <= set(values.tolist())
        expected = n * counts / counts.sum()
        found = np.array([(drawn == value).sum() for value in values])
        statistic = float(((found - expected) ** 2 / expected).sum())
        # A right sampler is beyond this once in a million draws.
        assert statistic < chi2.isf(1e-6, len(values) - 1)


def test_a_class_without_sequences_has_the_lengths_of_all():
    law = length_law(np.array([4, 4, 6]), np.array([0, 0, 0]), 2)
    assert law == LengthLaw((4, 6), ((2, 1), (0, 0), (2, 1)))
    drawn = law.draw(50, torch.Generator().manual_seed(0), 1)
    assert set(drawn.tolist()) == {4, 6}


def test_settings_keep_lengths_and_have_no_word_of_them_where_all_are_the_same():
    law = length_law(np.array([4, 4, 6]), np.array([0, 1, 0]), 2)
    made = ModelConfig(6, conditions=Conditions(("x", "y")), lengths=law)
    assert ModelConfig.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    plain = ModelConfig(6).to_dict()
    assert "lengths" not in plain  # as in the settings of runs from before
    assert ModelConfig.from_dict(plain) == ModelConfig(6)


def test_one_length_is_the_same_network_on_fewer_places():
    network = model()
    short = of_length(network, 9)
    assert (short.config.length, short.config.lengths) == (9, None)
    assert network.config.length == LONGEST
    assert next(short.parameters()) is next(network.parameters())
    assert of_length(network, None) is network
    for bad in (0, LONGEST + 1):
        with pytest.raises(InputError, match=rf"--length {bad}: the longest .* {LONGEST}"):
            of_length(network, bad)
    one = of_length(network, LONGEST)
    assert of_length(one, LONGEST) is one
    with pytest.raises(InputError, match=r"--length 9: .* makes no others"):
        of_length(one, 9)
