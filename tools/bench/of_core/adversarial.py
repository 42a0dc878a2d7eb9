"""Losses that no honest denoiser would report, and where each gate then puts the draws.

The number is the share of the learned density's mass that lies where the true density, the one
that the exact profile gives, is below 5 % of its peak.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.analytic.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.weighting import Weight, edm_weight
from infonoise_core.schedules.gates import Gate, open_gate, training_density
from infonoise_core.schedules.infonoise import InfoNoise
from of_core.gates import DEFAULT, GATES
from report import Goal, Section, Table

BATCH, STEPS, REFRESH, WARMUP = 512, 60, 10, 20
LIMIT, NOTHING = 0.5, 0.05
# The scenario whose errors do not depend on the data.
UNKNOWABLE = "answers x"
# A flat profile, learned from 30,000 losses, is flat to about this share of its mass.
SAMPLING = 0.01


@dataclass(frozen=True)
class ScheduleContext:
    """Data with an exact denoiser, the span of the schedule, and the loss weight."""

    name: str
    source: BinarySource | GaussianSource
    span: tuple[float, float]
    weight: Weight | None = None


SETTINGS = (
    ScheduleContext("1 bit", BinarySource(1), (0.05, 20.0)),
    ScheduleContext("16 bits", BinarySource(16), (0.05, 20.0)),
    ScheduleContext("1 bit, wide", BinarySource(1), (0.002, 80.0)),
    ScheduleContext("16 bits, wide", BinarySource(16), (0.002, 80.0)),
    ScheduleContext("16 bits, wide, EDM weight", BinarySource(16), (0.002, 80.0), edm_weight(1.0)),
    ScheduleContext("Gaussian, rank 4 of 16", GaussianSource(16, rank=4), (0.01, 20.0)),
    ScheduleContext(
        "Gaussian, EDM weight", GaussianSource(16, 0.5), (0.002, 80.0), edm_weight(0.5)
    ),
)


QUICK = (SETTINGS[1], SETTINGS[3], SETTINGS[6])


@dataclass(frozen=True)
class Draw:
    """One batch: sigma (n,), x0 and x (n, dim), the number of the step."""

    source: BinarySource | GaussianSource
    sigma: Tensor
    x0: Tensor
    x: Tensor
    step: int
    generator: torch.Generator

    @property
    def std(self) -> float:
        """Of the data, per dimension."""
        source = self.source
        if isinstance(source, BinarySource):
            return source.half
        return source.std * math.sqrt(source.rank / source.dim)

    def exact(self) -> Tensor:
        return self.source.denoise(self.x, self.sigma)

    def noise(self) -> Tensor:
        return torch.randn(self.x.shape, generator=self.generator, dtype=self.x.dtype)


def draw_batch(
    source: BinarySource | GaussianSource, sigma: Tensor, step: int, generator: torch.Generator
) -> Draw:
    """Clean and noisy examples, one per noise level, in float64."""
    sigma = sigma.to(torch.float64)
    x0 = source.sample(len(sigma), generator).to(torch.float64)
    noise = torch.randn(x0.shape, generator=generator, dtype=x0.dtype)
    return Draw(source, sigma, x0, x0 + sigma[:, None] * noise, step, generator)


# (n,) squared errors that the loop would report, and the posterior variances (n,) implied.
Losses = tuple[Tensor, Tensor]
Scenario = Callable[[Draw], Losses]


def losses(draw: Draw, denoised: Tensor, trace: Tensor | None = None) -> Losses:
    """What the answer `denoised` (n, dim) is charged and what it claims: bits by their
    probabilities, others by sigma^2 times the trace (n,) of their Jacobian, by default the exact
    one's.
    """
    error = (denoised - draw.x0).square().sum(1)
    source = draw.source
    if isinstance(source, BinarySource):
        certain = (denoised - source.middle).square()
        return error, (source.half**2 - certain).clamp_min(0).sum(1)
    return error, source.mmse(draw.sigma) if trace is None else trace * draw.sigma.square()


def honest(draw: Draw) -> Losses:
    return losses(draw, draw.exact())


def floor(share: float, exponent: float = 0.0) -> Scenario:
    """Answers off by a random vector whose square is `share` of the variance, times
    sigma^exponent, between half and one and a half times as much for each example.
    """

    def scenario(draw: Draw) -> Losses:
        spread = 0.5 + torch.rand(draw.sigma.shape, generator=draw.generator)
        size = share * draw.std**2 * draw.source.dim * spread * draw.sigma**exponent
        direction = draw.noise()
        off = direction / direction.norm(dim=1, keepdim=True) * size.sqrt()[:, None]
        return losses(draw, draw.exact() + off)

    return scenario


def dead_range(draw: Draw) -> Losses:
    """Losses of zero from 0.3 to 1 standard deviation of the data: a mask, a dead head."""
    error, implied = honest(draw)
    dead = (draw.sigma > 0.3 * draw.std) & (draw.sigma < draw.std)
    return torch.where(dead, 0, error), implied


def nan_bursts(draw: Draw) -> Losses:
    """Nine losses of ten in every other window, and once all of them for five steps."""
    error, implied = honest(draw)
    burst = 0.9 if draw.step // REFRESH % 2 == 0 else 0.0
    burst = 1.0 if 30 <= draw.step < 35 else burst
    lost = torch.rand(len(error), generator=draw.generator) < burst
    return torch.where(lost, math.nan, error), implied


def outlier(draw: Draw) -> Losses:
    """A loss in the last window, where it hurts most: 1000 times the mean, at the lowest noise."""
    error, implied = honest(draw)
    if draw.step == STEPS - 1:
        error[draw.sigma.argmin()] = 1000 * error.mean()
    return error, implied


def answers_mean(draw: Draw) -> Losses:
    middle = draw.source.middle if isinstance(draw.source, BinarySource) else 0.0
    return losses(draw, torch.full_like(draw.x, middle), torch.zeros_like(draw.sigma))


def answers_x(draw: Draw) -> Losses:
    return losses(draw, draw.x, torch.full_like(draw.sigma, draw.source.dim))


def answers_noise(draw: Draw) -> Losses:
    return losses(draw, draw.std * draw.noise(), torch.zeros_like(draw.sigma))


SCENARIOS: Mapping[str, Scenario] = {
    "honest": honest,
    "floor 1e-2": floor(1e-2),
    "floor 1e-3": floor(1e-3),
    "floor 1e-2 √σ": floor(1e-2, 0.5),
    "dead range": dead_range,
    "NaN bursts": nan_bursts,
    "outlier": outlier,
    "answers the mean": answers_mean,
    "answers x": answers_x,
    "answers noise": answers_noise,
}


def train(setting: ScheduleContext, scenario: Scenario, gate: Gate, seed: int) -> InfoNoise:
    """A schedule without exploration floor, after STEPS steps of such losses."""
    source = setting.source
    schedule = InfoNoise(
        VarianceExploding(*setting.span), weight=setting.weight, gate=gate, floor=0.0,
        refresh_every=REFRESH, warmup_steps=WARMUP, dim=source.dim,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        sigma = schedule.sample(BATCH, generator=rng)
        schedule.observe(sigma, *scenario(draw_batch(source, sigma, step, rng)))
        schedule.step()
    return schedule


def wasted(setting: ScheduleContext, density: Tensor) -> float:
    """Share of a density (64,) per unit log sigma that lies where the true one is below NOTHING."""
    exact = exact_profile(setting.source, *setting.span)
    true = training_density(exact, setting.weight, open_gate())
    if true is None:
        raise ValueError(f"{setting.name} has no information between {setting.span}")
    mass = density * exact.width
    return float(mass[true < NOTHING * true.max()].sum() / mass.sum())


@dataclass(frozen=True)
class Cell:
    """One field of the table.

    Attributes:
        wasted: The worst of the seeds.
        held: Whether any of them still ran under the warm-up distribution.
        warmup: What that distribution wastes.
    """

    setting: str
    scenario: str
    gate: str
    wasted: float
    held: bool
    warmup: float


def table(
    gates: Sequence[str] = tuple(GATES),
    scenarios: Sequence[str] = tuple(SCENARIOS),
    settings: Sequence[ScheduleContext] = SETTINGS,
    seeds: Sequence[int] = (0, 1, 2),
    tick: Callable[[str], None] = lambda text: None,
) -> list[Cell]:
    """Every gate under every scenario on every setting."""
    cells = []
    for setting in settings:
        centres = exact_profile(setting.source, *setting.span).sigma
        warmup = wasted(setting, torch.ones_like(centres))
        for scenario in scenarios:
            tick(f"{setting.name}, {scenario}")
            for gate in gates:
                runs = [train(setting, SCENARIOS[scenario], GATES[gate](), s) for s in seeds]
                shares = [wasted(setting, run.density(centres)) for run in runs]
                held = any("warming up" in run.status() for run in runs)
                cells.append(Cell(setting.name, scenario, gate, max(shares), held, warmup))
    return cells


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """The tables, one per setting, and the goal for the default gate."""
    seeds = range(seed, seed + (1 if quick else 3))
    cells = table(settings=QUICK if quick else SETTINGS, seeds=seeds, tick=tick)
    names = dict.fromkeys(cell.setting for cell in cells)
    tables = [_page(name, [cell for cell in cells if cell.setting == name]) for name in names]
    ours = [cell for cell in cells if cell.gate == DEFAULT]
    informed = [cell for cell in ours if cell.scenario != UNKNOWABLE]
    blind = [cell for cell in ours if cell.scenario == UNKNOWABLE]
    worst = max(informed, key=lambda cell: cell.wasted)
    widest = max(blind, key=lambda cell: cell.wasted - cell.warmup)
    return Section(
        "Adversarial losses",
        tables,
        [
            Goal(
                f"Draws wasted by the default gate, worst of {len(informed)} cells",
                worst.wasted, "at most", LIMIT, ".3f", f"({worst.setting}, {worst.scenario}.)",
            ),
            Goal(
                f"The same where the denoiser {UNKNOWABLE}, beyond what the warm-up distribution"
                f" wastes, worst of {len(blind)} cells",
                widest.wasted - widest.warmup, "at most", SAMPLING, "+.3f",
                f"({widest.setting}.) Such errors are sigma^2 per dimension whatever the data are:"
                " no schedule can learn from them where the data's information lies, and ours"
                " keeps its warm-up distribution and says why.",
            ),
            Goal(
                f"Cells of the default gate above 0.5, of {len(ours)}",
                sum(cell.wasted > LIMIT + SAMPLING for cell in ours), "equal to", 0,
                note=f"All of them where the denoiser {UNKNOWABLE}."
                if all(c.wasted <= LIMIT + SAMPLING for c in informed) else "",
            ),
        ],
    )  # fmt: skip


def _page(setting: str, cells: Sequence[Cell]) -> Table:
    scenarios = dict.fromkeys(cell.scenario for cell in cells)
    gates = dict.fromkeys(cell.gate for cell in cells)
    found = {(cell.scenario, cell.gate): cell for cell in cells}
    return Table(
        setting,
        "Share of the learned density where the true one is below 5 % of its peak, worst of the"
        " seeds; * marks a schedule that stayed under its warm-up distribution, which has"
        f" {cells[0].warmup:.2f}.",
        ["losses", *gates],
        [[scenario, *(_mark(found[scenario, gate]) for gate in gates)] for scenario in scenarios],
    )


def _mark(cell: Cell) -> str:
    return f"{cell.wasted:.2f}" + ("*" if cell.held else "")
