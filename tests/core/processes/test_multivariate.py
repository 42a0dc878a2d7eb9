"""Gaussian examples of which a part has a noise level of its own: every number is known."""

import math

import pytest
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.multivariate import Multivariate, counted_error, shaped_noise
from infonoise_core.profiles.dimension import svd_gap
from infonoise_core.profiles.measured import measure_profile
from infonoise_core.sampling.choose import choose_levels
from infonoise_core.sampling.solvers import solve
from infonoise_core.training.task import Batch

LOW, HIGH, LEAD = 0.05, 20.0, 4.0
SIZES = torch.tensor([1.0, 0.3])


class Leading(nn.Module):
    """The posterior mean of independent Gaussians; the second has v = sigma^slope, v(LOW) = LOW."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("unused", nn.Parameter(torch.zeros(1)))
        self.slope = 1 + math.log(LEAD) / math.log(HIGH / LOW)

    uniform = False

    def levels(self, sigma: Tensor) -> Tensor:
        """(n, 2)."""
        return torch.stack([sigma, LOW * (sigma / LOW) ** self.slope], 1)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        square = SIZES.square()
        return x * square / (square + self.levels(sigma).square())

    def shaped(self, noise: Tensor, sigma: Tensor) -> Tensor:
        return noise * self.levels(sigma) / sigma[:, None]

    def counted(self, error: Tensor, sigma: Tensor) -> Tensor:
        slopes = torch.tensor([1.0, self.slope])
        return error * slopes.sqrt() * sigma[:, None] / self.levels(sigma)


def lost() -> float:
    """Nats about an example that its noisy form has at LOW and no more at HIGH."""
    information = [
        0.5 * (1 + SIZES.square() / Leading().levels(torch.tensor([sigma]))[0].square()).log().sum()
        for sigma in (LOW, HIGH)
    ]
    return float(information[0] - information[1])


def test_rates_of_parts_add_up_to_what_noise_destroys() -> None:
    x0 = torch.randn(4096, 2, generator=torch.Generator().manual_seed(0)) * SIZES
    profile = measure_profile(
        Leading(), x0, VarianceExploding(LOW, HIGH), 32, 1024,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    assert abs(profile.entropy() - lost()) < 4 * profile.entropy_stderr()
    held_out = HeldOutError(Batch(x0), LOW, HIGH, levels=32)(Leading())
    error = float(held_out.rate_integral.std()) / math.sqrt(len(x0))
    assert abs(float(held_out.rate_integral.mean()) - lost()) < 4 * error


def test_a_denoiser_without_a_path_has_white_noise_and_plain_errors() -> None:
    noise, sigma = torch.randn(3, 2), torch.ones(3)
    assert not isinstance(nn.Identity(), Multivariate)
    assert shaped_noise(nn.Identity(), noise, sigma) is noise
    assert counted_error(nn.Identity(), noise, sigma) is noise


def test_what_takes_one_level_for_granted_is_refused() -> None:
    x0, denoiser = torch.randn(8, 2), Leading()
    for call in (
        lambda: solve(denoiser, x0, torch.tensor([1.0, 0.1])),
        lambda: svd_gap(denoiser, x0, 0.1),
        lambda: choose_levels(denoiser, x0, VarianceExploding(LOW, HIGH), 4),
    ):
        with pytest.raises(InputError, match="noise levels of their own"):
            call()
