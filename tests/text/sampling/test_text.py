"""Generated text: the right law, given tokens kept, calls counted, and no grid by the back door."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.sampling.churn import band_churn, constant_churn
from infonoise_core.sampling.generate import sampler_levels
from infonoise_core.sampling.grids import entropic_grid, karras_grid, log_uniform_grid
from infonoise_text.codes.book import CodeBook, binary_codes
from infonoise_text.data.spans import Given, gaps, prompt
from infonoise_text.models.config import TrunkConfig
from infonoise_text.models.denoiser import SIGMA_LAST, BitDenoiser, make_denoiser
from infonoise_text.options import SAMPLER
from infonoise_text.sampling.text import Generated, generate_ids, read_bits

from ..markov import MarkovDenoiser, MarkovSource

TABLE = torch.tensor(
    [[0.8, 0.1, 0.05, 0.05], [0.05, 0.1, 0.8, 0.05], [0.3, 0.1, 0.1, 0.5], [0.1, 0.7, 0.1, 0.1]]
).double()
CHAIN = MarkovSource(TABLE)
BOOK = binary_codes(4)
LEVELS = log_uniform_grid(12, SIGMA_LAST, 20.0)


def scrambled(bits: int) -> BitDenoiser:
    denoiser = make_denoiser(bits, TrunkConfig(width=16, blocks=1, heads=2), 0)
    rng = torch.Generator().manual_seed(1)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.5, generator=rng)
    return denoiser


class Spy(nn.Module):
    """Notes what a denoiser is asked and what it answers."""

    def __init__(self, denoiser: nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.asked: list[dict[str, Any]] = []

    def forward(self, x: Tensor, sigma: Tensor, **condition: Any) -> Tensor:
        out: Tensor = self.denoiser(x, sigma, **condition)
        self.asked.append({"x": x, "out": out, "training": self.training, **condition})
        return out


def test_an_untrained_model_gives_fair_bits_and_their_share_of_codes_without_a_token() -> None:
    """Five tokens in three bits: 3 of 8 codes have none; each within 5 standard errors."""
    denoiser = make_denoiser(3, TrunkConfig(width=16, blocks=1, heads=2), 0)
    found = generate_ids(denoiser, binary_codes(5, unknown=2), 500, 8, LEVELS)
    n = found.ids.numel()
    assert found.ids.shape == found.invalid.shape == (500, 8)
    error = math.sqrt(3 / 8 * 5 / 8 / n)
    assert abs(float(found.invalid.float().mean()) - 3 / 8) < 5 * error
    assert (found.ids[found.invalid] == 2).all()
    share = torch.bincount(found.ids[~found.invalid], minlength=5) / n
    assert (share - 1 / 8).abs().max() < 5 * math.sqrt(1 / 8 * 7 / 8 / n)


@pytest.mark.parametrize("churn", [None, 0.3])
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_the_exact_denoiser_gives_the_source(churn: float | None, solver: str) -> None:
    """Frequencies of pairs of tokens within 5 standard errors, and the 0.02 that steps of 48 levels
    leave."""
    found = generate_ids(
        MarkovDenoiser(CHAIN, BOOK), BOOK, 400, 10, log_uniform_grid(48, SIGMA_LAST, 20.0),
        solver=solver, churn=None if churn is None else constant_churn(churn), s_noise=1.0,
        chunk=400,
    )  # fmt: skip
    assert not found.invalid.any()
    pairs = 4 * found.ids[:, :-1] + found.ids[:, 1:]
    share = torch.bincount(pairs.flatten(), minlength=16).reshape(4, 4) / pairs.numel()
    expected = CHAIN.stationary[:, None] * TABLE
    # Pairs of one window depend on each other; windows do not.
    error = (expected * (1 - expected) / 400).sqrt() / 2
    assert ((share - expected).abs() < 5 * error + 0.02).all()


def test_what_is_given_steers_the_rest_by_its_law() -> None:
    """Behind token 1 comes 2, between 0 and 1 what the chain puts there."""
    given = Given(torch.tensor([1, 0, 0, 0, 1, 0]), torch.tensor([1, 0, 0, 1, 1, 0]).bool())
    found = generate_ids(
        MarkovDenoiser(CHAIN, BOOK), BOOK, 600, 6, log_uniform_grid(40, SIGMA_LAST, 20.0),
        given=given, chunk=600,
    )  # fmt: skip
    assert torch.equal(found.ids[:, given.known], given.ids[given.known].expand(600, 3))
    joint = TABLE[1][:, None] * TABLE * TABLE[:, 0]
    for ids, law in (
        (4 * found.ids[:, 1] + found.ids[:, 2], (joint / joint.sum()).flatten()),
        (found.ids[:, 5], TABLE[1]),
    ):
        share = torch.bincount(ids, minlength=len(law)) / 600
        assert ((share - law).abs() < 5 * (law * (1 - law) / 600).sqrt() + 0.02).all()


@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("solver", ["euler", "heun", "dpmpp-2m"])
def test_given_tokens_stay_to_the_bit(guidance: float, solver: str) -> None:
    """Through guidance beyond their bits, churn and a network that says anything."""
    book = CodeBook(torch.tensor([6, 1, 7, 0, 4]), 3, 0, "some")
    given = gaps([[4, 0, 2], [1], [3, 3]], 12)
    spy = Spy(scrambled(3))
    found = generate_ids(
        spy, book, 5, 12, LEVELS, solver=solver, churn=constant_churn(0.3), given=given,
        guidance=guidance, chunk=2,
    )  # fmt: skip
    assert torch.equal(found.ids[:, given.known], given.ids[given.known].expand(5, 6))
    assert not found.invalid[:, given.known].any()
    for call in spy.asked:
        if call["previous"] is not None:
            bits = book.encode(given.ids).float()[given.known]
            assert torch.equal(call["previous"][:, given.known], bits.expand(len(call["x"]), 6, 3))
            assert 0 <= call["previous"].min() <= call["previous"].max() <= 1
    assert not any(call["training"] for call in spy.asked)


@pytest.mark.parametrize(("solver", "calls"), [("euler", 12), ("heun", 23), ("dpmpp-2m", 12)])
@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.0])
def test_the_calls_that_are_told_are_those_made(solver: str, calls: int, guidance: float) -> None:
    """For each example, not for each chunk; a guided call is two, an ignored condition one."""
    spy = Spy(scrambled(2))
    found = generate_ids(
        spy, BOOK, 5, 6, LEVELS, solver=solver, given=prompt([1], 6), guidance=guidance, chunk=2
    )
    expected = 2 * calls if guidance == 2 else calls
    assert found.nfe == expected
    assert len(spy.asked) == 3 * expected


def test_beliefs_are_carried_from_call_to_call_and_never_between_chunks() -> None:
    spy = Spy(scrambled(2))
    generate_ids(spy, BOOK, 4, 6, LEVELS, chunk=2)
    for i, call in enumerate(spy.asked):
        if i % 12 == 0:
            assert call["previous"] is None
        else:
            assert torch.equal(call["previous"], spy.asked[i - 1]["out"])
    spy = Spy(scrambled(2))
    generate_ids(spy, BOOK, 4, 6, LEVELS, carry=False)
    assert all(call["previous"] is None for call in spy.asked)


def test_guidance_drops_what_is_given_from_every_input_but_the_noisy_state() -> None:
    spy = Spy(scrambled(2))
    generate_ids(spy, BOOK, 3, 6, LEVELS, given=prompt([1, 3], 6), guidance=2.0)
    free, told = spy.asked[::2], spy.asked[1::2]
    for i, call in enumerate(free):
        assert not call["known"].any()
        assert call["previous"] is None
        assert call["known"].shape == told[i]["known"].shape == (3, 6)
        assert torch.equal(call["x"], told[i]["x"])
    assert all(call["known"][:, :2].all() for call in told)
    assert all(call["previous"] is not None for call in told[1:])


def test_the_start_is_noise_around_a_half_and_a_seed_is_a_text() -> None:
    def run(seed: int, n: int = 40) -> tuple[Spy, Generated]:
        spy = Spy(scrambled(2))
        return spy, generate_ids(spy, BOOK, n, 30, LEVELS, seed=seed, chunk=40)

    spy, found = run(0)
    start = (spy.asked[0]["x"] - 0.5) / LEVELS[0]
    n = start.numel()
    assert abs(float(start.mean())) < 5 / math.sqrt(n)
    assert abs(float(start.std()) - 1) < 5 / math.sqrt(2 * n)
    assert torch.equal(run(0)[1].ids, found.ids)
    assert torch.equal(run(0, 80)[1].ids[:40], found.ids)
    assert not torch.equal(run(1)[1].ids, found.ids)


def test_entropic_levels_remove_equal_shares_of_entropy() -> None:
    """Of fair bits, whose rate is known. The profile's 64 bins are constant inside, which moves a
    share by 2.5 %; centres taken for edges would move the levels by half a bin, a share by 32 %."""
    channel = VarianceExploding(0.002, 80.0)
    source = BinarySource(24, 0.0, 1.0)
    profile = exact_profile(source, channel.sigma_min, channel.sigma_max)
    sigmas = entropic_grid(profile, 9, SIGMA_LAST, 80.0)
    assert sigmas[0] == 80
    assert sigmas[-1] == SIGMA_LAST
    fine = log_uniform_grid(40_001, SIGMA_LAST, 80.0).flip(0)
    rate = source.mmse(fine) / fine.square()
    cdf = torch.cat([torch.zeros(1).double(), torch.cumulative_trapezoid(rate, fine.log())])
    at = torch.searchsorted(fine, sigmas.flip(0)).clamp_max(40_000)
    shares = cdf[at].diff() / cdf[-1]
    assert float((shares * 8 - 1).abs().max()) < 0.03
    assert cdf[-1] == pytest.approx(24 * math.log(2), rel=1e-3)


def test_a_missing_profile_is_an_error_and_no_other_grid_takes_its_place() -> None:
    with pytest.raises(InputError, match="--grid entropic needs a profile"):
        sampler_levels(SAMPLER, SIGMA_LAST, 80.0, None)
    karras = replace(SAMPLER, grid="karras", steps=10)
    assert torch.equal(
        sampler_levels(karras, SIGMA_LAST, 80.0, None), karras_grid(10, SIGMA_LAST, 80.0)
    )


def test_churn_follows_the_profile() -> None:
    """Inside its band every call is at a raised level, outside none is."""
    profile = exact_profile(BinarySource(4, 0.0, 1.0), 0.002, 80.0)
    sigmas = entropic_grid(profile, 16, SIGMA_LAST, 80.0)
    churn = band_churn(profile, 0.2, 0.2, 0.8)
    told: list[float] = []

    class Told(BitDenoiser):
        def forward(self, x: Tensor, sigma: Tensor, *args: Any, **condition: Any) -> Tensor:
            told.append(float(sigma[0]))
            return super().forward(x, sigma, *args, **condition)

    generate_ids(Told(scrambled(2).network), BOOK, 2, 3, sigmas, churn=churn)
    band = profile.quantile(torch.tensor([0.2, 0.8], dtype=torch.float64))
    inside = (sigmas > band[0]) & (sigmas < band[1])
    assert 5 < int(inside.sum()) < 15
    expected = torch.where(inside, 1.2 * sigmas, sigmas)
    torch.testing.assert_close(torch.tensor(told).double(), expected, atol=0, rtol=1e-6)


def test_what_makes_no_text_is_refused() -> None:
    denoiser = scrambled(2)
    with pytest.raises(InputError, match=r"--solver rk4: .* euler, heun"):
        generate_ids(denoiser, BOOK, 2, 6, LEVELS, solver="rk4")
    with pytest.raises(InputError, match="--guidance 2 without given tokens"):
        generate_ids(denoiser, BOOK, 2, 6, LEVELS, guidance=2.0)
    with pytest.raises(InputError, match="7 tokens with what is given, in windows of 6"):
        generate_ids(denoiser, BOOK, 2, 6, LEVELS, given=prompt([1], 7))
    with pytest.raises(InputError, match="--n 0: give at least 1"):
        generate_ids(denoiser, BOOK, 0, 6, LEVELS)


def test_a_code_without_a_token_becomes_the_likeliest_token() -> None:
    """By the product of its bits, counted out over all tokens; others are left alone."""
    book = CodeBook(torch.tensor([6, 1, 7, 0, 4]), 3, 0, "some")
    x = torch.rand(40, 5, 3, generator=torch.Generator().manual_seed(0))
    ids, invalid = read_bits(book, x)
    plain = book.decode(x > 0.5)
    assert torch.equal(invalid, plain.invalid)
    assert 0 < int(invalid.sum()) < invalid.numel()
    assert torch.equal(ids[~invalid], plain.ids[~invalid])
    codes = book.encode(torch.arange(5)).float()
    p = x[..., None, :] * codes + (1 - x[..., None, :]) * (1 - codes)
    assert torch.equal(ids[invalid], p.prod(-1).argmax(-1)[invalid])
