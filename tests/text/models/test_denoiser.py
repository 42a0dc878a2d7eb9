"""The denoiser of bits: exact before training, one null for each condition, given bits kept."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from infonoise_core.analytic.exact import BinarySource
from infonoise_core.errors import InputError
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import CLIP, BitDenoiser, make_denoiser

M, L = 3, 5
SIZES = TrunkConfig(width=16, blocks=1, heads=2)


@pytest.fixture(scope="module")
def trained() -> BitDenoiser:
    """Random weights everywhere: nothing is zero, as after training."""
    denoiser = make_denoiser(M, SIZES, 0)
    rng = torch.Generator().manual_seed(1)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.3, generator=rng)
    return denoiser.eval()


def noisy(n: int, sigma: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    clean = torch.randint(0, 2, (n, L, M), generator=rng).float()
    return clean, clean + sigma[:, None, None] * torch.randn(n, L, M, generator=rng)


@given(st.floats(math.log(0.002), math.log(80)), st.integers(0, 1000))
@settings(max_examples=30)
def test_untrained_it_is_the_posterior_of_independent_fair_bits(level: float, seed: int) -> None:
    """In closed form, by core's source of two values; float32 rounds the log-odds, up to 30, to
    2^-20, and sigmoid's slope is 1/4."""
    sigma = torch.full((4,), math.exp(level))
    _, x = noisy(4, sigma, seed)
    exact = BinarySource(L * M, 0.0, 1.0, 0.5)
    expected = exact.denoise(x.flatten(1).double(), sigma.double()).reshape(x.shape)
    found = make_denoiser(M, SIZES, seed)(x, sigma)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=0)


def test_what_the_network_gives_is_added_to_the_evidence() -> None:
    """A network that only knows how often each bit is 1 gives the posterior with that prior."""
    ones = torch.tensor([0.1, 0.5, 0.9])
    denoiser = make_denoiser(M, SIZES, 0)
    with torch.no_grad():
        denoiser.network.out.bias.copy_(ones.logit())
    sigma = torch.tensor([0.1, 0.3, 1.0, 30.0])
    _, x = noisy(4, sigma)
    exact = BinarySource(L * M, 0.0, 1.0, ones.repeat(L))
    expected = exact.denoise(x.flatten(1), sigma).reshape(x.shape)
    torch.testing.assert_close(denoiser(x, sigma), expected, atol=2e-6, rtol=0)


def test_logits_and_probabilities_are_one_thing(trained: BitDenoiser) -> None:
    sigma = torch.tensor([0.01, 0.3, 1.0, 30.0])
    clean, x = noisy(4, sigma)
    known = torch.rand(4, L, generator=torch.Generator().manual_seed(0)) < 0.5
    for condition in ({}, {"known": known, "clean": clean, "previous": clean / 3}):
        log_odds, denoised = (
            trained.logits(x, sigma, **condition),
            trained(x, sigma, **condition),
        )
        torch.testing.assert_close(log_odds.sigmoid(), denoised)
        assert torch.equal(log_odds, trained(x, sigma, logits=True, **condition))
    plain = make_denoiser(M, SIZES, 0).logits(x, sigma)
    expected = ((x - 0.5) / sigma[:, None, None] ** 2).clamp(-CLIP, CLIP)
    assert torch.equal(plain, expected)


def test_there_is_one_null_for_each_condition(trained: BitDenoiser) -> None:
    """No belief is a belief of 1/2; nothing known is no condition, whatever `clean` holds."""
    sigma = torch.tensor([0.1, 0.5, 2.0])
    clean, x = noisy(3, sigma)
    plain = trained(x, sigma)
    assert torch.equal(trained(x, sigma, previous=torch.full_like(x, 0.5)), plain)
    nothing = torch.zeros(3, L, dtype=torch.bool)
    assert torch.equal(trained(x, sigma, known=nothing, clean=clean), plain)
    assert torch.equal(trained(x, sigma, known=nothing, clean=1 - clean), plain)
    assert not torch.allclose(trained(x, sigma, previous=clean), plain, atol=1e-3)


