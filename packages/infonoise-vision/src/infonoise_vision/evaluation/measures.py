"""What `evaluate` reports of a run, on as many generated as real images.

Each measure stands beside what two sets of real images give, and has the number of images in its
name.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from infonoise_core.evaluation.schema import Better, Row
from infonoise_vision.data.formats.source import CHUNK
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.classifier import Classifier
from infonoise_vision.evaluation.energy import energy_of_sets
from infonoise_vision.evaluation.fid import frechet_distance, kernel_distance, precision_recall
from infonoise_vision.evaluation.generated import (
    WORDS,
    Drawn,
    features,
    features_of_both,
    in_parts,
)

VALUE, REAL = "value", "real to real"
# Kinds of features, as names of measures have them.
CLASSIFIER, INCEPTION = "clf", "inception"


def row(
    name: str,
    value: float,
    real: float | None,
    stderr: float | None,
    better: Better,
    explanation: str,
) -> Row:
    """A measure of a run.

    Args:
        real: Between real and real (for an accuracy, on the true images), None where there is
            none.
        stderr: Of the value, None where it is not known.
    """
    errors = {} if stderr is None else {VALUE: stderr}
    return Row(name, {VALUE: value, REAL: real}, errors, better, explanation)


def classifier_rows(drawn: Drawn, classifier: Classifier) -> list[Row]:
    """Distances in features of a classifier of the data, and its accuracy on completed images."""
    name = "a classifier of the training images"
    rows = _distances(CLASSIFIER, "fd", drawn, classifier.features_of, name)
    if drawn.label is not None and drawn.truth is not None:
        rows.append(
            row(
                f"accuracy_completed_{drawn.tag}",
                _accuracy(classifier, drawn.generated, drawn.label),
                _accuracy(classifier, drawn.truth, drawn.label), None, "higher",
                "Completed images that the classifier takes for what they were; beside it, of the"
                " images as they were.",
            )
        )  # fmt: skip
    return rows


def inception_rows(drawn: Drawn, of: Callable[[Tensor], Tensor]) -> list[Row]:
    """FID, KID, precision and recall in Inception features.

    Args:
        of: Images (n, c, h, w) in [-1, 1] -> (n, d), those of `fidelity.Inception`.
    """
    return _distances(INCEPTION, "fid", drawn, of, "FID's Inception network")


def energy_rows(drawn: Drawn, device: torch.device) -> list[Row]:
    """The energy distance in pixels.

    Args:
        device: Where it is computed.
    """
    generated, reference, other = drawn.generated, drawn.reference, drawn.other
    return [
        row(
            f"energy_{drawn.tag}", energy_of_sets(generated, reference, device),
            None if other is None else energy_of_sets(other, reference, device), None, "lower",
            f"Energy distance in pixel space {_between(drawn)}.",
        )
    ]  # fmt: skip


def pixel_rows(drawn: Drawn) -> list[Row]:
    """Of completed images: how far hidden pixels are from what they were."""
    if drawn.truth is None or drawn.hidden is None:
        return []
    square = number = 0.0
    parts = (in_parts(drawn.generated), in_parts(drawn.truth), torch.split(drawn.hidden, CHUNK))
    for generated, truth, hidden in zip(*parts, strict=True):
        square += float(((generated - truth).square() * hidden).sum(dtype=torch.float64))
        number += float(hidden.sum()) * truth.shape[1]
    return [
        row(
            f"rmse_hidden_{drawn.tag}", (square / number) ** 0.5, None, None, "lower",
            "Root mean square error of hidden pixels, on a scale from -1 to 1. A draw from the true"
            " posterior has 1.41 times that of its mean.",
        )
    ]  # fmt: skip


def _accuracy(classifier: Classifier, images: ImageSet, label: Tensor) -> float:
    parts = zip(in_parts(images), torch.split(label, CHUNK), strict=True)
    return sum(classifier.accuracy(x, true) * len(x) for x, true in parts) / len(images)


def _distances(
    kind: str, frechet: str, drawn: Drawn, of: Callable[[Tensor], Tensor], whose: str
) -> list[Row]:
    n, generated = drawn.tag, features(drawn.generated, of)
    reference, other = drawn.known.get(kind) or features_of_both(drawn.reference, drawn.other, of)
    kid, error = kernel_distance(reference, generated)
    precision, recall = precision_recall(reference, generated)
    floors = (None, None) if other is None else precision_recall(reference, other)
    many = f"{_between(drawn)}, in features of {whose}."
    return [
        row(
            f"{frechet}_{kind}_{n}", frechet_distance(reference, generated),
            None if other is None else frechet_distance(reference, other), None, "lower",
            f"Fréchet distance {many}",
        ),
        row(
            f"kid_{kind}_{n}", kid,
            None if other is None else kernel_distance(reference, other)[0], error, "lower",
            f"Kernel distance {many}",
        ),
        row(
            f"precision_{kind}_{n}", precision, floors[0], None, "higher",
            f"Share of generated images that lie among the real ones; {many}",
        ),
        row(
            f"recall_{kind}_{n}", recall, floors[1], None, "higher",
            f"Share of real images that lie among the generated ones; {many}",
        ),
    ]  # fmt: skip


def _between(drawn: Drawn) -> str:
    return f"between {drawn.n} generated and as many {WORDS[drawn.against]} images"
