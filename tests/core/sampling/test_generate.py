"""Generation in chunks: the same law, flat memory, conditions cut alike."""

from typing import Any

import pytest
import torch
from torch import Tensor

from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.errors import InputError
from infonoise_core.sampling.generate import (
    generate,
    generate_chunks,
    sampler_churn,
    sampler_levels,
)
from infonoise_core.sampling.grids import karras_grid
from infonoise_core.sampling.options import GRIDS, SamplerConfig

SIGMAS = karras_grid(12, 0.01, 20.0)


def point(x: Tensor, sigma: Tensor, at: Tensor) -> Tensor:
    """The denoiser of data that are known."""
    return at.expand_as(x)


def test_every_example_gets_its_own_condition() -> None:
    at = torch.arange(10.0)[:, None]
    sample = generate(point, (2,), 10, SIGMAS, chunk=3, condition={"at": at})
    torch.testing.assert_close(sample.x, at.expand(10, 2))
    assert sample.nfe == 2 * 12 - 1


def test_chunks_are_no_larger_than_asked_and_come_one_at_a_time() -> None:
    told: list[int] = []
    chunks = generate_chunks(
        lambda x, sigma: torch.zeros_like(x), (2,), 10, SIGMAS, chunk=4,
        progress=lambda done, n: told.append(done),
    )  # fmt: skip
    assert told == []
    assert len(next(chunks).x) == 4
    assert [len(c.x) for c in chunks] == [4, 2]
    assert told == [4, 4, 2]


def test_the_noise_starts_around_the_origin() -> None:
    seen: list[Tensor] = []

    def watch(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(x.clone())
        return torch.full_like(x, 0.5)

    generate(watch, (1000,), 4, SIGMAS, origin=100.0)
    # 4,000 draws of noise 20: their mean is off by 0.32, five of these are 1.6.
    assert abs(float(seen[0].mean()) - 100) < 1.6


def test_a_seed_gives_the_same_examples_and_another_seed_others() -> None:
    def shrink(x: Tensor, sigma: Tensor) -> Tensor:
        return x / (1 + sigma[:, None].square())

    one, again, other = (generate(shrink, (3,), 5, SIGMAS, seed=s).x for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_condition_of_the_wrong_length_is_named() -> None:
    with pytest.raises(InputError, match="condition at: 9 rows for 10 examples"):
        generate(point, (2,), 10, SIGMAS, condition={"at": torch.zeros(9, 1)})


def test_nothing_to_generate_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        generate(point, (2,), 0, SIGMAS)


PROFILE = exact_profile(BinarySource(4), 0.02, 50.0)


@pytest.mark.parametrize("grid", GRIDS)
def test_every_grid_spans_the_levels_asked_for(grid: str) -> None:
    sigmas = sampler_levels(SamplerConfig(steps=9, grid=grid), 0.05, 20.0, PROFILE)
    assert sigmas.shape == (9,)
    assert bool((sigmas.diff() < 0).all())
    torch.testing.assert_close(sigmas[[0, -1]], torch.tensor([20.0, 0.05], dtype=torch.float64))


@pytest.mark.parametrize("grid", ["entropic", "rescaled-entropic", "kl"])
def test_a_missing_profile_is_an_error_and_no_other_grid_takes_its_place(grid: str) -> None:
    with pytest.raises(InputError, match=f"--grid {grid} needs a profile"):
        sampler_levels(SamplerConfig(grid=grid), 0.05, 20.0, None)


def test_the_mend_for_a_missing_profile_is_enough() -> None:
    with pytest.raises(InputError, match="give --grid karras --churn 0, or train again"):
        sampler_levels(SamplerConfig(churn=0.3), 0.05, 20.0, None)
    mended = SamplerConfig(grid="karras", churn=0.0)
    assert len(sampler_levels(mended, 0.05, 20.0, None)) == mended.steps
    assert sampler_churn(mended, None) is None


def test_churn_is_put_where_the_gate_says() -> None:
    sigmas = torch.tensor([20.0, 1.0, 0.03])
    assert sampler_churn(SamplerConfig(), None) is None
    everywhere, band, rate = (
        sampler_churn(SamplerConfig(churn=0.2, churn_gate=gate), PROFILE)
        for gate in ("constant", "band", "rate")
    )
    assert everywhere is not None
    assert band is not None
    assert rate is not None
    assert everywhere(sigmas).tolist() == pytest.approx([0.2, 0.2, 0.2])
    assert band(sigmas).tolist() == pytest.approx([0, 0.2, 0])
    high, middle, low = rate(sigmas).tolist()
    assert max(high, low) < 0.01 < 0.1 < middle <= 0.2
    with pytest.raises(InputError, match="--churn-gate band needs a profile"):
        sampler_churn(SamplerConfig(churn=0.2), None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "--steps 0"),
        ({"chunk": 0}, "--chunk 0"),
        ({"seed": -1}, "--seed -1"),
        ({"grid": "square"}, "--grid square: no such grid; give one of entropic"),
        ({"solver": "newton"}, "--solver newton: no such solver"),
        ({"churn": 0.5}, "--churn 0.5"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SamplerConfig(**options)
