"""What stock lists are scored by is what the library itself makes of them, from the same noises."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch

from infonoise_core import karras_grid, measure_profile, solve
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.integrations import diffusers as ours
from infonoise_core.integrations.diffusers_levels import noise_of
from infonoise_core.sampling import choose
from infonoise_core.sampling.candidates import snapped

diffusers = pytest.importorskip("diffusers")
# The library asks numpy for copies in a way that numpy is giving up.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SPACINGS = ("leading", "trailing", "linspace")
QUICK = {"search": 0, "local_errors": False, "seed": 3}


def library_run(scheduler, network, noise, calls, **settings):
    """The loop of a pipeline of pixels with a stock scheduler."""
    mine = copy.deepcopy(scheduler)
    mine.register_to_config(**settings)
    mine.set_timesteps(calls)
    x = noise * mine.init_noise_sigma
    with torch.no_grad():
        for t in mine.timesteps:
            out = network(mine.scale_model_input(x, t), t).sample
            x = mine.step(out, t, x).prev_sample
    return x.clamp(-1, 1)


def settings_of(name):
    return {"use_karras_sigmas": True} if name == "Karras" else {"timestep_spacing": name}


def energy(a, b):
    mean = lambda x, y: float(torch.cdist(x.flatten(1), y.flatten(1)).mean())  # noqa: E731
    return (2 * mean(a, b) - mean(a, a) - mean(b, b)) / math.sqrt(a[0].numel())


class Near(torch.nn.Module):
    """The network of pixels N(0, 1/4), and a little of what a random U-Net says."""

    def __init__(self):
        super().__init__()
        self.unet = diffusers.UNet2DModel(
            sample_size=8, in_channels=1, out_channels=1, layers_per_block=1,
            block_out_channels=(8,), norm_num_groups=4, down_block_types=("DownBlock2D",),
            up_block_types=("UpBlock2D",), add_attention=False,
        )  # fmt: skip

    def forward(self, x, timestep):
        t = torch.as_tensor(timestep).float().expand(len(x))
        kept = torch.exp(-t * (0.1 + 0.00995 * t) / 1000)[:, None, None, None]
        eps = x * (1 - kept).sqrt() / (1 - 0.75 * kept)
        return SimpleNamespace(sample=eps + 0.02 * self.unet(x, timestep).sample)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Near().eval()


@pytest.fixture
def trials(monkeypatch):
    """The trials that choices made."""
    made = []

    class Watched(choose.Trial):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(choose, "Trial", Watched)
    return made


@pytest.mark.parametrize(
    ("solver", "calls", "offset"),
    [("dpmpp-2m", 5, 0), ("dpmpp-2m", 5, 1), ("euler", 5, 0), ("heun", 15, 0)],
)
def test_trials_of_stock_lists_are_the_library_s_runs(network, trials, solver, calls, offset):
    scheduler = diffusers.DDPMScheduler(steps_offset=offset)
    images = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    space, model = ours.channel(scheduler), ours.denoiser(network, scheduler)
    profile = measure_profile(model, images, space, bins=8, draws=4)
    found = ours.levels_for(
        (network, scheduler), images, calls, solver, examples=16, profile=profile, **QUICK
    )
    tried = {tried.name: tried for tried in found.choice.tried}
    target = ours.scheduler_for(scheduler, solver)
    assert set(SPACINGS) <= set(tried)
    # The fine solve sees x0 clipped, as the model's own scheduler does.
    assert model.clip == 1.0
    noise = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(QUICK["seed"]))
    fine = karras_grid(64, space.sigma_min, space.sigma_max)
    if solver != "euler":
        fine = snapped(fine, model.table.sigma)
    start = noise_of(target, float(fine[0])) * noise
    reference = solve(model, start, fine, "heun").x.clamp(-1, 1)
    for name in (name for name in (*SPACINGS, "Karras") if name in tried):
        n = choose.levels_in(calls, solver)
        theirs = library_run(target, network, noise, n, **settings_of(name))
        mine = trials[0].made(tried[name].sigmas).reshape(noise.shape).float()
        # Few lie at an end, where all lists would agree.
        assert float((theirs.abs() == 1).float().mean()) < 0.5
        # x starts at 157 times noise of up to 4, good to 4e-5 in float32; and Euler and Heun start
        # from sigma there in two of the spacings, 2e-5 of it below hypot(1, sigma).
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-3)
        assert tried[name].error == pytest.approx(energy(theirs, reference), rel=0.01, abs=1e-5)


class Mistaken(torch.nn.Module):
    """The network of a known source, whose epsilon is off by 1 above sigma 40."""

    def __init__(self, source, alphas):
        super().__init__()
        self.source = source
        self.sigma = ((1 - alphas) / alphas).sqrt().double()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, timestep):
        t = torch.as_tensor(timestep).double().expand(len(x))
        i = t.floor().long().clamp(max=len(self.sigma) - 2)
        sigma = torch.lerp(self.sigma.log()[i], self.sigma.log()[i + 1], t - i).exp()[:, None]
        noisy = x.flatten(1).double() * (1 + sigma**2).sqrt()
        eps = (noisy - self.source.denoise(noisy, sigma[:, 0])) / sigma
        eps = eps + (sigma > 40)
        return SimpleNamespace(sample=eps.reshape(x.shape).float())


@pytest.fixture(scope="module")
def source():
    rng = torch.Generator().manual_seed(1)
    return MixtureSource(1.4 * torch.rand(5, 16, generator=rng) - 0.9, std=0.02)


@pytest.mark.parametrize("clip", [True, False])
def test_a_network_wrong_at_high_noise_does_not_hide_which_list_is_best(source, clip):
    scheduler = diffusers.DDPMScheduler(clip_sample=clip)
    network = Mistaken(source, scheduler.alphas_cumprod)
    images = source.sample(128, torch.Generator().manual_seed(2)).reshape(-1, 1, 4, 4).float()
    found = ours.levels_for((network, scheduler), images, 5, "dpmpp-2m", examples=128, **QUICK)
    errors = {tried.name: tried.error for tried in found.choice.tried}
    target = ours.scheduler_for(scheduler, "dpmpp-2m")
    noise = torch.randn(600, 1, 4, 4, generator=torch.Generator().manual_seed(5))
    fresh = source.sample(600, torch.Generator().manual_seed(6)).reshape(-1, 1, 4, 4).float()
    truth = {
        name: energy(library_run(target, network, noise, 5, **settings_of(name)), fresh)
        for name in SPACINGS
    }
    taken = energy(library_run(found.scheduler, network, noise, 5), fresh)
    # Leading starts at 33, below the mistake; its score is its distance from the truth: 0.0128
    # on new noises and good to some 10 %. A fine solve that does not clip is itself 0.03 off.
    assert errors["leading"] == pytest.approx(truth["leading"], rel=0.25)
    assert min(SPACINGS, key=lambda name: errors[name]) == min(truth, key=lambda name: truth[name])
    assert taken <= min(truth.values())
