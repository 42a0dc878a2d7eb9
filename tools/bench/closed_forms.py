"""The estimate against closed forms: total entropy, the rate bin by bin, and what the fit gains."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from report import Cell, Goal, Section, Table
from sources import Case, cases, exact_losses, feed
from torch import Tensor

from infonoise_core.channel import VarianceExploding
from infonoise_core.estimator import RateEstimator
from infonoise_core.exact import exact_profile
from infonoise_core.profile import EntropyRateProfile
from infonoise_core.readout import continuous_entropy, discrete_entropy
from infonoise_core.schedule import InfoNoise

BATCH, REFRESH, WARMUP = 512, 25, 50
# Exact denoisers do not change, so there is nothing to forget.
NEVER = 1e12
# Observations per bin of the published buffers, and what the default horizon keeps.
PER_BIN = (256, 2048)


@dataclass(frozen=True)
class Errors:
    """Relative errors of one run; readout is None for data without an entropy."""

    integral: float
    rate: float
    readout: float | None
    mse: float
    raw_mse: float


def section(quick: bool, seed: int, tick: Callable[[str], None]) -> Section:
    """Both tables and their goals."""
    steps, seeds = (50, 1) if quick else (400, 3)
    per_bin = PER_BIN[:1] if quick else PER_BIN
    accuracy, gains = [], []
    for case in cases():
        tick(case.name)
        truth = exact_profile(case.source, *case.span)
        runs = [learned(case, truth, steps, seed + i) for i in range(seeds)]
        gain = [_ratio([uniform(case, truth, n, seed + i) for i in range(seeds)]) for n in per_bin]
        accuracy.append(
            [
                case.name,
                truth.entropy(),
                max(abs(run.integral) for run in runs),
                None if runs[0].readout is None else max(abs(run.readout or 0) for run in runs),
                max(run.rate for run in runs),
            ]
        )
        gains.append([case.name, *gain, _ratio([(run.mse, run.raw_mse) for run in runs])])
    observations = steps * BATCH
    return Section(
        "Closed forms",
        [
            Table(
                "Accuracy",
                f"InfoNoise with its default settings but no forgetting, after {observations:,}"
                f" observations of the exact denoiser in batches of {BATCH}; worst of {seeds} seeds."
                " `integral` is the entropy between the ends of the grid, `readout` the Shannon or"
                " differential entropy by `infonoise_core.readout` where there is one, `rate` the"
                " largest error of any bin between the 5 % and the 95 % quantile of the true"
                " profile.",
                ["data", "nats on the grid", "integral", "readout", "rate"],
                accuracy,
                {"nats on the grid": ".4g", "integral": ".2%", "readout": ".2%", "rate": ".1%"},
            ),
            Table(
                "What the fit gains",
                "Mean squared error over all bins of the smoothed and constrained rate, as a share"
                f" of that of the raw bin means from the same observations; {seeds} seeds together."
                " First log-uniform draws, so many per bin, then InfoNoise's own draws of the table"
                " above.",
                ["data", *(f"{n} per bin" for n in per_bin), "own draws"],
                gains,
                {column: ".2f" for column in (*(f"{n} per bin" for n in per_bin), "own draws")},
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
                for i, name in enumerate((*(f"{n} per bin" for n in per_bin), "own draws"))
            ),
        ],
    )  # fmt: skip


def learned(case: Case, truth: EntropyRateProfile, steps: int, seed: int) -> Errors:
    """Errors of what InfoNoise has learned from its own draws."""
    source = case.source
    schedule = InfoNoise(
        VarianceExploding(*case.span), dim=source.dim, horizon=NEVER,
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
        *_squares(schedule.estimator, truth),
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


def _worst(what: str, rows: Sequence[Sequence[Cell]], i: int, limit: float, spec: str) -> Goal:
    known = [(float(row[i]), row[0]) for row in rows if isinstance(row[i], float)]
    value, name = max(known, key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
    return Goal(what, value, "at most", limit, spec, f"(Worst: {name}.)")
