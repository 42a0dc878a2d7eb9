"""Hugging Face Diffusers: training recipes, sampling grids, and its EDM solver as an oracle."""

from functools import partial

import pytest
import torch

from infonoise_core import EDMDenoiser, choose_levels, entropic_grid
from infonoise_core.analytic.exact import BinarySource, exact_profile
from infonoise_core.sampling.grids import karras_grid, log_uniform_grid
from infonoise_core.sampling.solvers import solve

diffusers = pytest.importorskip("diffusers")


@pytest.fixture
def unet():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return diffusers.UNet2DModel(
            sample_size=8,
            in_channels=1,
            out_channels=1,
            block_out_channels=(8, 8),
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=4,
        )


class Listener(torch.nn.Module):
    """Passes on to a network and keeps its last input and output."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x, t):
        answer = self.network(x, t)
        self.x, self.output = x.detach(), answer.sample.detach()
        return answer


def train(run, name, unet, scheduler, batches):
    """Run a training recipe; its variables, and the listener around the network."""
    listener = Listener(unet)
    optimizer = torch.optim.Adam(unet.parameters())
    space = run(name, unet=listener, scheduler=scheduler, batches=batches, optimizer=optimizer)
    schedule = space["schedule"]
    assert schedule.step_calls == len(batches)
    assert schedule.status().startswith("adapting since step")
    return space, listener


@pytest.mark.parametrize(
    ("name", "prediction"), [("diffusers-epsilon", "epsilon"), ("diffusers-v", "v_prediction")]
)
@pytest.mark.parametrize("betas", ["linear", "squaredcos_cap_v2"])
def test_ddpm_recipe_reports_the_error_of_diffusers_own_x0(
    run, unet, batches, name, prediction, betas
):
    scheduler = diffusers.DDPMScheduler(
        beta_schedule=betas, prediction_type=prediction, clip_sample=False
    )
    space, listener = train(run, name, unet, scheduler, batches)
    t, reported = space["schedule"].reports[-1]
    assert t.dtype == torch.int64
    assert 0 <= int(t.min()) <= int(t.max()) < scheduler.config.num_train_timesteps
    x0 = torch.stack(
        [
            scheduler.step(output[None], int(step), x[None]).pred_original_sample[0]
            for output, step, x in zip(listener.output, t, listener.x, strict=True)
        ]
    )
    # Float32: the library divides x - b eps by a, which at the last steps of its tables (a about
    # 1e-2 or less) multiplies the rounding of x, 1e-7, by 1/a against an error of size b/a.
    torch.testing.assert_close(
        reported, (x0 - batches[-1]).square().flatten(1).sum(1), rtol=1e-3, atol=1e-5
    )


def test_flow_recipe_reports_the_error_of_diffusers_own_x0(run, unet, batches):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    space, listener = train(run, "diffusers-flow", unet, scheduler, batches)
    t, reported = space["schedule"].reports[-1]
    ends = []
    for output, time, x in zip(listener.output, t, listener.x, strict=True):
        # One Euler step of the library's sampler from t to 0.
        scheduler.set_timesteps(sigmas=[float(time)])
        ends.append(scheduler.step(output[None], scheduler.timesteps[0], x[None]).prev_sample[0])
    expected = (torch.stack(ends) - batches[-1]).square().flatten(1).sum(1)
    torch.testing.assert_close(reported, expected, rtol=1e-4, atol=1e-6)


def test_flow_sampler_takes_a_grid(run, unet, batches):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    space, _ = train(run, "diffusers-flow", unet, scheduler, batches)
    grid = run("diffusers-flow-grid", **space)
    channel, levels = space["channel"], grid["levels"]
    assert len(levels) == 28
    visited = channel.sigma(scheduler.sigmas[:-1].to(torch.float64))
    # t in float32 near 1 is good to 6e-8, which is 6e-8 (1 + sigma) of sigma, up to 1000 here.
    torch.testing.assert_close(visited, levels, rtol=1e-4, atol=0)
    assert scheduler.sigmas[-1] == 0


def test_flow_sampler_is_our_euler_on_the_same_grid():
    source = BinarySource(4)
    levels = entropic_grid(exact_profile(source, 0.01, 100.0), 12)
    x = 100.0 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = solve(source.denoise, x, levels, "euler").x

    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=(levels / (1 + levels)).tolist())
    state = x * (1 - scheduler.sigmas[0].double())
    for i, timestep in enumerate(scheduler.timesteps):
        t = scheduler.sigmas[i].double()
        sigma = (t / (1 - t)).expand(8)
        x0 = source.denoise(state / (1 - t), sigma)
        velocity = (state - x0) / t
        state = scheduler.step(velocity, timestep, state).prev_sample.double()
    # The library computes in float32; its x starts with 1 - t = 0.01, good to 6e-8 / 0.01.
    torch.testing.assert_close(state, ours, rtol=1e-4, atol=1e-4)


def test_ddpm_sampler_takes_a_grid(run, unet, batches):
    scheduler = diffusers.DDPMScheduler()
    space, _ = train(run, "diffusers-epsilon", unet, scheduler, batches)
    run("diffusers-steps-grid", **space)
    assert 2 <= len(scheduler.timesteps) <= 28
    assert bool((scheduler.timesteps.diff() < 0).all())
    # The ends of the grid are the ends of the table.
    assert scheduler.timesteps[0] == 999
    assert scheduler.timesteps[-1] == 0


# The library asks numpy for copies in a way that numpy is giving up.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_pipeline_gets_better_levels(run, unet, batches, capsys, monkeypatch):
    # Fewer noises and moves than a user would take.
    few = partial(choose_levels, examples=32, search=30)
    monkeypatch.setattr("infonoise_core.integrations.diffusers.choose_levels", few)
    pipeline = diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler(clip_sample=False))
    space = run("diffusers-levels", pipeline=pipeline, images=torch.cat(batches))
    shown = capsys.readouterr().out
    assert shown.startswith("dpmpp-2m, 10 calls: ")
    assert "levels: " in shown
    # The pipeline runs with them, whatever steps it is asked for, and knows its network again.
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(batch_size=2, num_inference_steps=50, output_type="np").images
    assert made.shape == (2, 8, 8, 1)
    assert len(pipeline.scheduler.timesteps) == 10
    assert len(space["choice"].sigmas) == 10


@pytest.mark.parametrize(
    ("theirs", "ours"), [("karras", karras_grid), ("exponential", log_uniform_grid)]
)
def test_dpmpp_2m_and_grids_against_the_edm_scheduler(theirs, ours):
    class Network(torch.nn.Module):
        def forward(self, x, c_noise):
            return torch.tanh(x.roll(1, 1) - c_noise[:, None])

    n, network = 20, Network()
    scheduler = diffusers.EDMDPMSolverMultistepScheduler(
        sigma_min=0.01, sigma_max=50.0, sigma_data=0.5, sigma_schedule=theirs
    )
    scheduler.set_timesteps(n)
    levels = ours(n, 0.01, 50.0)
    torch.testing.assert_close(scheduler.sigmas[:-1].double(), levels, rtol=1e-5, atol=0)

    x = 50.0 * torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    state = x
    for timestep in scheduler.timesteps:
        output = network(scheduler.scale_model_input(state, timestep), timestep.expand(4))
        state = scheduler.step(output, timestep, state).prev_sample
    mine = solve(EDMDenoiser(network, 0.5), x, levels, "dpmpp-2m").x
    # Both in float32, their levels too: rounding of x at sigma 50, 3e-6, over 20 steps.
    torch.testing.assert_close(mine, state, rtol=1e-4, atol=1e-4)
