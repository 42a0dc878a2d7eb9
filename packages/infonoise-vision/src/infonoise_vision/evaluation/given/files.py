"""`evaluate FOLDER --against DATA`: images that lie in files, measured as those of a run are."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from infonoise_core.app.options import EvaluateOptions, LeftOut
from infonoise_core.errors import InputError
from infonoise_core.evaluation.schema import Evaluated, Row, Table
from infonoise_core.files import check_output
from infonoise_core.folders.names import CONFIG_FILE
from infonoise_core.training.engines.ranks import pick_device
from infonoise_vision.data.cache import cache_folder
from infonoise_vision.data.images import ImageSet, Parts, load_images, load_parts
from infonoise_vision.data.options import Reading
from infonoise_vision.evaluation.classifier import trained_classifier
from infonoise_vision.evaluation.fid import (
    NEED,
    Inception,
    frechet_of_moments,
    has_metrics,
    moments,
)
from infonoise_vision.evaluation.generated import (
    WORDS,
    Drawn,
    Split,
    count,
    features,
    features_of_both,
    plan,
)
from infonoise_vision.evaluation.given.reference import (
    Both,
    Reference,
    holds,
    read_moments,
    read_reference,
    save_reference,
)
from infonoise_vision.evaluation.measures import (
    CLASSIFIER,
    INCEPTION,
    REAL,
    VALUE,
    classifier_rows,
    energy_rows,
    inception_rows,
    row,
)
from infonoise_vision.evaluation.nearest import nearest_rows
from infonoise_vision.evaluation.options import EvaluateExtras
from infonoise_vision.evaluation.tables import check_cache


def check_command(command: EvaluateOptions) -> None:
    """InputError for too few samples, for a folder of classifiers that is none, and for no run.

    So for options that say nothing of images in files, and for a run among these.
    """
    if command.samples < 2:
        raise InputError(f"--samples {command.samples}: a distance needs at least 2")
    if command.options.classifier:
        check_cache(command.options.cache)
    if command.options.against is not None:
        _check_files(command)
    elif not (command.run / CONFIG_FILE).is_file():
        raise InputError(
            f"{command.run}: no run here ({CONFIG_FILE} is missing); give the --out of a train"
            " command, or for images the real ones, --against DATA"
        )


def _check_files(command: EvaluateOptions) -> None:
    extras: EvaluateExtras = command.options
    for option, given in (
        ("--data", command.data), ("--checkpoint", command.checkpoint),
        ("--complete", extras.complete),
    ):  # fmt: skip
        if given is not None:
            raise InputError(f"{option}: is for runs; with --against leave it out")
    if (command.run / CONFIG_FILE).is_file():
        raise InputError(
            f"{command.run}: is a run, which --against does not measure; leave that out, or give"
            " images that sample drew"
        )
    if extras.save_reference is not None:
        check_output(extras.save_reference, command.overwrite)


def evaluate_files(command: EvaluateOptions) -> Evaluated:
    """Measure images of a folder or an archive against real ones.

    All are compared, as far as there are as many real ones, unless --samples says fewer.

    Args:
        command: Its options are `EvaluateExtras`, with `against`.
    """
    most = None if isinstance(command.samples, LeftOut) else command.samples
    extras: EvaluateExtras = command.options
    given = replace(load_images(command.run), labels=None, classes=())
    device, source = pick_device(command.sampler.device), str(extras.against)
    inception = None
    if extras.inception_weights is not None:
        inception = Inception(extras.inception_weights, given.shape[0], device)
    if most is not None and most < len(given):
        given = _some(given, most, command.sampler.seed)
    kind = holds(Path(source))
    if kind == "moments":
        return _against_moments(given, inception, Path(source))
    notes: list[str] = []
    near: list[Row] = []
    if kind == "reference":
        reference = read_reference(Path(source), device)
        _refuse_unlike(given, reference.images, command.run)
        _refuse_other_range(given, reference.images, command.run)
        if extras.nearest:
            raise InputError(f"--nearest: {source} holds no training images; give the real ones")
    else:
        parts = _real(given, command)
        reference = _of_data(given, parts, command, device, notes)
        near = nearest_rows(given, parts) if extras.nearest else []
    n = min(len(given), len(reference.images))
    if n < len(given):
        notes.append(_fewer(n, len(given), reference))
    if n < len(reference.images):
        reference = reference.take(_rows(len(reference.images), n, command.sampler.seed))
    if inception is not None and INCEPTION not in reference.known:
        found = features_of_both(reference.images, reference.other, inception)
        reference = replace(reference, known={**reference.known, INCEPTION: found})
    if extras.save_reference is not None:
        save_reference(extras.save_reference, reference)
        notes.append(f"{extras.save_reference}: {n} real images, to be given as --against")
    rows = _measured(_some(given, n, command.sampler.seed), reference, inception, device) + near
    settings = {"images": n, "split": reference.against, "against": source}
    return Evaluated([_table(rows, settings)], notes=notes)


def _measured(
    given: ImageSet, reference: Reference, inception: Inception | None, device: torch.device
) -> list[Row]:
    drawn = Drawn(
        given, reference.images, reference.other, 0, against=reference.against,
        known=reference.known,
    )  # fmt: skip
    rows = energy_rows(drawn, device)
    if reference.classifier is not None and has_metrics():
        rows += classifier_rows(drawn, reference.classifier)
    return rows + (inception_rows(drawn, inception) if inception is not None else [])


def _real(given: ImageSet, command: EvaluateOptions) -> Parts:
    """Real images, brought to the size of the others."""
    extras: EvaluateExtras = command.options
    height, width = given.shape[1:]
    reading = Reading(height if height == width else None, binarize=extras.binarize)
    parts = load_parts(extras.against, reading)
    _refuse_unlike(given, parts.train, command.run)
    _refuse_other_range(given, parts.train, command.run)
    return parts


def _of_data(
    given: ImageSet,
    parts: Parts,
    command: EvaluateOptions,
    device: torch.device,
    notes: list[str],
) -> Reference:
    """As many real images as there are others, and a classifier of those of training."""
    extras: EvaluateExtras = command.options
    chosen = plan(
        parts.train, parts.held_out, len(given), command.sampler.seed,
        against=cast(Split, command.split),
    )  # fmt: skip
    notes += [note for note in chosen.notes if not note.startswith("--samples")]
    classifier, known = None, dict[str, Both]()
    if extras.classifier and (why := _no_classifier(parts)):
        notes.append(why)
    elif extras.classifier:
        classifier = trained_classifier(parts.train, cache_folder(extras.cache), device)
        of = classifier.features_of
        known[CLASSIFIER] = features_of_both(chosen.reference, chosen.other, of)
    return Reference(chosen.reference, chosen.other, chosen.against, classifier, known)


def _no_classifier(parts: Parts) -> str:
    if parts.train.labels is None:
        return "the real images have no classes: no measures in features of a classifier"
    return "" if has_metrics() else f"no fd_clf and kid_clf, which need torchmetrics: {NEED}"


def _against_moments(given: ImageSet, inception: Inception | None, path: Path) -> Evaluated:
    """FID alone, from the mean and covariance that others have published."""
    if inception is None:
        raise InputError(
            f"{path}: holds mean and covariance of Inception features alone; give"
            " --inception-weights as well, or real images"
        )
    mean, covariance = read_moments(path)
    own = moments(features(given, inception))
    if own[0].shape != mean.shape:
        raise InputError(f"{path}: has {len(mean)} features, and Inception {len(own[0])}")
    words = f"Fréchet distance of {len(given)} images from the statistics in {path.name}."
    value = frechet_of_moments(own, (mean, covariance))
    rows = [row(f"fid_{INCEPTION}_{count(len(given))}", value, None, None, "lower", words)]
    return Evaluated([_table(rows, {"images": len(given), "against": str(path)})])


def _table(rows: list[Row], settings: dict[str, int | str]) -> Table:
    return Table("generated", "given images", (VALUE, REAL), rows, settings)


def _refuse_unlike(given: ImageSet, real: ImageSet, path: Path) -> None:
    if given.shape != real.shape:
        theirs, own = ("x".join(map(str, one.shape)) for one in (real, given))
        raise InputError(
            f"{path}: images of {own}, and real ones of {theirs} (channels, height, width); give"
            " images of one shape"
        )


def _refuse_other_range(given: ImageSet, real: ImageSet, path: Path) -> None:
    """InputError for real numbers of 0..1 beside bytes, which are compared as -1..1."""
    if given.levels is None and real.levels is not None and float(given.pixels.min()) >= 0:
        raise InputError(
            f"{path}: holds real numbers of 0 and more, and the real images are whole numbers,"
            " compared as -1..1; store 2 x - 1, or bytes"
        )


def _fewer(n: int, given: int, reference: Reference) -> str:
    return (
        f"{n} of {given} images are compared, as many as there are {WORDS[reference.against]}"
        f" images of {reference.images.name}"
    )


def _some(images: ImageSet, n: int, seed: int) -> ImageSet:
    return images if n == len(images) else images.take(_rows(len(images), n, seed))


def _rows(total: int, n: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(total)[:n])
