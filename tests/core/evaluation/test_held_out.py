"""The held-out error: against a closed form, and the same every time."""

import pytest
import torch
from torch import Tensor, nn

from infonoise_core import EDMDenoiser
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.training.step.listening import listening
from infonoise_core.training.task import Batch

from ..two_points import Net


def test_held_out_error_integrates_a_known_denoiser() -> None:
    """D = 0 has error |x0|^2, so the integral over log sigma is |x0|^2/2 (1/s0^2 - 1/s1^2).

    32 strata over three decades: the integrand varies by exp(0.43) within one, and the shifted
    midpoints of 64 examples leave an error of the second order, below 1 %.
    """

    class Zero(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
            return 0 * x

    x0 = torch.ones(64, 3)
    found = HeldOutError(Batch(x0), 0.1, 100.0, levels=32)(Zero())
    assert found.nats == pytest.approx(1.5 * (1 / 0.01 - 1e-4), rel=0.01)


def test_held_out_error_is_the_same_every_time_and_in_any_chunk() -> None:
    torch.manual_seed(1)
    denoiser = EDMDenoiser(Net(), 1.0)
    x0 = torch.randn(20, 2)
    measure = HeldOutError(Batch(x0), 0.1, 10.0, chunk=20)
    one = measure(denoiser)
    assert torch.equal(measure(denoiser.train()).rate_integral, one.rate_integral)
    other = HeldOutError(Batch(x0), 0.1, 10.0, chunk=7)(denoiser)
    # float32 sums in another order, for matrices of another size.
    torch.testing.assert_close(one.rate_integral, other.rate_integral, rtol=1e-5, atol=0)
    on_cpu = HeldOutError(Batch(x0), 0.1, 10.0, chunk=20, cpu_chunk=7)(denoiser)
    assert torch.equal(on_cpu.rate_integral, other.rate_integral)
    assert one.stderr > 0


def test_a_measurement_says_how_far_it_is_while_someone_listens() -> None:
    x0 = torch.randn(20, 2)
    measure = HeldOutError(Batch(x0), 0.1, 10.0, levels=3, chunk=7)
    heard: list[tuple[int, int]] = []
    with listening(measure, lambda done, total: heard.append((done, total))):
        measure(EDMDenoiser(Net(), 1.0))
    assert heard == [(i + 1, 9) for i in range(9)]  # three levels of three chunks
    measure(EDMDenoiser(Net(), 1.0))
    assert len(heard) == 9
    with listening(object(), lambda *_: pytest.fail("what says nothing was heard")):
        pass
