"""Conditional generation: what noise of the condition costs where the posterior is known, and
completed images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from infonoise_core.evaluation.schema import Row
from infonoise_core.training.progress import Silent
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.generated import count, draw
from infonoise_vision.evaluation.measures import REAL, VALUE, classifier_rows, pixel_rows
from infonoise_vision.evaluation.profile import condition_gap
from infonoise_vision.models.conditions import make_condition
from infonoise_vision.sampling.trained import ImageRun
from of_core.linear_gaussian import CORRELATION, LEVELS, SEEN, kl_to_posterior
from of_images import vision_runs
from report import Cell, Goal, Section, Table
from suite import Tick

NOISES = (0.0, 0.1, 0.3, 1.0)
DRAWS, DRAWS_QUICK = 50_000, 5000
HIDDEN = "hidden-half"
STEPS, CHURN = 18, 0.2
# Share of examples without the condition: with few of them the network is poor without it, and the
# information gap too large.
WITHHELD = 0.25
# Noisy images for each noise level of the information gap.
GAP_DRAWS, GAP_DRAWS_QUICK = 256, 8


@dataclass(frozen=True)
class Estimator:
    """A way to complete images.

    Attributes:
        noise: C of the run trained for it; None for the run without a condition.
    """

    name: str
    noise: float | None
    method: str


ESTIMATORS = (
    Estimator("condition never noised, c = 0", 0.0, "trained"),
    Estimator("two speeds, c = 0.1", 0.1, "trained"),
    Estimator("joint diffusion, c = 1", 1.0, "trained"),
    Estimator("null-space projection, not trained for it", None, "ddnm"),
    Estimator("replacement, not trained for it", None, "replace"),
)


@dataclass(frozen=True)
class Completed:
    """Of held-out images.

    Attributes:
        real: Accuracy on the images as they were.
        gap: nats, and its standard error, where there is one.
        steps: Of the run.
    """

    rmse: float
    accuracy: float
    real: float
    frechet: float
    nfe: int
    steps: int
    gap: tuple[float, float] | None


def section(quick: bool, seed: int, tick: Tick) -> Section:
    """Both tables."""
    posterior, goals = _posterior(quick, tick)
    found: dict[str, Completed] = {}
    judge: Classifier | None = None
    samples = vision_runs.SAMPLES_QUICK if quick else vision_runs.SAMPLES
    for estimator in ESTIMATORS:
        run = _run(estimator.noise, quick, seed, tick)
        images, held_out = vision_runs.images_of(run)
        judge = judge or vision_runs.classifier(images, tick)
        tick(estimator.name)
        found[estimator.name] = completed(
            estimator, run, (images, held_out), samples, seed, judge,
            GAP_DRAWS_QUICK if quick else GAP_DRAWS,
        )  # fmt: skip
    return Section(
        "Conditional generation",
        [posterior, _table(found, samples)],
        [*goals, *_goals(found, samples)],
    )


def _posterior(quick: bool, tick: Tick) -> tuple[Table, list[Goal]]:
    n = DRAWS_QUICK if quick else DRAWS
    kl: dict[float, float] = {}
    rows: list[Sequence[Cell]] = []
    for c in NOISES:
        tick(f"two Gaussians, c = {c:g}")
        kl[c] = kl_to_posterior(c, CHURN, n)
        rows.append([f"{c:g}", kl[c], kl_to_posterior(c, 0.0, n)])
    columns = ["c", f"churn {CHURN:g}", "no churn"]
    table = Table(
        "KL to the true posterior, nats",
        f"Two unit Gaussians of correlation {CORRELATION:g}, one seen at {SEEN:g}: {n} draws of"
        f" the other by Heun with {LEVELS} levels and exact denoisers of both at noise sigma and c"
        " sigma, the condition noised anew at every call.",
        columns,
        rows,
        dict.fromkeys(columns[1:], ".2e"),
    )
    what = f"KL to the true posterior, correlation {CORRELATION:g}, c = "
    return table, [
        Goal(f"{what}0", kl[0.0], "at most", 1e-3, ".1e"),
        Goal(f"{what}0.1", kl[0.1], "at most", 1e-3, ".1e"),
        Goal(f"{what}1", kl[1.0], "at least", 0.4, ".2f", "Not the posterior: to be seen here."),
    ]


def _run(noise: float | None, quick: bool, seed: int, tick: Tick) -> ImageRun:
    if noise is None:
        return vision_runs.trained("free", [], quick, seed, tick)
    options = ["--condition", HIDDEN, "--condition-noise", f"{noise:g}",
               "--condition-dropout", f"{WITHHELD:g}"]  # fmt: skip
    return vision_runs.trained(f"hidden-{noise:g}", options, quick, seed, tick)


def completed(
    estimator: Estimator,
    run: ImageRun,
    sets: tuple[ImageSet, ImageSet],
    samples: int,
    seed: int,
    judge: Classifier,
    gap_draws: int,
) -> Completed:
    """Held-out images whose lower half is drawn anew.

    Args:
        sets: Training and held-out images.
    """
    images, held_out = sets
    condition = make_condition(HIDDEN, run.shape, run.objective.factor, len(run.classes))
    drawn = draw(
        run, images, held_out, samples,
        vision_runs.sampler(seed, STEPS, "karras", "heun", CHURN), Silent(),
        condition=condition, method=estimator.method,
    )  # fmt: skip
    rows = {row.name: row for row in (*pixel_rows(drawn), *classifier_rows(drawn, judge))}
    n = count(drawn.n)
    accuracy = rows[f"accuracy_completed_{n}"]
    gap = None
    if run.null():
        said, _, _ = condition_gap(run, held_out, run.null(), gap_draws)
        gap = said.nats, said.stderr
    return Completed(
        _number(rows[f"rmse_hidden_{n}"]), _number(accuracy), _number(accuracy, REAL),
        _number(rows[f"fd_clf_{n}"]), drawn.nfe, run.step, gap,
    )  # fmt: skip


def _number(row: Row, column: str = VALUE) -> float:
    return row.values[column] or 0.0


def _table(found: dict[str, Completed], samples: int) -> Table:
    n = count(samples)
    rmse, accuracy, frechet = f"rmse_hidden_{n}", f"accuracy_completed_{n}", f"fd_clf_{n}"
    columns = ["estimator", rmse, accuracy, "on the images as they were", frechet,
               "information gap, nats", "±"]  # fmt: skip
    rows: list[Sequence[Cell]] = [
        [name, got.rmse, got.accuracy, got.real, got.frechet, *(got.gap or (None, None))]
        for name, got in found.items()
    ]
    one, size = next(iter(found.values())), vision_runs.SIZE
    return Table(
        f"The hidden lower half of grey Fashion-MNIST at {size}x{size}, {one.steps} steps each",
        f"{samples} held-out images, completed once each by Heun with {one.nfe} calls and churn"
        f" {CHURN:g}: error of hidden pixels on a scale from -1 to 1 (a draw from the true"
        " posterior has 1.41 times the error of its mean), share that a classifier of the training"
        " images takes for the right class, and distance in its features from as many of those."
        " The gap is what the known half, at the noise that the run gives it, says of the hidden"
        " one: held-out errors without it minus those with it, in runs that went without it in"
        f" {WITHHELD:.0%} of the examples.",
        columns,
        rows,
        {rmse: ".3f", accuracy: ".1%", columns[3]: ".1%", frechet: ".2f", columns[5]: ".1f",
         "±": ".1f"},
    )  # fmt: skip


def _goals(found: dict[str, Completed], samples: int) -> list[Goal]:
    clean, _, joint, projected, _ = (found[e.name] for e in ESTIMATORS)
    n = count(samples)
    return [
        Goal(f"rmse_hidden_{n} at c = 0 over null-space projection's", clean.rmse / projected.rmse,
             "at most", 1, ".2f", "What training for the condition is worth."),
        Goal(f"accuracy_completed_{n} at c = 0 minus that at c = 1",
             clean.accuracy - joint.accuracy, "at least", 0, "+.1%"),
    ]  # fmt: skip
