"""Losses that no honest denoiser would report, and where each gate then puts the draws.

The number is the share of the learned density's mass that lies where the true density, the one
that the exact profile gives, is below 5 % of its peak.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from gates import DEFAULT, GATES
from report import Goal, Section, Table
from torch import Tensor

from infonoise_core.allocation import Gate, open_gate, training_density
from infonoise_core.channel import VarianceExploding
from infonoise_core.exact import BinarySource, GaussianSource, exact_profile
from infonoise_core.schedule import InfoNoise
from infonoise_core.weighting import Weight, edm_weight

BATCH, STEPS, REFRESH, WARMUP = 512, 60, 10, 20
LIMIT, NOTHING = 0.5, 0.05


@dataclass(frozen=True)
class Setting:
    """Data with an exact denoiser, the span of the schedule, and the loss weight."""

    name: str
    source: BinarySource | GaussianSource
    span: tuple[float, float]
    weight: Weight | None = None


SETTINGS = (
    Setting("1 bit", BinarySource(1), (0.05, 20.0)),
    Setting("16 bits", BinarySource(16), (0.05, 20.0)),
    Setting("1 bit, wide", BinarySource(1), (0.002, 80.0)),
    Setting("16 bits, wide", BinarySource(16), (0.002, 80.0)),
    Setting("16 bits, wide, EDM weight", BinarySource(16), (0.002, 80.0), edm_weight(1.0)),
    Setting("Gaussian, rank 4 of 16", GaussianSource(16, rank=4), (0.01, 20.0)),
    Setting("Gaussian, EDM weight", GaussianSource(16, 0.5), (0.002, 80.0), edm_weight(0.5)),
)


@dataclass(frozen=True)
class Answer:
    """denoised: (n, dim).  divergence: (n,) trace of the denoiser's Jacobian."""

    denoised: Tensor
    divergence: Tensor


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
    def variance(self) -> float:
        """E|x0 - E x0|^2, summed over dimensions."""
        return float(self.source.mmse(torch.tensor(1e4, dtype=torch.float64)))

    def exact(self) -> Answer:
        rate = self.source.mmse(self.sigma) / self.sigma.square()
        return Answer(self.source.denoise(self.x, self.sigma), rate)

    def missed(self, size: Tensor) -> Answer:
        """The exact answer, off by a vector of squared length `size` (n,) in a random direction."""
        exact = self.exact()
        direction = torch.randn(self.x.shape, generator=self.generator, dtype=self.x.dtype)
        off = direction / direction.norm(dim=1, keepdim=True) * size.sqrt()[:, None]
        return Answer(exact.denoised + off, exact.divergence)

    def error(self, answer: Answer) -> Tensor:
        return (answer.denoised - self.x0).square().sum(1)

    def implied(self, answer: Answer) -> Tensor:
        """(n,) posterior variance that the answer claims: of bits by their probabilities, of
        others sigma^2 times the divergence.
        """
        if isinstance(self.source, BinarySource):
            certain = (answer.denoised - self.source.middle).square()
            return (self.source.half**2 - certain).clamp_min(0).sum(1)
        return self.sigma.square() * answer.divergence

    def spread(self) -> Tensor:
        """(n,) between 1/2 and 3/2: how large a floor is for one example."""
        return 0.5 + torch.rand(len(self.x), generator=self.generator, dtype=self.x.dtype)


# A batch -> what the loop would report: (n,) squared errors and (n,) implied ones.
Losses = tuple[Tensor, Tensor]
Scenario = Callable[[Draw], Losses]


def honest(draw: Draw) -> Losses:
    return _losses(draw, draw.exact())


def floor(share: float, exponent: float = 0.0) -> Scenario:
    """An extra error of `share` of the variance, times sigma^exponent."""

    def scenario(draw: Draw) -> Losses:
        size = share * draw.variance * draw.spread() * draw.sigma**exponent
        return _losses(draw, draw.missed(size))

    return scenario


def dead_range(draw: Draw) -> Losses:
    """Losses of zero from 0.3 to 1 standard deviation of the noise: a mask, a dead head."""
    std = math.sqrt(draw.variance / draw.source.dim)
    error, implied = honest(draw)
    dead = (draw.sigma > 0.3 * std) & (draw.sigma < std)
    return torch.where(dead, 0, error), implied


def nan_bursts(draw: Draw) -> Losses:
    """Nine losses of ten, and for five steps all of them."""
    error, implied = honest(draw)
    burst = 0.9 if draw.step % 20 < 10 else 0.0
    burst = 1.0 if 30 <= draw.step < 35 else burst
    lost = torch.rand(len(error), generator=draw.generator) < burst
    return torch.where(lost, math.nan, error), implied


