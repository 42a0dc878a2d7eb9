"""Weights against their published formulas, each in its paper's own parameterisation."""

import math

import pytest
import torch
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.processes.channel import Channel, Prediction, RectifiedFlow, VarianceExploding
from infonoise_core.processes.discrete import DiscreteDDPM
from infonoise_core.processes.variance_preserving import (
    LinearBetaCurve,
    VariancePreserving,
)
from infonoise_core.processes.weighting import (
    Weight,
    edm_weight,
    min_snr_weight,
    p2_weight,
    prediction_weight,
    sigmoid_weight,
    unit_weight,
)

SIGMA = torch.logspace(-2.5, 2.5, 201, dtype=torch.float64)
SNR = SIGMA**-2
# Squared errors of one and the same variance-preserving network output, written as x0, eps or v.
VP = VariancePreserving(sigma_min=1e-3)
X0_ERROR = torch.linspace(0.1, 2, 201, dtype=torch.float64)
EPSILON_ERROR = X0_ERROR * SNR
V_ERROR = X0_ERROR * (SNR + 1)


def assert_same_loss(weight: Weight, published: Tensor) -> None:
    torch.testing.assert_close(weight(SIGMA) * X0_ERROR, published, rtol=1e-12, atol=0)


def test_the_errors_above_are_of_one_output() -> None:
    u = VP.coordinate(SIGMA)
    for prediction, error in (("epsilon", EPSILON_ERROR), ("v", V_ERROR)):
        x0_error = VP.x0_squared_error(u, error, prediction)  # type: ignore[arg-type]
        # A sigma of 300 magnifies the rounding of t near 1.
        torch.testing.assert_close(x0_error, X0_ERROR, rtol=1e-11, atol=0)


@pytest.mark.parametrize("gamma", [1.0, 5.0, 20.0])
def test_min_snr(gamma: float) -> None:
    clipped = SNR.clamp_max(gamma)
    assert_same_loss(min_snr_weight(gamma), clipped * X0_ERROR)
    assert_same_loss(min_snr_weight(gamma), clipped / SNR * EPSILON_ERROR)
    assert_same_loss(min_snr_weight(gamma), clipped / (SNR + 1) * V_ERROR)


@pytest.mark.parametrize(("gamma", "k"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (1.0, 0.3)])
def test_p2(gamma: float, k: float) -> None:
    assert_same_loss(p2_weight(gamma, k), EPSILON_ERROR / (k + SNR) ** gamma)


@pytest.mark.parametrize("bias", [-1.0, 0.0, 2.0])
def test_sigmoid(bias: float) -> None:
    assert_same_loss(sigmoid_weight(bias), torch.sigmoid(bias - SNR.log()) * EPSILON_ERROR)
    # Hoogeboom et al. 2024 write it for x0, up to a constant.
    for_x0 = math.exp(bias) * torch.sigmoid(SNR.log() - bias)
    assert_same_loss(sigmoid_weight(bias), for_x0 * X0_ERROR)


def test_sigmoid_is_soft_min_snr() -> None:
    soft = SNR * 4 / (SNR + 4)
    torch.testing.assert_close(sigmoid_weight(math.log(4))(SIGMA), soft, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("channel", "prediction", "expected"),
    [
        (VP, "x0", torch.ones_like(SNR)),
        (VP, "epsilon", SNR),
        (VP, "v", SNR + 1),
        (RectifiedFlow(1.0), "velocity", (1 + 1 / SIGMA) ** 2),
        (RectifiedFlow(0.0), "velocity", (1 + 1 / SIGMA) ** 2),
        (VarianceExploding(), "score", SIGMA**-4),
        (VarianceExploding(), "F", edm_weight(0.7)(SIGMA)),
        (VP, "F", edm_weight(0.7)(SIGMA)),
    ],
)
def test_plain_losses_of_predictions(
    channel: Channel, prediction: Prediction, expected: Tensor
) -> None:
    weight = prediction_weight(channel, prediction, 0.7 if prediction == "F" else None)
    # A sigma of 300 magnifies the rounding of a time near 1.
    torch.testing.assert_close(weight(SIGMA), expected, rtol=1e-11, atol=0)


def test_prediction_weight_of_a_discrete_channel_is_that_of_the_step() -> None:
    t = torch.linspace(0, 1, 1001, dtype=torch.float64)[1:]
    channel = DiscreteDDPM(VariancePreserving(LinearBetaCurve()).signal(t) ** 2)
    steps = channel.sigma(torch.arange(0, 1000, 37))
    weight = prediction_weight(channel, "epsilon")(steps)
    torch.testing.assert_close(weight, steps**-2, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "weight",
    [unit_weight(), edm_weight(), min_snr_weight(), p2_weight(), sigmoid_weight()],
)
def test_weights_keep_shape_and_type(weight: Weight) -> None:
    for dtype in (torch.float32, torch.float64):
        sigma = torch.rand(3, 2, dtype=dtype) + 0.1
        assert weight(sigma).shape == (3, 2)
        assert weight(sigma).dtype == dtype
        assert (weight(sigma) > 0).all()


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="gamma"):
        min_snr_weight(0)
    with pytest.raises(InputError, match="k 0"):
        p2_weight(1.0, 0)
