"""The estimate against closed forms: total entropy, the rate bin by bin, and what the fit gains."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infonoise_core.analytic.exact import exact_profile
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.profiles.estimator import RateEstimator
from infonoise_core.profiles.profile import EntropyRateProfile
from infonoise_core.profiles.readout import continuous_entropy, discrete_entropy
from infonoise_core.schedules.infonoise import InfoNoise
from of_core.sources import Case, cases, exact_losses, feed
from report import Cell, Goal, Section, Table

BATCH, REFRESH, WARMUP = 512, 25, 50
# Exact denoisers do not change, so there is nothing to forget.
NEVER = 1e12
# The default of InfoNoise; a test checks that it is.
HORIZON = 1024.0
# Observations per bin of the published buffers, and what the default horizon keeps.
PER_BIN = (256, 2048)


@dataclass(frozen=True)
class Errors:
    """Relative errors of one run, and squared ones of fit and raw means; readout is None for data
    without an entropy.
    """

    integral: float
    rate: float
    readout: float | None
    squares: tuple[float, float]


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Both tables and their goals."""
    steps, runs, repeats = (50, 1, 1) if quick else (400, 3, 6)
    per_bin = PER_BIN[:1] if quick else PER_BIN
    columns = [*(f"{n} per bin" for n in per_bin), "own draws", "own draws, default horizon"]
    accuracy: list[list[Cell]] = []
    gains: list[list[Cell]] = []
    for case in cases():
        tick(case.name)
        truth = exact_profile(case.source, *case.span)
        kept = [learned(case, truth, NEVER, steps, seed + i) for i in range(runs)]
        forgot = [learned(case, truth, HORIZON, steps, seed + i) for i in range(runs)]
        accuracy.append([case.name, truth.entropy(), *_worst_errors(kept), _worst_rate(forgot)])
        squares = [[uniform(case, truth, n, seed + i) for i in range(repeats)] for n in per_bin]
        squares += [[run.squares for run in kept], [run.squares for run in forgot]]
        gains.append([case.name, *map(_ratio, squares)])
    return Section(
        "Closed forms",
        [
            Table(
                "Accuracy",
                f"InfoNoise after {steps * BATCH:,} losses of the exact denoiser in batches of"
                f" {BATCH}, forgetting nothing; the worst of {runs} seeds. `integral` is the"
                " entropy between the ends of the grid, `readout` the Shannon or differential"
                " entropy by `infonoise_core.profiles.readout` where there is one, `rate` the"
                " largest error of any bin between the 5 % and the 95 % quantile of the true"
                " profile; in the last column under the default horizon of"
                f" {HORIZON:g} losses, as in training.",
                [
                    "data",
                    "nats on the grid",
                    "integral",
                    "readout",
                    "rate",
                    "rate, default horizon",
                ],
                accuracy,
                {
                    "nats on the grid": ".4g",
                    "integral": ".2%",
                    "readout": ".2%",
                    "rate": ".1%",
                    "rate, default horizon": ".1%",
                },
            ),
            Table(
                "What the fit gains",
                "Mean squared error over all bins of the smoothed and constrained rate, as a share"
                " of that of the raw bin means from the same losses. First log-uniform draws, so"
                f" many per bin ({repeats} seeds together), then InfoNoise's own draws of the table"
                " above.",
                ["data", *columns],
                gains,
                dict.fromkeys(columns, ".2f"),
            ),
        ],
        [
            _worst("Error of the entropy on the grid", accuracy, 2, 0.01, ".2%"),
            _worst("Error of the entropy readout", accuracy, 3, 0.01, ".2%"),
            _worst(
                "Error of the rate in any bin between the 5 % and 95 % quantiles", accuracy, 4,
                0.03, ".1%",
            ),
            *(
                _worst(f"Squared error of the fit over raw means, {name}", gains, i + 1, 0.5, ".2f")
                for i, name in enumerate(columns)
            ),
        ],
    )  # fmt: skip


def learned(case: Case, truth: EntropyRateProfile, horizon: float, steps: int, seed: int) -> Errors:
    """Errors of what InfoNoise has learned from its own draws."""
    source = case.source
    schedule = InfoNoise(
        VarianceExploding(*case.span), dim=source.dim, horizon=horizon,
        refresh_every=REFRESH, warmup_steps=WARMUP,
    )  # fmt: skip
    feed(schedule, source, steps, BATCH, torch.Generator().manual_seed(seed))
    found = schedule.profile()
    low, high = truth.quantile(torch.tensor([0.05, 0.95]))
    informative = (truth.sigma >= low) & (truth.sigma <= high)
    readout = None
    if source.entropy is not None:
        read = discrete_entropy if case.discrete else continuous_entropy
        readout = read(found).nats / source.entropy - 1
    return Errors(
        found.entropy() / truth.entropy() - 1,
        float((found.rate / truth.rate - 1).abs()[informative].max()),
        readout,
        _squares(schedule.estimator, truth),
    )


def uniform(case: Case, truth: EntropyRateProfile, per_bin: int, seed: int) -> tuple[float, float]:
    """Squared errors of the fit and of the raw means after `per_bin` log-uniform draws per bin."""
    rng = torch.Generator().manual_seed(seed)
    estimator = RateEstimator(truth.edges, NEVER, case.source.dim)
    low, width = truth.edges.log()[:-1], truth.width
    for _ in range(per_bin // 64):
        share = torch.rand(64, len(width), generator=rng, dtype=torch.float64)
        sigma = (low + width * share).exp().flatten()
        estimator.observe(sigma, exact_losses(case.source, sigma, rng))
    estimator.merge()
    return _squares(estimator, truth)


def _squares(estimator: RateEstimator, truth: EntropyRateProfile) -> tuple[float, float]:
    def mean_square(rate: Tensor) -> float:
        return float((rate - truth.rate).nan_to_num().square().mean())

    return mean_square(estimator.fitted_rate()), mean_square(estimator.rate)


def _ratio(squares: list[tuple[float, float]]) -> float:
    fitted, raw = (math.fsum(column) for column in zip(*squares, strict=True))
    return fitted / raw


def _worst_errors(runs: Sequence[Errors]) -> list[Cell]:
    readouts = [abs(run.readout) for run in runs if run.readout is not None]
    integral = max(abs(run.integral) for run in runs)
    return [integral, max(readouts, default=None), _worst_rate(runs)]


def _worst_rate(runs: Sequence[Errors]) -> float:
    return max(run.rate for run in runs)


def _worst(what: str, rows: Sequence[Sequence[Cell]], i: int, limit: float, spec: str) -> Goal:
    known = [(cell, row[0]) for row in rows if isinstance(cell := row[i], float)]
    value, name = max(known, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    return Goal(what, value, "at most", limit, spec, f"(Worst: {name}.)")
