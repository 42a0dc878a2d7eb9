"""The code of the page "Your trainer", in trainers of their formulas around exact denoisers."""

import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import infonoise_core
from infonoise_core import InfoNoise, LogNormal, VarianceExploding
from infonoise_core.analytic.exact import BinarySource

PAGE = Path(__file__).parents[3] / "docs" / "trainers.md"
BLOCK = re.compile(
    r"^<!-- trainer: (?P<name>[\w-]+) -->\n```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
CODE = {match["name"]: match["code"] for match in BLOCK.finditer(PAGE.read_text())}
SHAPE, DIM = (1, 4, 4), 16
SOURCE = BinarySource(DIM)


class Early(InfoNoise):
    """Refreshes early enough for a test."""

    def __init__(self, channel, **options):
        super().__init__(channel, refresh_every=10, warmup_steps=10, **options)


def images(steps=40, batch=500):
    rng = torch.Generator().manual_seed(0)
    return [SOURCE.sample(batch, rng).reshape(-1, *SHAPE) for _ in range(steps)]


def clean(x, a, b):
    """E[x0 | a x0 + b eps = x] of images x (n, ...) at a, b (n,)."""
    a, b = a.double().flatten()[:, None], b.double().flatten()[:, None]
    found = SOURCE.denoise(x.double().flatten(1) / a, (b / a)[:, 0])
    return found.reshape(x.shape).float()


def wide(t):
    return t.reshape(-1, 1, 1, 1)


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(infonoise_core, "InfoNoise", Early)

    def run(name, **objects):
        names = {key: getattr(infonoise_core, key) for key in infonoise_core.__all__}
        space = {**names, "torch": torch, "__name__": "trainer", **objects}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            exec(compile(CODE[name], f"<{name}>", "exec"), space)
            if "loop" in objects:
                objects["loop"](space)
        return space

    return run


def assert_true_entropy(schedule):
    assert schedule.status().startswith("adapting since step")
    assert ";" not in schedule.status()
    # 20,000 examples of 16 bits.
    assert schedule.profile().entropy() == pytest.approx(DIM * math.log(2), rel=0.03)


def test_edm(run):
    def loop(space):
        space["loss"] = space["EDMLoss"](sigma_data=1.0)
        for x in images():
            value = space["loss"](lambda x, s, labels: clean(x, torch.ones_like(s), s), x)
            assert value.shape == x.shape
            space["loss"].schedule.step()

    assert_true_entropy(run("edm", loop=loop)["loss"].schedule)


def test_k_diffusion(run):
    class Denoiser:
        sigma_data = 0.7

        def get_scalings(self, sigma):
            total = sigma**2 + self.sigma_data**2
            return self.sigma_data**2 / total, sigma * self.sigma_data / total**0.5, total**-0.5

        def inner_model(self, x, sigma):
            c_skip, c_out, c_in = (wide(c) for c in self.get_scalings(sigma))
            noised = x / c_in
            return (clean(noised, torch.ones_like(sigma), sigma) - c_skip * noised) / c_out

    denoiser = Denoiser()

    def loop(space):
        for x in images():
            sigma = space["schedule"].sample(len(x))
            value = space["loss"](denoiser, x, torch.randn_like(x), sigma)
            assert value.shape == (len(x),)
            space["schedule"].step()

    schedule = run("k-diffusion", denoiser=denoiser, loop=loop)["schedule"]
    assert_true_entropy(schedule)


@pytest.mark.parametrize("objective", ["pred_noise", "pred_x0", "pred_v"])
def test_denoising_diffusion_pytorch(run, objective):
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    kept = (1 - betas).cumprod(0)

    def p_losses(x_start, t):
        noise = torch.randn_like(x_start)
        a, b = wide(kept[t].sqrt().float()), wide((1 - kept[t]).sqrt().float())
        x = a * x_start + b * noise
        x0 = clean(x, a, b)
        eps = (x - a * x0) / b
        return {
            "pred_noise": (eps, noise),
            "pred_x0": (x0, x_start),
            "pred_v": (a * eps - b * x0, a * noise - b * x_start),
        }[objective]

    diffusion = SimpleNamespace(alphas_cumprod=kept.float(), objective=objective, p_losses=p_losses)
    assert_true_entropy(run("lucidrains", diffusion=diffusion, batches=images())["schedule"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_flow_of_stable_diffusion(run, dtype):
    def transformer(x, timesteps):
        assert x.dtype == dtype
        t = wide(timesteps / 1000)
        x0 = clean(x.float(), 1 - t, t)
        return ((x.float() - x0) / t).to(dtype)

    batches = [x.to(dtype) for x in images()]
    schedule = run("sd3", transformer=transformer, batches=batches)["schedule"]
    assert schedule.status().startswith("adapting since step")
    if dtype == torch.float32:
        # The draws of a logit-normal see little of its tails.
        assert schedule.profile().entropy() == pytest.approx(DIM * math.log(2), rel=0.05)


class Matcher:
    """torchcfm.ConditionalFlowMatcher: x_t = t x1 + (1 - t) x0 + sigma eps, u_t = x1 - x0."""

    def __init__(self, sigma):
        self.sigma = sigma

    def sample_location_and_conditional_flow(self, x0, x1, t):
        s = wide(t)
        return t, s * x1 + (1 - s) * x0 + self.sigma * torch.randn_like(x1), x1 - x0

    def velocity(self, t, x):
        """E[x1 - x0 | x]: of the noise n = x - t x1, x0 has the share (1 - t) / b^2."""
        s = wide(t)
        b2 = (1 - s) ** 2 + self.sigma**2
        x1 = clean(x, s, b2.sqrt())
        return x1 - (1 - s) / b2 * (x - s * x1)


@pytest.mark.parametrize(("name", "sigma"), [("torchcfm", 0.0), ("torchcfm-sigma", 0.1)])
@pytest.mark.parametrize("library", ["formulas", "torchcfm"])
def test_torchcfm(run, name, sigma, library):
    made = Matcher(sigma)
    matcher = made
    if library == "torchcfm":
        matcher = pytest.importorskip("torchcfm").ConditionalFlowMatcher(sigma=sigma)
    space = run(name, matcher=matcher, model=made.velocity, batches=images())
    assert_true_entropy(space["schedule"])


def cond_ot(t):
    return SimpleNamespace(alpha_t=t, sigma_t=1 - t, d_alpha_t=1 + 0 * t, d_sigma_t=-1 + 0 * t)


def convex(t):
    return SimpleNamespace(alpha_t=t**2, sigma_t=1 - t**2, d_alpha_t=2 * t, d_sigma_t=-2 * t)


def cosine(t):
    a, b = torch.sin(math.pi / 2 * t), torch.cos(math.pi / 2 * t)
    return SimpleNamespace(
        alpha_t=a, sigma_t=b, d_alpha_t=math.pi / 2 * b, d_sigma_t=-math.pi / 2 * a
    )


@pytest.mark.parametrize("scheduler", [cond_ot, convex, cosine], ids=lambda f: f.__name__)
def test_flow_matching(run, scheduler):
    def mixed(x_0, x_1, t):
        s = scheduler(wide(t))
        return (
            s.alpha_t * x_1 + s.sigma_t * x_0,
            s.d_alpha_t * x_1 + s.d_sigma_t * x_0,
        )

    def sample(t, x_0, x_1):
        x_t, dx_t = mixed(x_0, x_1, t)
        return SimpleNamespace(x_t=x_t, dx_t=dx_t, t=t)

    def model(x, t):
        s = scheduler(wide(t))
        x_1 = clean(x, s.alpha_t, s.sigma_t)
        return mixed((x - s.alpha_t * x_1) / s.sigma_t, x_1, t)[1]

    space = run(
        "flow-matching", scheduler=scheduler, path=SimpleNamespace(sample=sample), model=model,
        batches=images(),
    )  # fmt: skip
    assert_true_entropy(space["schedule"])


def test_p_mean_of_a_log_normal_is_its_own(run):
    channel = VarianceExploding(1e-4, 1e4)
    schedule = InfoNoise(channel, LogNormal(channel, -1.2, 1.2), bins=256)
    space = run("p-mean", schedule=schedule)
    assert space["p_mean"] == pytest.approx(-1.2, abs=1e-3)
    assert space["p_std"] == pytest.approx(1.2, abs=2e-3)


def test_every_block_is_run():
    named = set(re.findall(r'run\(\s*"([\w-]+)"', Path(__file__).read_text()))
    assert set(CODE) == named | {"torchcfm", "torchcfm-sigma"}
