"""Profiles by position and by base: they add up, and an untrained network saves nothing."""

import math

import numpy as np
import pytest
import torch

from infonoise_bio.evaluation.groups import grouped_profile
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import make_denoiser
from infonoise_bio.models.encoding import make_encoding
from infonoise_bio.models.options import NetworkConfig
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.training.task import Batch

LENGTH = 6
EVEN = torch.full((4,), 0.25, dtype=torch.float64)


def measured(by, denoiser, codes, draws=400):
    batch = Batch(denoiser.encoding.encode(torch.from_numpy(codes)))
    channel = VarianceExploding(0.02, 40.0)
    return grouped_profile(denoiser, codes, batch, EVEN, channel, by, draws)


def untrained():
    config = ModelConfig(LENGTH, NetworkConfig(width=8, depth=1))
    return make_denoiser(config, make_encoding("one-hot"), seed=0)


def random_codes(n=800):
    return np.random.default_rng(0).integers(0, 4, (n, LENGTH)).astype(np.uint8)


@pytest.mark.parametrize("by", ["position", "base"])
def test_groups_add_up_and_hold_the_entropy_of_their_bases(by):
    found = measured(by, untrained(), random_codes())
    profile = found.profile
    torch.testing.assert_close(sum(profile.groups.values()), profile.rate)
    assert profile.entropy() == pytest.approx(
        LENGTH * math.log(4), abs=5 * profile.entropy_stderr() + 0.01
    )
    # Equal bases in noise: each group has the share of its bases.
    for rate, bases in zip(profile.groups.values(), found.bases, strict=True):
        share = float((rate * profile.width).sum()) / profile.entropy()
        assert share == pytest.approx(float(bases) / LENGTH, abs=0.02)


@pytest.mark.parametrize("by", ["position", "base"])
def test_an_untrained_network_saves_nothing(by):
    found = measured(by, untrained(), random_codes(40), draws=4)
    # Nothing but rounding at the lowest levels, where error / sigma^2 is at its largest.
    torch.testing.assert_close(found.saved, torch.zeros_like(found.saved), atol=1e-4, rtol=0)


def test_what_is_saved_stands_at_the_position_that_is_known():
    """A network that knows the third base always is A saves its two bits, and there only."""
    codes = random_codes()
    codes[:, 2] = 0
    denoiser = untrained()
    residual = torch.zeros(1, 4, LENGTH)
    residual[:, 0, 2] = 40.0
    denoiser.network.forward = lambda features, embedding, lengths: residual.expand(
        len(features), -1, -1
    )
    found = measured("position", denoiser, codes)
    expected = torch.zeros(LENGTH, dtype=torch.float64)
    expected[2] = 2.0
    # Levels end at 40, where 0.002 bits are still to come; five standard errors of the rest.
    assert bool(((found.saved - expected).abs() < 5 * found.stderr + 0.01).all())


def test_masked_bases_belong_to_no_group():
    codes = random_codes(40)
    codes[:, 4] = 4
    denoiser = untrained()
    batch = Batch(
        denoiser.encoding.encode(torch.from_numpy(codes)), {"mask": torch.from_numpy(codes != 4)}
    )
    found = grouped_profile(
        denoiser, codes, batch, EVEN, VarianceExploding(0.02, 40.0), "position", draws=4
    )
    assert float(found.profile.groups["4"].abs().max()) == 0
    assert found.bases.tolist() == [1, 1, 1, 1, 0, 1]
    assert found.saved[4] == 0


def test_one_draw_has_no_error():
    with pytest.raises(InputError, match="--draws 1"):
        measured("base", untrained(), random_codes(4), draws=1)
