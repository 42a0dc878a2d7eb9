"""DEIS and UniPC take the steps of Diffusers' schedulers of these names."""

import numpy as np
import pytest
import torch

from infonoise_core import EDMDenoiser
from infonoise_core.sampling.solvers import solve

diffusers = pytest.importorskip("diffusers")


class Network(torch.nn.Module):
    def forward(self, x, c_noise):
        return torch.tanh(x.roll(1, 1) - c_noise[:, None])


@pytest.fixture
def denoiser():
    return EDMDenoiser(Network(), 0.5)


def velocity_run(scheduler, denoiser, noise):
    """A scheduler of flow matching steps a denoiser; and its levels."""
    state = noise
    for i, timestep in enumerate(scheduler.timesteps):
        s = scheduler.sigmas[i]
        sigma = (s / (1 - s)).expand(len(noise))
        x = state / (1 - s)
        velocity = (x - denoiser(x, sigma)) / sigma[:, None] - denoiser(x, sigma)
        state = scheduler.step(velocity, timestep, state).prev_sample
    s = scheduler.sigmas[:-1].double()
    return state, s / (1 - s)


# The library asks numpy for copies in a way that numpy is giving up.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["deis", "unipc"])
def test_steps_of_the_library(name, denoiser):
    options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    if name == "unipc":
        scheduler = diffusers.UniPCMultistepScheduler(**options)
        scheduler.set_timesteps(sigmas=np.array([0.97, 0.9, 0.7, 0.55, 0.3, 0.1, 0.03]))
    else:
        scheduler = diffusers.DEISMultistepScheduler(**options)
        scheduler.set_timesteps(8)
    noise = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    state, levels = velocity_run(scheduler, denoiser, noise)
    x = noise / (1 - scheduler.sigmas[0])
    mine = solve(denoiser, x, levels, name).x
    if name == "deis":
        # Theirs stops at the last level, ours at what the model makes of that.
        state = denoiser(state / (1 - scheduler.sigmas[-1]), levels[-1:].float().expand(4))
    # Their state and levels are in float32, in which 1 - s at 0.97 keeps 2e-6 of itself.
    torch.testing.assert_close(mine, state, rtol=1e-4, atol=1e-4)
