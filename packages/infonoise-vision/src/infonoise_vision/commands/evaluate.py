"""`infonoise-vision evaluate`: a table of measures, each beside what real images give."""

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.errors import InputError
from infonoise_core.files import write_json
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.progress import progress
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import LIMIT, bound_of_many, fixed_part
from infonoise_vision.evaluation.classifier import Classifier, cache_folder, trained_classifier
from infonoise_vision.evaluation.fid import NEED, Inception, has_metrics
from infonoise_vision.evaluation.generated import Drawn, Plan, Reference, count, draw_plan, plan
from infonoise_vision.evaluation.measures import (
    Row,
    classifier_rows,
    energy_rows,
    inception_rows,
    pixel_rows,
    refuse_few,
)
from infonoise_vision.models.conditions import Condition, make_condition
from infonoise_vision.sampling.trained import TrainedRun, open_trained

EVALUATION_FILE = "evaluation.json"
FORMAT, VERSION = "infonoise-vision evaluation", 2


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained run on the images it did not see."""

    run: Positional[Path]
    """the --out of a train command"""
    data: str | None = None
    """the images, if they have moved since training"""
    samples: int = 256
    """generated images, and real ones that they are compared with"""
    reference: Reference = "held-out"
    """the real ones: held-out images, or those of training as in published FIDs; completed images
    are always compared with those of training"""
    bound_images: int = LIMIT
    """held-out images of the likelihood bound"""
    classifier: bool = True
    """distances in features of a classifier, which is trained on the training images"""
    inception_weights: Path | None = None
    """FID and the like: the file with the weights of its Inception network"""
    complete: str | None = None
    """of a run without --condition: hidden-half, hidden-box or superres, to be completed"""
    method: str | None = None
    """--complete: ddnm or replace; left out, ddnm"""
    cache: Path | None = None
    """folder of trained classifiers (else INFONOISE_CACHE, or .cache/infonoise in the home)"""
    out: Path | None = None
    """JSON file to write, in place of evaluation.json in the run, which is replaced"""
    overwrite: bool = False
    """replace the file --out"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )


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


def run_evaluate(config: Evaluate) -> None:
    """Print the table and write it as JSON."""
    refuse_few(config.samples)
    if config.bound_images < 2:
        raise InputError(f"--bound-images {config.bound_images}: a bound needs at least 2")
    out = _out(config)
    cache = _cache(config)
    run = open_trained(config.run, config.sampler.device)
    completion = _completion(run, config)
    inception = _inception(run, config)
    images, held_out = run.images(config.data)
    chosen = plan(
        images, held_out, config.samples, config.sampler.seed,
        against=config.reference, completing=completion.condition is not None,
    )  # fmt: skip
    for note in (*chosen.notes, *_left_out(run, config, images, held_out)):
        print(note, file=sys.stderr)
    wanted = config.classifier and images.labels is not None and has_metrics()
    judges = Judges(trained_classifier(images, cache, run.device) if wanted else None, inception)
    bound = _bound_rows(run, config, images, held_out)
    drawn = _draw(run, config, chosen, completion)
    rows = _drawn_rows(run, drawn, judges)
    write_json(out, _record(run, config, completion, drawn, bound, rows))
    print("\n".join(table([*bound, *rows])))
    print(f"{out}: written")


def _out(config: Evaluate) -> Path:
    """Where to write.

    To measure a run anew replaces what was found before; a file of the user's is another matter.
    """
    if config.out is None:
        return config.run / EVALUATION_FILE
    if config.out.is_dir():
        raise InputError(f"--out {config.out} is a folder: give a file name")
    if config.out.exists() and not config.overwrite:
        raise InputError(f"--out {config.out} exists: give another name or --overwrite")
    return config.out


def _cache(config: Evaluate) -> Path:
    cache = cache_folder(config.cache)
    blocking = next((path for path in (cache, *cache.parents) if path.is_file()), None)
    if config.classifier and blocking is not None:
        raise InputError(f"--cache {cache}: {blocking} is a file; give a folder")
    return cache


def _completion(run: TrainedRun, config: Evaluate) -> Completion:
    """As the run was trained, or as --complete says of one without condition."""
    # Of a sampler that this run cannot have, before anything is measured.
    run.sampling(config.sampler)
    own = run.objective.condition
    if own is not None and config.complete is not None:
        raise InputError(
            f"--complete {config.complete}: {run.path} was trained with --condition {own}; leave"
            " it out"
        )
    if config.method is not None and config.complete is None:
        raise InputError(f"--method {config.method}: says how to --complete; give that as well")
    if config.complete is None:
        run.guided_denoiser(config.sampler.guidance, config.sampler.seed, run.null())
        return Completion(own, run.condition(), "trained")
    if config.complete == "label":
        raise InputError("--complete label: a class cannot be completed from; train with it")
    condition = make_condition(config.complete, run.shape, run.objective.factor, len(run.classes))
    method = config.method or "ddnm"
    run.completing(method, condition, config.sampler)
    return Completion(config.complete, condition, method)


