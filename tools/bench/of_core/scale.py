"""Data multiplied by k: the learned density should move by log k and keep its shape."""

import math
from collections.abc import Callable

import torch

from infonoise_core.analytic.exact import BinarySource, GaussianSource
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.schedules.gates import Gate
from infonoise_core.schedules.infonoise import InfoNoise
from of_core.adversarial import draw_batch, honest
from of_core.gates import DEFAULT, GATES
from report import Cell, Goal, Section, Table

BATCH, REFRESH, WARMUP = 512, 10, 20
SCALES = (0.01, 0.1, 10.0, 100.0)
BITS, GAUSSIAN = BinarySource(16), GaussianSource(16, rank=4)


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Shift of the mean log sigma minus log k, for each gate."""
    scales = SCALES[::3] if quick else SCALES
    steps = 60 if quick else 100
    fixed: list[list[Cell]] = []
    moved: list[list[Cell]] = []
    for name, make in GATES.items():
        tick(f"gate {name}")
        gate = make()
        wide = {
            k: mean_log_sigma(BITS, (1e-4, 1e4), 128, gate, k, steps, seed) for k in (1.0, *scales)
        }
        along = {
            k: mean_log_sigma(GAUSSIAN, (0.01 * k, 100 * k), 64, gate, k, steps, seed)
            for k in (1.0, *scales)
        }
        fixed.append([name, *(wide[k] - wide[1.0] - math.log(k) for k in scales)])
        moved.append([name, *(along[k] - along[1.0] - math.log(k) for k in scales)])
    columns = ["gate", *(f"k = {k:g}" for k in scales)]
    formats = dict.fromkeys(columns[1:], "+.3f")
    return Section(
        "Scale",
        [
            Table(
                "16 bits on a fixed grid",
                "Shift of the mean log sigma of the learned density minus log k, sigma from 1e-4 to"
                " 1e4 throughout; 0 is perfect.",
                columns, fixed, formats,
            ),
            Table(
                "Gaussian of rank 4 in 16 dimensions, grid moved along",
                "The same where information does not end at low noise, sigma from 0.01 k to 100 k.",
                columns, moved, formats,
            ),
        ],
        [_goal("16 bits, fixed grid", fixed), _goal("Gaussian, grid moved along", moved)],
    )  # fmt: skip


def mean_log_sigma(
    source: BinarySource | GaussianSource,
    span: tuple[float, float],
    bins: int,
    gate: Gate,
    k: float,
    steps: int,
    seed: int,
) -> float:
    """Of the learned density, after training with an exact denoiser on data multiplied by k."""
    schedule = InfoNoise(
        VarianceExploding(*span), gate=gate, floor=0.0, bins=bins, dim=source.dim,
        refresh_every=REFRESH, warmup_steps=WARMUP,
    )  # fmt: skip
    rng = torch.Generator().manual_seed(seed)
    for step in range(steps):
        sigma = schedule.sample(BATCH, generator=rng)
        error, implied = honest(draw_batch(source, sigma / k, step, rng))
        schedule.observe(sigma, k**2 * error, k**2 * implied)
        schedule.step()
    log_edges = schedule.edges.log()
    centres = (log_edges[1:] + log_edges[:-1]) / 2
    return float((schedule.density(centres.exp()) * log_edges.diff() * centres).sum())


def _goal(name: str, rows: list[list[Cell]]) -> Goal:
    shifts = next(row[1:] for row in rows if row[0] == DEFAULT)
    return Goal(
        f"Largest |shift - log k| of the default gate, {name}",
        max(abs(shift) for shift in shifts if isinstance(shift, float)), "at most", 0.05, ".3f",
        "The goal is a twentieth of a nat, where the density is about 0.7 nats wide.",
    )  # fmt: skip