def outlier(draw: Draw) -> Losses:
    """One loss of the last window, where it hurts most: at the lowest noise, 1000 times the mean."""
    error, implied = honest(draw)
    if draw.step == STEPS - 1:
        error[draw.sigma.argmin()] = 1000 * error.mean()
    return error, implied


def answers_mean(draw: Draw) -> Losses:
    middle = draw.source.middle if isinstance(draw.source, BinarySource) else 0.0
    return _losses(draw, Answer(torch.full_like(draw.x, middle), torch.zeros_like(draw.sigma)))


def answers_x(draw: Draw) -> Losses:
    return _losses(draw, Answer(draw.x, torch.full_like(draw.sigma, draw.source.dim)))


def answers_noise(draw: Draw) -> Losses:
    std = math.sqrt(draw.variance / draw.source.dim)
    noise = torch.randn(draw.x.shape, generator=draw.generator, dtype=draw.x.dtype)
    return _losses(draw, Answer(std * noise, torch.zeros_like(draw.sigma)))


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


def train(setting: Setting, scenario: Scenario, gate: Gate, seed: int) -> InfoNoise:
    """A schedule without exploration floor, after STEPS steps of such losses."""
    source = setting.source
    schedule = InfoNoise(
        VarianceExploding(*setting.span), weight=setting.weight, gate=gate, floor=0.0,
        refresh_every=REFRESH, warmup_steps=WARMUP, dim=source.dim,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        sigma = schedule.sample(BATCH, generator=rng).double()
        x0 = source.sample(BATCH, rng).double()
        x = x0 + sigma[:, None] * torch.randn(x0.shape, generator=rng, dtype=x0.dtype)
        schedule.observe(sigma, *scenario(Draw(source, sigma, x0, x, step, rng)))
        schedule.step()
    return schedule


def wasted(setting: Setting, density: Tensor) -> float:
    """Share of a density (64,) per unit log sigma that lies where the true one is below NOTHING."""
    exact = exact_profile(setting.source, *setting.span)
    true = training_density(exact, setting.weight, open_gate())
    if true is None:
        raise ValueError(f"{setting.name} has no information between {setting.span}")
    mass = density * exact.width
    return float(mass[true < NOTHING * true.max()].sum() / mass.sum())


@dataclass(frozen=True)
class Cell:
    """One field of the table.  wasted: the worst of the seeds.  held: whether any of them still
    ran under the warm-up law.  warmup: what that law wastes.
    """

    setting: str
    scenario: str
    gate: str
    wasted: float
    held: bool
    warmup: float

    @property
    def limit(self) -> float:
        """A schedule that is held cannot do better than its warm-up law."""
        return max(LIMIT, self.warmup + 1e-9)


def table(
    gates: Sequence[str] = tuple(GATES),
    scenarios: Sequence[str] = tuple(SCENARIOS),
    settings: Sequence[Setting] = SETTINGS,
    seeds: int = 3,
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
                runs = [train(setting, SCENARIOS[scenario], GATES[gate](), s) for s in range(seeds)]
                shares = [wasted(setting, run.density(centres)) for run in runs]
                held = any("warming up" in run.status() for run in runs)
                cells.append(Cell(setting.name, scenario, gate, max(shares), held, warmup))
    return cells


def section(quick: bool, tick: Callable[[str], None]) -> Section:
    """The tables, one per setting, and the goal for the default gate."""
    cells = table(seeds=1 if quick else 3, settings=SETTINGS[1:4:2] if quick else SETTINGS, tick=tick)
    names = dict.fromkeys(cell.setting for cell in cells)
    tables = [_page(name, [cell for cell in cells if cell.setting == name]) for name in names]
    ours = [cell for cell in cells if cell.gate == DEFAULT]
    worst = max(ours, key=lambda cell: cell.wasted - cell.limit)
    return Section(
        "Adversarial losses",
        tables,
        [
            Goal(
                "Draws wasted by the default gate beyond the larger of 0.5 and what its warm-up law"
                " wastes, worst cell",
                max(0.0, worst.wasted - worst.limit), "at most", 0.0, ".2f",
                f"({worst.setting}, {worst.scenario}.)" if worst.wasted > worst.limit else "",
            ),
            Goal(
                f"Cells of the default gate above 0.5, of {len(ours)}",
                sum(cell.wasted > LIMIT for cell in ours), "equal to", 0,
                note="A held schedule keeps its warm-up law, which wastes more than half by itself"
                " on the wide grids.",
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
        " seeds; * marks a schedule that stayed under its warm-up law, which has"
        f" {cells[0].warmup:.2f}.",
        ["losses", *gates],
        [[scenario, *(_mark(found[scenario, gate]) for gate in gates)] for scenario in scenarios],
    )


def _mark(cell: Cell) -> str:
    return f"{cell.wasted:.2f}" + ("*" if cell.held else "")


def _losses(draw: Draw, answer: Answer) -> Losses:
    return draw.error(answer), draw.implied(answer)