def test_given_tokens_are_kept_to_the_bit_and_read_from_clean_alone(trained: BitDenoiser) -> None:
    sigma = torch.tensor([0.1, 0.5, 40.0])
    clean, x = noisy(3, sigma)
    known = torch.tensor([[True, True, False, False, True]]).expand(3, L)
    condition = {"known": known, "clean": clean}
    found = trained(x, sigma, previous=clean / 2, **condition)
    assert torch.equal(found[known], clean[known])
    # What x and the earlier belief hold at given tokens changes nothing anywhere.
    at = known[..., None]
    other = torch.where(at, x + 7, x), torch.where(at, 0.3, clean / 2)
    assert torch.equal(trained(other[0], sigma, previous=other[1], **condition), found)
    # What `clean` holds elsewhere is not read; what it holds there is.
    hidden = torch.where(at, clean, 0.25)
    same = trained(x, sigma, previous=clean / 2, known=known, clean=hidden)
    assert torch.equal(same, found)
    turned = trained(x, sigma, previous=clean / 2, known=known, clean=1 - clean)
    assert (turned - found)[~known].abs().max() > 1e-3


def test_known_tells_more_than_the_bits(trained: BitDenoiser) -> None:
    """At high noise a value of ±1 may be chance; the flag says that it is not."""
    sigma = torch.full((2,), 80.0)
    clean = noisy(2, sigma)[0]
    sign = 2 * clean - 1
    # The same numbers in both channels as a given token has.
    x = 0.5 + sign * math.sqrt(80.0**2 + 0.25)
    known = torch.zeros(2, L, dtype=torch.bool)
    known[:, 0] = True
    told = trained(x, sigma, previous=clean, known=known, clean=clean)
    untold = trained(x, sigma, previous=clean)
    assert (told - untold)[:, 1:].abs().max() > 1e-3


def test_the_evidence_is_summed_in_float32_under_bf16() -> None:
    """The network may round, the matched filter not: untrained, nothing is lost."""
    denoiser = make_denoiser(M, SIZES, 0)
    sigma = torch.tensor([0.05, 0.3, 1.0])
    _, x = noisy(3, sigma)
    with torch.autocast("cpu", torch.bfloat16):
        found = denoiser(x, sigma)
        assert denoiser.network.head(torch.zeros(1, 32)).dtype == torch.bfloat16
    assert torch.equal(found, denoiser(x, sigma))
    assert found.dtype == torch.float32


def test_under_bf16_it_is_nearly_the_same(trained: BitDenoiser) -> None:
    sigma = torch.tensor([0.05, 0.3, 1.0])
    clean, x = noisy(3, sigma)
    plain = trained.logits(x, sigma, previous=clean)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = trained.logits(x, sigma, previous=clean)
    # Eight bits of mantissa through a few layers, on numbers of about 1 to 30.
    torch.testing.assert_close(rounded, plain, atol=0.3, rtol=0.03)


@pytest.mark.parametrize("shape", [(2, L * M), (2, L, M + 1), (2, L * M, 1), (2, 1, L, M)])
def test_bits_that_make_no_whole_tokens_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"give \(examples, tokens, 3\)"):
        make_denoiser(M, SIZES, 0)(torch.zeros(shape), torch.ones(2))


def test_conditions_that_do_not_fit_are_refused() -> None:
    denoiser, x, sigma = make_denoiser(M, SIZES, 0), torch.zeros(2, L, M), torch.ones(2)
    known = torch.ones(2, L, dtype=torch.bool)
    with pytest.raises(InputError, match="one noise level per example"):
        denoiser(x, torch.ones(3))
    with pytest.raises(InputError, match="`clean`, bits of the shape of x"):
        denoiser(x, sigma, known=known)
    with pytest.raises(InputError, match="one flag per token"):
        denoiser(x, sigma, known=known[:, :-1], clean=x)


def test_a_fresh_one_is_a_function_of_the_seed_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = (make_denoiser(M, SIZES, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)
