"""`infonoise-vision evaluate`: a table of measures, each beside what real images give."""

import math
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes, Positional

from infonoise_core.errors import InputError
from infonoise_core.training.config import write_json
from infonoise_core.training.progress import progress
from infonoise_core.training.sampling import SamplerConfig
from infonoise_vision.assess import (
    Drawn,
    Row,
    classifier_rows,
    draw,
    inception_rows,
    pixel_rows,
    refuse_few,
)
from infonoise_vision.classifier import cache_folder, trained_classifier
from infonoise_vision.conditions import Condition, make_condition
from infonoise_vision.data import ImageSet
from infonoise_vision.evaluate import ImageEvaluation
from infonoise_vision.fidelity import NEED, has_metrics, inception_features
from infonoise_vision.trained import TrainedRun, open_trained

EVALUATION_FILE = "evaluation.json"
FORMAT, VERSION = "infonoise-vision evaluation", 1


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained run on the images it did not see."""

    run: Positional[Path]
    """the --out of a train command"""
    data: str | None = None
    """the images, if they have moved since training"""
    samples: int = 256
    """generated and held-out images of the distances"""
    classifier: bool = True
    """distances in features of a classifier, which is trained on the training images"""
    inception_weights: Path | None = None
    """FID and the like: the file with the weights of its Inception network"""
    complete: str | None = None
    """of a run without --condition: hidden-half, hidden-box or superres, to be completed"""
    method: str = "ddnm"
    """--complete: ddnm or replace"""
    cache: Path | None = None
    """folder of trained classifiers (else INFONOISE_CACHE, or .cache/infonoise in the home)"""
    out: Path | None = None
    """JSON file to write, in place of evaluation.json in the run"""
    sampler: OmitArgPrefixes[SamplerConfig] = field(
        default_factory=lambda: SamplerConfig(grid="karras")
    )


def run_evaluate(config: Evaluate) -> None:
    """Print the table and write it as JSON."""
    refuse_few(config.samples)
    out = config.out or config.run / EVALUATION_FILE
    if out.is_dir():
        raise InputError(f"--out {out} is a folder: give a file name")
    run = open_trained(config.run, config.sampler.device)
    condition, method = _completion(run, config)
    images, held_out = run.images(config.data)
    evaluation = run.objective.evaluation(images, held_out, config.samples)
    rows = _trained_measures(evaluation, run)
    notes: list[str] = []
    nfe = None
    if _draws(config, condition, images, notes):
        with progress(config.samples, "generate") as reporter:
            drawn = draw(
                run, images, held_out, config.samples, config.sampler, reporter,
                condition=condition, method=method,
            )  # fmt: skip
        nfe = drawn.nfe
        rows += _drawn_measures(run, config, images, drawn)
    write_json(out, _record(run, config, rows, nfe))
    print("\n".join(table(rows)))
    for note in notes:
        print(note, file=sys.stderr)
    print(f"{out}: written")


def _completion(run: TrainedRun, config: Evaluate) -> tuple[Condition | None, str]:
    """What is completed, and how: as the run was trained, or as asked of one without condition."""
    if run.objective.condition is not None:
        if config.complete is not None:
            raise InputError(
                f"--complete {config.complete}: {run.path} was trained with --condition"
                f" {run.objective.condition}; leave it out"
            )
        return run.condition(), "trained"
    if config.complete is None:
        return None, config.method
    if config.complete == "label":
        raise InputError("--complete label: a class cannot be completed from; train with it")
    condition = make_condition(config.complete, run.shape, run.objective.factor, len(run.classes))
    run.completing(config.method, condition, config.sampler)
    return condition, config.method


def _draws(
    config: Evaluate, condition: Condition | None, images: ImageSet, notes: list[str]
) -> bool:
    """Whether any measure wants images drawn; notes what is left out and why."""
    if config.classifier and images.labels is None:
        notes.append("the images have no classes: no measures in features of a classifier")
    elif config.classifier and not has_metrics():
        notes.append(f"no fd_clf and kid_clf, which need torchmetrics: {NEED}")
    by_classifier = config.classifier and images.labels is not None and has_metrics()
    return by_classifier or config.inception_weights is not None or condition is not None


def _trained_measures(evaluation: ImageEvaluation, run: TrainedRun) -> list[Row]:
    """The measures that training tells as it goes."""
    values = evaluation(run.denoiser)
    return [
        Row(
            m.name, values[m.name], evaluation.floors.get(m.name), values.get(f"{m.name}_stderr"),
            "lower", m.explanation,
        )
        for m in evaluation.measures()
    ]  # fmt: skip


def _drawn_measures(run: TrainedRun, config: Evaluate, images: ImageSet, drawn: Drawn) -> list[Row]:
    rows = pixel_rows(drawn)
    if config.classifier and images.labels is not None and has_metrics():
        cache = cache_folder(config.cache)
        if cache.exists() and not cache.is_dir():
            raise InputError(f"--cache {cache} is a file: give a folder")
        rows += classifier_rows(drawn, trained_classifier(images, cache, run.device))
    if config.inception_weights is not None:
        features = partial(inception_features, config.inception_weights, device=run.device)
        rows += inception_rows(drawn, lambda x: features(x=x))
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


def _record(run: TrainedRun, config: Evaluate, rows: list[Row], nfe: int | None) -> dict[str, Any]:
    sampler = {k: v for k, v in asdict(config.sampler).items() if k not in ("device", "chunk")}
    return {
        "format": FORMAT,
        "version": VERSION,
        "images": run.settings["images"],
        "step": run.step,
        "condition": config.complete or run.objective.condition,
        "method": config.method if config.complete else None,
        "sampler": {**sampler, "nfe": nfe},
        "measures": [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(r).items()}
            for r in rows
        ],
    }
