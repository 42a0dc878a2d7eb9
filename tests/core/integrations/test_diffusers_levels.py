"""Diffusers' models as denoisers, and lists put into its schedulers, by the real library."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.conftest import DATA

from infonoise_core import DiscreteDDPM, InputError, RectifiedFlow, VarianceExploding, solve
from infonoise_core.analytic.mixture import MixtureSource
from infonoise_core.integrations import diffusers as ours
from infonoise_core.integrations.diffusers_levels import held, noise_of
from infonoise_core.integrations.diffusers_schedulers import stock_lists

diffusers = pytest.importorskip("diffusers")
# The library asks numpy for copies in a way that numpy is giving up.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FOLDERS = ("ddpm-epsilon", "ddpm-v-labels", "edm", "flow")
LEVELS = torch.tensor([20.0, 5.0, 1.5, 0.4, 0.05], dtype=torch.float64)


def pipeline_parts(name):
    folder = DATA / "pretrained" / f"diffusers-{name}"
    unet = diffusers.UNet2DModel.from_pretrained(folder / "unet").eval()
    kind = {"edm": "EDMEulerScheduler", "flow": "FlowMatchEulerDiscreteScheduler"}
    kind = getattr(diffusers, kind.get(name, "DDPMScheduler"))
    return unet, kind.from_pretrained(folder / "scheduler"), folder


@pytest.mark.data
@pytest.mark.parametrize("name", FOLDERS)
def test_denoisers_are_those_of_the_vectors(name):
    unet, scheduler, folder = pipeline_parts(name)
    with np.load(folder / "expected.npz") as file:
        expected = {key: torch.from_numpy(file[key]) for key in file}
    condition = {"label": expected["label"].long()} if "label" in expected else {}
    with torch.no_grad():
        found = ours.denoiser(unet, scheduler)(expected["x"], expected["sigma"], **condition)
    # README: the formulas and the schedulers' own x0 are 1e-7 of the largest value apart, both in
    # float32; another order of operations makes as much again.
    scale = float(expected["D"].abs().max())
    torch.testing.assert_close(found, expected["D"], rtol=0, atol=1e-6 * max(scale, 1))
    torch.testing.assert_close(found, expected["own_x0"], rtol=0, atol=2e-6 * max(scale, 1))


class Predictor(torch.nn.Module):
    """What a perfect network of each kind says of data with a known denoiser."""

    def __init__(self, source, kind, alphas=None):
        super().__init__()
        self.source, self.kind = source, kind
        self.sigma = None if alphas is None else ((1 - alphas) / alphas).sqrt().double()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, timestep, return_dict=True):
        flat, t = x.flatten(1).double(), torch.as_tensor(timestep).double().expand(len(x))
        if self.kind == "flow":
            s = t / 1000
            x0 = self.source.denoise(flat / (1 - s)[:, None], s / (1 - s))
            out = (flat - (1 - s)[:, None] * x0) / s[:, None] - x0
        elif self.kind == "edm":
            sigma = (4 * t).exp()[:, None]
            total = sigma**2 + 0.25
            noisy = flat * total.sqrt()
            x0 = self.source.denoise(noisy, sigma[:, 0])
            out = (x0 - 0.25 / total * noisy) * total.sqrt() / (0.5 * sigma)
        else:
            table = self.sigma.log()
            i = t.floor().long().clamp(max=len(table) - 2)
            sigma = torch.lerp(table[i], table[i + 1], t - i).exp()[:, None]
            a = (1 + sigma**2).rsqrt()
            x0 = self.source.denoise(flat / a, sigma[:, 0])
            eps = (flat - a * x0) / (a * sigma)
            out = {"epsilon": eps, "v_prediction": a * eps - a * sigma * x0, "sample": x0}[
                self.kind
            ]
        out = out.reshape(x.shape).to(x.dtype)
        return (out,) if not return_dict else SimpleNamespace(sample=out)


@pytest.fixture(scope="module")
def source():
    rng = torch.Generator().manual_seed(1)
    return MixtureSource(0.2 + 0.5 * torch.randn(5, 16, generator=rng), std=0.05)


@pytest.fixture(scope="module")
def images(source):
    return source.sample(128, torch.Generator().manual_seed(2)).reshape(-1, 1, 4, 4)


def case(source, kind):
    """A perfect network of a kind, and the scheduler it was trained with."""
    if kind == "edm":
        return Predictor(source, kind), diffusers.EDMEulerScheduler()
    if kind == "flow":
        return Predictor(source, kind), diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler = diffusers.DDPMScheduler(prediction_type=kind, clip_sample=False)
    return Predictor(source, kind, scheduler.alphas_cumprod), scheduler


KINDS = ("epsilon", "v_prediction", "sample", "edm", "flow")


@pytest.mark.parametrize("kind", KINDS)
def test_every_prediction_type_is_read(source, kind):
    network, scheduler = case(source, kind)
    sigma = torch.tensor([0.02, 0.3, 1.0, 7.0, 60.0], dtype=torch.float64)
    x = (
        torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        * sigma[:, None, None, None]
    )
    found = ours.denoiser(network, scheduler)(x.float(), sigma)
    expected = source.denoise(x.flatten(1).double(), sigma).reshape(x.shape)
    # epsilon multiplies float32's rounding of x, 6e-8 of 200, by up to one.
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)


def test_channels():
    ddpm = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    found = ours.channel(ddpm)
    assert isinstance(found, DiscreteDDPM)
    assert found.sigma_max > 1000
    edm = ours.channel(diffusers.EDMEulerScheduler(sigma_max=50.0))
    assert isinstance(edm, VarianceExploding)
    assert (edm.sigma_min, edm.sigma_max) == (0.002, 50.0)
    for shift in (1.0, 3.0):
        flow = ours.channel(diffusers.FlowMatchEulerDiscreteScheduler(shift=shift))
        assert isinstance(flow, RectifiedFlow)
        assert flow.noise_at == 1.0
        assert flow.sigma_max == pytest.approx(999)
    unipc = diffusers.UniPCMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction"
    )
    assert isinstance(ours.channel(unipc), RectifiedFlow)


FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
TAKE = {
    "EulerDiscreteScheduler": [{}, {"use_karras_sigmas": False, "timestep_spacing": "trailing"}],
    "HeunDiscreteScheduler": [{}],
    "DPMSolverMultistepScheduler": [{}, {"beta_schedule": "squaredcos_cap_v2"}],
    "DPMSolverSinglestepScheduler": [{}],
    "DDPMScheduler": [{}],
    "LCMScheduler": [{}],
    "TCDScheduler": [{}],
    "EDMEulerScheduler": [{}, {"sigma_max": 20.0}],
    "FlowMatchEulerDiscreteScheduler": [
        {}, {"shift": 3.0}, {"use_dynamic_shifting": True},
        {"use_dynamic_shifting": True, "time_shift_type": "linear"},
    ],
    "UniPCMultistepScheduler": [
        FLOW, {**FLOW, "flow_shift": 5.0}, {}, {"timestep_spacing": "leading"},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options"), [(name, o) for name, many in TAKE.items() for o in many]
)
def test_a_scheduler_takes_the_list(name, options):
    scheduler = getattr(diffusers, name)(**options)
    # Their tables end at 14.6.
    wanted = LEVELS * 0.6 if name in ("LCMScheduler", "TCDScheduler") else LEVELS
    assert ours.apply_levels(scheduler, wanted) is scheduler
    found = ours.levels_of(scheduler)
    if ours.kind_of(scheduler) == "ddpm" and name != "EulerDiscreteScheduler":
        # The nearest whole steps: at most half of the widest gap in log sigma, which for the cosine
        # table near 20 is 1 / 30 of a level and for the linear one less.
        torch.testing.assert_close(found, wanted, rtol=0.06, atol=0)
        assert bool((scheduler.timesteps == scheduler.timesteps.round()).all())
    else:
        # In float32; s = sigma / (1 + sigma) near 1 keeps 21 times 6e-8.
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    assert len(found) == len(LEVELS)


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("DDIMScheduler", "EulerDiscreteScheduler \\(the step of DDIM\\)"),
        ("PNDMScheduler", "EulerDiscreteScheduler"),
        ("DEISMultistepScheduler", "DPMSolverMultistepScheduler"),
        ("LMSDiscreteScheduler", "EulerDiscreteScheduler"),
        ("EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler"),
        ("FlowMatchHeunDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"),
        ("EDMDPMSolverMultistepScheduler", "EDMEulerScheduler"),
    ],
)
def test_a_scheduler_that_takes_none_names_one_that_does(name, fix):
    with pytest.raises(InputError, match=f"{name} takes no list of levels: use .*{fix}"):
        ours.apply_levels(getattr(diffusers, name)(), LEVELS)


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, "use_karras_sigmas=False"),
        ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True}, "use_lu_lambdas=False"),
        ("DPMSolverMultistepScheduler", {"final_sigmas_type": "sigma_min"}, "stops before 0"),
        ("FlowMatchEulerDiscreteScheduler", {"shift_terminal": 0.1}, "shift_terminal=None"),
        ("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}, "other way"),
        ("EDMEulerScheduler", {"sigma_schedule": "exponential"}, "sigma_schedule='karras'"),
    ],
)
def test_settings_that_would_change_the_list_in_silence(name, options, word):
    with pytest.raises(InputError, match=word):
        ours.apply_levels(getattr(diffusers, name)(**options), LEVELS)


@pytest.mark.parametrize("bad", [LEVELS.flip(0), LEVELS[[0, 1, 1, 2]], LEVELS - 1, LEVELS[:0]])
def test_levels_that_do_not_fall(bad):
    for name in ("EulerDiscreteScheduler", "DPMSolverMultistepScheduler"):
        with pytest.raises(InputError, match="levels must"):
            ours.apply_levels(getattr(diffusers, name)(), bad)


def run(scheduler, network, noise):
    """A loop as pipelines have it; x of the end."""
    x = noise * scheduler.init_noise_sigma if hasattr(scheduler, "init_noise_sigma") else noise
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(network(seen, t).sample, t, x).prev_sample
    return x


@pytest.mark.parametrize(
    ("kind", "solver"),
    [
        ("epsilon", "euler"), ("epsilon", "heun"), ("epsilon", "dpmpp-2m"),
        ("epsilon", "unipc"), ("v_prediction", "heun"), ("v_prediction", "unipc"),
        ("edm", "euler"), ("flow", "euler"), ("flow", "unipc"),
    ],
)  # fmt: skip
def test_whole_runs_are_our_solver_s(source, kind, solver):
    network, scheduler = case(source, kind)
    target = ours.scheduler_for(scheduler, solver)
    ours.apply_levels(target, LEVELS)
    if solver == "unipc" and kind == "flow":
        assert not bool((target.timesteps == target.timesteps.round()).all())
    levels = ours.levels_of(target)
    noise = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    theirs = run(target, network, noise)
    x = noise * noise_of(target, float(levels[0]))
    mine = solve(ours.denoiser(network, scheduler), x, levels, solver).x
    # Float32 on both sides: rounding of x at sigma 20, 1e-6, and of times near 1000.
    torch.testing.assert_close(theirs, mine, rtol=0, atol=2e-4)


def test_the_table_of_the_model_is_kept_where_from_config_loses_it():
    ddpm = diffusers.DDPMScheduler()
    lost = diffusers.HeunDiscreteScheduler.from_config(ddpm.config)
    assert not torch.allclose(lost.alphas_cumprod, ddpm.alphas_cumprod, rtol=0.01)
    for solver in ("euler", "heun", "dpmpp-2m", "unipc"):
        made = ours.scheduler_for(ddpm, solver)
        torch.testing.assert_close(made.alphas_cumprod, ddpm.alphas_cumprod, rtol=0, atol=0)
    with pytest.raises(InputError, match=r"solver deis for DDPMScheduler.*give one of euler, heun"):
        ours.scheduler_for(ddpm, "deis")


def test_held_levels_stay_whatever_steps_are_asked_for():
    scheduler = held(diffusers.EDMEulerScheduler(), LEVELS)
    for steps in (3, 50):
        scheduler.set_timesteps(steps, device="cpu")
        torch.testing.assert_close(ours.levels_of(scheduler), LEVELS, rtol=1e-5, atol=0)
    # Its first noise is of the list's first level, not of the 80 of its config.
    assert float(scheduler.init_noise_sigma) == pytest.approx(math.hypot(1, 20))


def test_stock_lists_are_the_library_s():
    ddpm = diffusers.DDPMScheduler()
    lists = stock_lists(ddpm, ours.scheduler_for(ddpm, "dpmpp-2m"), 10)
    assert set(lists) == {"leading", "trailing", "linspace", "Karras"}
    stock = diffusers.DPMSolverMultistepScheduler.from_config(
        {**ddpm.config, "beta_start": 1e-4, "beta_end": 0.02}, timestep_spacing="trailing"
    )
    stock.set_timesteps(10)
    torch.testing.assert_close(lists["trailing"], stock.sigmas[:-1].double(), rtol=1e-4, atol=0)
    flow = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    lists = stock_lists(flow, ours.scheduler_for(flow, "euler"), 10)
    flow.set_timesteps(10)
    s = flow.sigmas[:-1].double()
    # It starts at s = 1, where there is no ratio; ours at 0.999.
    assert float(s[0]) == 1.0
    torch.testing.assert_close(lists["shift 3"][1:], (s / (1 - s))[1:], rtol=1e-2, atol=0)
    assert float(lists["shift 3"][0]) == pytest.approx(999)


def energy(a, b):
    mean = lambda x, y: float(torch.cdist(x.flatten(1), y.flatten(1)).mean())  # noqa: E731
    return 2 * mean(a, b) - mean(a, a) - mean(b, b)


@pytest.mark.parametrize("kind", ["epsilon", "flow"])
def test_levels_for_a_pipeline(source, images, kind):
    network, scheduler = case(source, kind)
    network.config = type("config", (), {"in_channels": 1, "sample_size": 4})
    pipeline = diffusers.DDPMPipeline.__new__(diffusers.DDPMPipeline)
    diffusers.DiffusionPipeline.__init__(pipeline)
    object.__setattr__(pipeline, "unet", network)
    object.__setattr__(pipeline, "scheduler", scheduler)
    choice = ours.levels_for(pipeline, images, 6, examples=64, search=120)
    assert not choice.choice.kept_stock
    assert "pipeline.scheduler = choice.scheduler" in str(choice)
    assert len(choice.timesteps) == 6
    # On other noises, by the scheduler's own steps: at most half of the best stock list's distance.
    noise = torch.randn(600, 1, 4, 4, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        real = run(choice.scheduler, network, noise)
        fresh = source.sample(600, torch.Generator().manual_seed(8)).reshape(-1, 1, 4, 4)
        target = ours.scheduler_for(scheduler, choice.choice.solver)
        stock = run(ours.apply_levels(target, choice.choice.stock.sigmas), network, noise)
    # 600 samples of five kinds: the distance of two sets of true samples is up to 0.02.
    assert energy(real, fresh) < energy(stock, fresh) / 2 + 0.02


def test_what_a_pipeline_cannot_run_is_refused(source, images):
    network, scheduler = case(source, "epsilon")
    pipeline = type("DDPMPipeline", (), {"__call__": diffusers.DDPMPipeline.__call__})()
    pipeline.unet, pipeline.scheduler = network, scheduler
    with pytest.raises(InputError, match=r"never scales the network's input.*dpmpp-2m"):
        ours.levels_for(pipeline, images, 5, "euler")
    with pytest.raises(InputError, match="has no unet or transformer"):
        ours.levels_for(object(), images, 5)


def test_images_of_a_pipeline_with_a_vae_become_latents(source):
    vae = diffusers.AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=2, layers_per_block=1, scaling_factor=0.3,
    )  # fmt: skip
    network = torch.nn.Linear(1, 1)
    network.config = type("config", (), {"in_channels": 4})
    pipeline = type("P", (), {"vae": vae})()
    x = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    latents = ours._as_latents(pipeline, network, x)
    assert latents.shape == (3, 4, 4, 4)
    with torch.no_grad():
        expected = 0.3 * vae.encode(x).latent_dist.mode()
    torch.testing.assert_close(latents, expected)
    torch.testing.assert_close(ours._as_latents(pipeline, network, latents), latents)


def test_networks_of_others_by_their_table(source):
    from infonoise_core.processes.wrapped import NetworkDenoiser

    scheduler = diffusers.DDPMScheduler()
    network = Predictor(source, "epsilon", scheduler.alphas_cumprod)
    seen = []

    def whole(x, t):
        seen.append(t.dtype)
        # Twice the channels: the variance is learned beside.
        out = network(x, t).sample
        return torch.cat([out, out], 1)

    x, sigma = torch.randn(3, 1, 4, 4), torch.tensor([0.1, 1.0, 9.0])
    mine = NetworkDenoiser(whole, scheduler.alphas_cumprod, whole_steps=True)(x, sigma)
    assert seen == [torch.int64]
    assert mine.shape == x.shape
    clipped = NetworkDenoiser(network, scheduler.alphas_cumprod, clip=0.1)(x, sigma)
    assert float(clipped.abs().max()) == pytest.approx(0.1)
    with pytest.raises(InputError, match="prediction 'score' is not known"):
        NetworkDenoiser(network, scheduler.alphas_cumprod, "score")
    with pytest.raises(InputError, match="a flow network has no alphas_cumprod"):
        NetworkDenoiser(network, None, "epsilon")
    with pytest.raises(InputError, match="the network gave shape"):
        NetworkDenoiser(lambda x, t: x[:, :, :2], scheduler.alphas_cumprod)(x, sigma)
