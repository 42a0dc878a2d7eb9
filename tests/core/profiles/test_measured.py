"""Profiles by groups of coordinates or of coefficients, where each group's is known."""

import math

import pytest
import torch
from torch import Tensor

from infonoise_core import InputError, VarianceExploding, measure_profile
from infonoise_core.profiles.measured import Coefficients, Places

CHANNEL = VarianceExploding(0.1, 10.0)
STD = torch.tensor([0.2, 1.0, 3.0])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    variance = STD.square()
    return x * variance / (variance + sigma[:, None, None] ** 2)


def examples(n: int = 500) -> Tensor:
    """(n, 4, 3): four places of three coordinates, each of a deviation of its own."""
    return STD * torch.randn(n, 4, 3, generator=rng(1))


def rate(std: float, edges: Tensor) -> Tensor:
    """Of one coordinate: s^2 / (s^2 + sigma^2), averaged over log sigma in each bin exactly."""
    integral = edges.log() - 0.5 * (1 + (edges / std) ** 2).log()
    return integral.diff() / edges.log().diff()


def test_groups_of_coordinates_have_the_closed_forms() -> None:
    groups = Places(["narrow", "middle", "wide"], torch.arange(3).expand(1, 4, 3))
    found = measure_profile(gaussian, examples(), CHANNEL, 12, 400, generator=rng(), groups=groups)
    assert list(found.groups) == ["narrow", "middle", "wide"]
    for std, part in zip(STD.tolist(), found.groups.values(), strict=True):
        truth = 4 * rate(std, found.edges)
        # A chi-square of 4 x 400 numbers has a relative deviation of 3.5 %; 12 bins of 3 groups.
        assert bool(((part - truth).abs() < 4.5 * truth * math.sqrt(2 / 1600)).all())
    torch.testing.assert_close(sum(found.groups.values()), found.rate)


def test_groups_change_nothing_but_themselves() -> None:
    plain = measure_profile(gaussian, examples(), CHANNEL, 6, 64, generator=rng())
    groups = Places(["a", "b"], torch.tensor([0, 1, 1]).expand(1, 4, 3))
    split = measure_profile(gaussian, examples(), CHANNEL, 6, 64, generator=rng(), groups=groups)
    assert plain.groups == {}
    for column in ("rate", "stderr", "count", "edges"):
        torch.testing.assert_close(getattr(split, column), getattr(plain, column))


def test_places_may_differ_between_examples() -> None:
    """Which coordinate belongs to which group is each example's own."""
    x0 = examples(40)
    index = torch.randint(0, 2, (40, 4, 3), generator=rng(2))

    def known(x: Tensor, sigma: Tensor, truth: Tensor, off: Tensor) -> Tensor:
        return truth + off

    found = measure_profile(
        known, x0, CHANNEL, 3, 40, {"truth": x0, "off": (index == 1).float()},
        groups=Places(["right", "wrong"], index), generator=rng(),
    )  # fmt: skip
    assert found.groups["right"].tolist() == [0.0] * 3
    torch.testing.assert_close(found.groups["wrong"], found.rate)


def test_coefficients_of_a_rotation_add_up() -> None:
    turn = torch.linalg.qr(torch.randn(3, 3, generator=rng(3), dtype=torch.float64)).Q

    def split(error: Tensor) -> dict[str, Tensor]:
        turned = error.double() @ turn
        return {"first": turned[..., 0], "rest": turned[..., 1:]}

    groups = Coefficients(split, examples(1))
    found = measure_profile(gaussian, examples(), CHANNEL, 6, 64, generator=rng(), groups=groups)
    plain = measure_profile(gaussian, examples(), CHANNEL, 6, 64, generator=rng())
    torch.testing.assert_close(found.groups["first"] + found.groups["rest"], plain.rate)
    assert bool((found.groups["first"] > 0).all())


def test_chunks_and_generators_by_bin() -> None:
    made = [
        measure_profile(
            gaussian, examples(), CHANNEL, 4, 50, chunk=chunk, generator=lambda i: rng(10 + i)
        ).rate
        for chunk in (None, 7)
    ]
    torch.testing.assert_close(*made)
    # The second bin's numbers are its own.
    other = measure_profile(
        gaussian, examples(), CHANNEL, 4, 50, generator=lambda i: rng(10 + i if i != 1 else 99)
    ).rate
    assert (other != made[0]).nonzero().flatten().tolist() == [1]


@pytest.mark.parametrize("draws", [0, 1])
def test_one_draw_tells_no_error(draws: int) -> None:
    with pytest.raises(InputError, match=f"--draws {draws}: give at least 2"):
        measure_profile(gaussian, examples(), CHANNEL, 4, draws)
