"""What `evaluate` finds of a run: tables of measures, each beside what real images give."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from infonoise_core.app.options import EvaluateOptions
from infonoise_core.errors import InputError
from infonoise_core.evaluation.schema import Evaluated, Row, Table
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.progress import progress
from infonoise_vision.data.cache import cache_folder
from infonoise_vision.data.images import ImageSet, Parts
from infonoise_vision.evaluation.bound import bound_of_many, fixed_part
from infonoise_vision.evaluation.classifier import Classifier, trained_classifier
from infonoise_vision.evaluation.fid import NEED, Inception, has_metrics
from infonoise_vision.evaluation.generated import Drawn, Plan, Split, count, draw_plan, plan
from infonoise_vision.evaluation.measures import (
    REAL,
    VALUE,
    classifier_rows,
    energy_rows,
    inception_rows,
    pixel_rows,
    row,
)
from infonoise_vision.evaluation.nearest import nearest_rows
from infonoise_vision.evaluation.options import LIMIT, EvaluateExtras
from infonoise_vision.evaluation.pairs import LIMIT as PAIRED
from infonoise_vision.evaluation.pairs import drawn_again, pair_information, pair_table
from infonoise_vision.models.conditions import Condition, make_condition
from infonoise_vision.sampling.options import Guiding
from infonoise_vision.sampling.trained import ImageRun


@dataclass(frozen=True)
class Completion:
    """What is known of images, and how the rest is drawn; nothing where images are free."""

    kind: str | None
    condition: Condition | None
    method: str


@dataclass(frozen=True)
class Judges:
    """Networks whose features are compared, as far as they are wanted and can be had."""

    classifier: Classifier | None
    inception: Inception | None


def evaluate(run: ImageRun, parts: Parts, command: EvaluateOptions) -> Evaluated:
    """Measure a run on as many generated as real images, and its bound on held-out ones.

    Args:
        command: Its options are `EvaluateExtras`.
    """
    images, held_out = parts.both
    extras: EvaluateExtras = command.options
    completion = _completion(run, extras, command.sampler)
    inception = _inception(run, extras)
    chosen = plan(
        images, held_out, command.samples, command.sampler.seed,
        against=cast(Split, command.split), completing=completion.condition is not None,
    )  # fmt: skip
    notes = [*chosen.notes, *_left_out(run, extras, images, held_out)]
    wanted = extras.classifier and images.labels is not None and has_metrics()
    classifier = (
        trained_classifier(images, cache_folder(extras.cache), run.device) if wanted else None
    )
    bound = _bound(run, extras, images, held_out)
    drawn = _draw(run, command.sampler, chosen, completion)
    rows = _drawn_rows(run, drawn, Judges(classifier, inception))
    rows += nearest_rows(drawn.generated, parts) if extras.nearest else []
    how = {k: v for k, v in asdict(command.sampler).items() if k != "device"}
    settings: dict[str, Any] = {
        "images": drawn.n,
        "split": drawn.against,
        "condition": completion.kind,
        "method": completion.method if extras.complete else None,
        "sampler": {**how, "nfe": drawn.nfe},
    }
    if extras.guiding != Guiding():
        settings["guiding"] = asdict(extras.guiding)
    generated = Table("generated", "generated images", (VALUE, REAL), rows, settings)
    tables = [bound, generated]
    if run.objective.condition == "pair":
        tables.append(_pairs(run, parts, chosen, drawn, command, classifier))
    return Evaluated(tables, notes=notes)


def check_cache(folder: Path | None) -> None:
    """InputError where trained classifiers cannot be kept in the folder of --cache."""
    cache = cache_folder(folder)
    blocking = next((path for path in (cache, *cache.parents) if path.is_file()), None)
    if blocking is not None:
        raise InputError(f"--cache {cache}: {blocking} is a file; give a folder")


def _completion(run: ImageRun, extras: EvaluateExtras, sampler: SamplerConfig) -> Completion:
    """As the run was trained, or as --complete says of one without condition."""
    # Of a sampler that this run cannot have, before anything is measured.
    run.sampling(sampler)
    own = run.objective.condition
    if own is not None and extras.complete is not None:
        raise InputError(
            f"--complete {extras.complete}: {run.path} was trained with --condition {own}; leave"
            " it out"
        )
    if extras.complete is None:
        run.guided_denoiser(sampler.guidance, sampler.seed, run.null())
        return Completion(own, run.condition(), "trained")
    condition = make_condition(extras.complete, run.shape, run.objective.factor, len(run.classes))
    method = extras.method or "ddnm"
    run.completing(method, condition, sampler)
    return Completion(extras.complete, condition, method)


def _inception(run: ImageRun, extras: EvaluateExtras) -> Inception | None:
    if extras.inception_weights is None:
        return None
    return Inception(extras.inception_weights, run.shape[0], run.device)


def _left_out(
    run: ImageRun, extras: EvaluateExtras, images: ImageSet, held_out: ImageSet
) -> list[str]:
    """What is not measured and why, a line each."""
    lines = []
    if extras.bound_images > max(LIMIT, len(held_out)):
        lines.append(
            f"--bound-images {extras.bound_images}: the bound is that of all {len(held_out)}"
            " held-out images"
        )
    if _lacks_classes(run, held_out):
        lines.append("held-out images have no classes, which the run needs: no bits_per_dim")
    if extras.classifier and images.labels is None:
        lines.append("the images have no classes: no measures in features of a classifier")
    elif extras.classifier and not has_metrics():
        lines.append(f"no fd_clf and kid_clf, which need torchmetrics: {NEED}")
    return lines


def _lacks_classes(run: ImageRun, held_out: ImageSet) -> bool:
    needed = run.objective.conditional or run.objective.condition == "label"
    return needed and held_out.labels is None


def _bound(run: ImageRun, extras: EvaluateExtras, images: ImageSet, held_out: ImageSet) -> Table:
    """The bound that training reports as it goes, on as many held-out images as --bound-images."""
    objective, part = run.objective, fixed_part(held_out, extras.bound_images)
    rows = []
    if not _lacks_classes(run, held_out):
        bits = bound_of_many(part, images, *objective.span, run.denoiser, run.conditioning)
        what = f"Upper bound on the negative log-likelihood of {len(part)} held-out images."
        name = f"bits_per_dim_{count(len(part))}"
        rows = [row(name, bits.value, None, bits.stderr, "lower", what)]
    settings = {"images": len(part)}
    return Table("bound", "likelihood", (VALUE, REAL), rows, settings)


def _draw(run: ImageRun, sampler: SamplerConfig, chosen: Plan, completion: Completion) -> Drawn:
    with progress(len(chosen.rows), "generate") as reporter:
        return draw_plan(
            run, chosen, sampler, reporter,
            condition=completion.condition, method=completion.method, rounded=True,
        )  # fmt: skip


def _pairs(
    run: ImageRun,
    parts: Parts,
    chosen: Plan,
    first: Drawn,
    command: EvaluateOptions,
    classifier: Classifier | None,
) -> Table:
    """Of a run that draws images from their pairs: several of each, and what pairs say of them."""
    extras: EvaluateExtras = command.options
    information = None
    if "withheld" in (null := run.null()):
        part = fixed_part(parts.held_out, extras.bound_images)
        hidden = {"withheld": null["withheld"]}
        information = pair_information(
            run.denoiser, part, parts.train, run.objective.span, run.conditioning, hidden
        )
    with progress(min(PAIRED, first.n) * (extras.best_of - 1), "draw again") as reporter:
        drawn, truth = drawn_again(run, chosen, first, command.sampler, extras.best_of, reporter)
    return pair_table(
        drawn, truth, information, None if classifier is None else classifier.features_of
    )


def _drawn_rows(run: ImageRun, drawn: Drawn, judges: Judges) -> list[Row]:
    rows = [*energy_rows(drawn, run.device), *pixel_rows(drawn)]
    if judges.classifier is not None:
        rows += classifier_rows(drawn, judges.classifier)
    if judges.inception is not None:
        rows += inception_rows(drawn, judges.inception)
    return rows