def _inception(run: TrainedRun, config: Evaluate) -> Inception | None:
    if config.inception_weights is None:
        return None
    return Inception(config.inception_weights, run.shape[0], run.device)


def _left_out(run: TrainedRun, config: Evaluate, images: ImageSet, held_out: ImageSet) -> list[str]:
    """What is not measured and why, a line each."""
    lines = []
    if config.bound_images > max(LIMIT, len(held_out)):
        lines.append(
            f"--bound-images {config.bound_images}: the bound is that of all {len(held_out)}"
            " held-out images"
        )
    if _lacks_classes(run, held_out):
        lines.append("held-out images have no classes, which the run needs: no bits_per_dim")
    if config.classifier and images.labels is None:
        lines.append("the images have no classes: no measures in features of a classifier")
    elif config.classifier and not has_metrics():
        lines.append(f"no fd_clf and kid_clf, which need torchmetrics: {NEED}")
    return lines


def _lacks_classes(run: TrainedRun, held_out: ImageSet) -> bool:
    needed = run.objective.conditional or run.objective.condition == "label"
    return needed and held_out.labels is None


def _bound_rows(
    run: TrainedRun, config: Evaluate, images: ImageSet, held_out: ImageSet
) -> list[Row]:
    """The bound that training reports as it goes, on as many held-out images as --bound-images."""
    if _lacks_classes(run, held_out):
        return []
    objective, part = run.objective, fixed_part(held_out, config.bound_images)
    bits = bound_of_many(
        part, images, objective.sigma_min, objective.sigma_max, run.denoiser, run.conditioning
    )
    what = f"Upper bound on the negative log-likelihood of {len(part)} held-out images."
    return [
        Row(f"bits_per_dim_{count(len(part))}", bits.value, None, bits.stderr, "lower", what),
    ]


def _draw(run: TrainedRun, config: Evaluate, chosen: Plan, completion: Completion) -> Drawn:
    with progress(len(chosen.rows), "generate") as reporter:
        return draw_plan(
            run, chosen, config.sampler, reporter,
            condition=completion.condition, method=completion.method, rounded=True,
        )  # fmt: skip


def _drawn_rows(run: TrainedRun, drawn: Drawn, judges: Judges) -> list[Row]:
    rows = [*energy_rows(drawn, run.device), *pixel_rows(drawn)]
    if judges.classifier is not None:
        rows += classifier_rows(drawn, judges.classifier)
    if judges.inception is not None:
        rows += inception_rows(drawn, judges.inception)
    return rows


def table(rows: list[Row]) -> list[str]:
    """Name, value, error, and what real images give, in columns."""
    width = max(len("measure"), *(len(row.name) for row in rows))
    lines = [f"{'measure':{width}}  {'value':>19}  {'real to real':>12}  better"]
    for row in rows:
        value = f"{row.value:.4f}" + (f" ± {row.stderr:.4f}" if row.stderr is not None else "")
        floor = "-" if row.floor is None else f"{row.floor:.4f}"
        lines.append(f"{row.name:{width}}  {value:>19}  {floor:>12}  {row.better}")
    return lines


def _record(
    run: TrainedRun,
    config: Evaluate,
    completion: Completion,
    drawn: Drawn,
    bound: Sequence[Row],
    rows: Sequence[Row],
) -> dict[str, Any]:
    """settings of a measure: the key of what it was found with, `bound` or `drawn`."""
    sampler = {k: v for k, v in asdict(config.sampler).items() if k != "device"}
    return {
        "format": FORMAT,
        "version": VERSION,
        "images": run.settings["images"],
        "step": run.step,
        "bound": {"images": min(config.bound_images, run.settings["images"]["held_out"])},
        "drawn": {
            "images": drawn.n,
            "reference": drawn.against,
            "condition": completion.kind,
            "method": completion.method if config.complete else None,
            "sampler": {**sampler, "nfe": drawn.nfe},
        },
        "measures": [
            *(_measure(row, "bound") for row in bound),
            *(_measure(row, "drawn") for row in rows),
        ],
    }


def _measure(row: Row, settings: str) -> dict[str, Any]:
    values = {
        k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(row).items()
    }
    return {**values, "settings": settings}
