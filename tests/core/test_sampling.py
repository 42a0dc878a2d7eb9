"""Generation in chunks: the same law, flat memory, conditions cut alike."""

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.grid import karras_grid
from infonoise_core.training.sampling import generate, generate_chunks

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
