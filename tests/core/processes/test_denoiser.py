"""EDM preconditioning (Karras et al. 2022, table 1)."""

import pytest
import torch
from torch import nn

from infonoise_core.analytic.exact import GaussianSource
from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import EDMDenoiser


class Recorder(nn.Module):
    """Answers with a given output and keeps what it was asked."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x, c_noise, **condition):
        self.x, self.c_noise, self.condition = x, c_noise, condition
        return self.output(x, c_noise)


def noisy(n=4096, std=0.5, generator=None):
    rng = torch.Generator().manual_seed(0)
    sigma = torch.logspace(-2, 2, n)
    x0 = std * torch.randn(n, 6, generator=rng)
    return x0, x0 + sigma[:, None] * torch.randn(n, 6, generator=rng), sigma


def test_network_sees_unit_variance_and_a_quarter_log_sigma():
    network = Recorder(lambda x, c: torch.zeros_like(x))
    _, x, sigma = noisy()
    EDMDenoiser(network, 0.5)(x, sigma)
    # Mean square of 24,576 unit normals: standard error sqrt(2 / 24576) = 0.009; five of them.
    assert network.x.square().mean().item() == pytest.approx(1.0, abs=0.045)
    torch.testing.assert_close(network.c_noise, sigma.log() / 4)


def test_silent_network_is_the_best_linear_denoiser():
    # Table 1 picks c_skip so: F = 0 leaves the posterior mean of Gaussian data.
    _, x, sigma = noisy()
    denoiser = EDMDenoiser(Recorder(lambda x, c: torch.zeros_like(x)), 0.5)
    torch.testing.assert_close(denoiser(x, sigma), GaussianSource(6, std=0.5).denoise(x, sigma))


def test_target_of_the_network_has_unit_variance():
    x0, x, sigma = noisy()
    zero = EDMDenoiser(Recorder(lambda x, c: torch.zeros_like(x)), 0.5)(x, sigma)
    one = EDMDenoiser(Recorder(lambda x, c: torch.ones_like(x)), 0.5)(x, sigma)
    target = (x0 - zero) / (one - zero)
    # As above.  Computed in float32, at sigma 0.01 from differences of about 1e-2: rounding is
    # 1e-5 of it.
    assert target.square().mean().item() == pytest.approx(1.0, abs=0.045)


def test_condition_is_passed_on_and_the_result_is_float32():
    network = Recorder(lambda x, c: x.to(torch.bfloat16))
    _, x, sigma = noisy(8)
    label = torch.arange(8)
    denoised = EDMDenoiser(network)(x, sigma, label=label)
    assert denoised.dtype == torch.float32
    assert network.condition["label"] is label


def test_any_number_of_dimensions():
    network = Recorder(lambda x, c: x)
    assert EDMDenoiser(network)(torch.randn(3, 1, 4, 5), torch.ones(3)).shape == (3, 1, 4, 5)
    assert EDMDenoiser(network)(torch.randn(3), torch.ones(3)).shape == (3,)


@pytest.mark.parametrize("sigma", [torch.tensor(1.0), torch.ones(1), torch.ones(3, 1)])
def test_sigma_must_be_one_level_per_example(sigma):
    with pytest.raises(InputError, match="one noise level per example"):
        EDMDenoiser(Recorder(lambda x, c: x))(torch.randn(3, 2), sigma)


@pytest.mark.parametrize("sigma_data", [0.0, -1.0, float("nan")])
def test_sigma_data_must_be_positive(sigma_data):
    with pytest.raises(InputError, match="sigma_data"):
        EDMDenoiser(nn.Identity(), sigma_data)
