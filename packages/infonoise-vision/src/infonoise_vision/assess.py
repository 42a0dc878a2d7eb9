"""What `evaluate` tells of a run: measures on as many generated as real images, each with what two
sets of real images give, and with the number of images in its name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from infonoise_core.denoiser import Denoiser
from infonoise_core.errors import InputError
from infonoise_core.training.progress import Reporter
from infonoise_core.training.sampling import SamplerConfig
from infonoise_vision.classifier import Classifier
from infonoise_vision.conditions import Condition
from infonoise_vision.data import ImageSet
from infonoise_vision.fidelity import frechet_distance, kernel_distance, precision_recall
from infonoise_vision.trained import TrainedRun


@dataclass(frozen=True)
class Row:
    """A measure of a run.

    floor: between real and real (for an accuracy, on the true images), None where there is none.
    better: lower or higher.
    """

    name: str
    value: float
    floor: float | None
    stderr: float | None
    better: str
    explanation: str


@dataclass(frozen=True)
class Drawn:
    """Images between -1 and 1, (n, c, h, w) each.

    generated: by the run.  reference: real ones it is compared with.  other: further real ones, for
    the floor.  truth, hidden: of completed images, what they were, and 1 at pixels that were not
    known; else None.  label: (n,) true classes of completed images.
    """

    generated: Tensor
    reference: Tensor
    other: Tensor
    nfe: int
    truth: Tensor | None = None
    hidden: Tensor | None = None
    label: Tensor | None = None

    @property
    def n(self) -> int:
        """How many images were generated."""
        return len(self.generated)


def draw(
    run: TrainedRun,
    images: ImageSet,
    held_out: ImageSet,
    samples: int,
    config: SamplerConfig,
    reporter: Reporter,
    *,
    condition: Condition | None = None,
    method: str = "trained",
) -> Drawn:
    """Generate as many images as there are real ones to compare with, at most `samples`.

    A run with classes gets the true classes of held-out images. With a `condition` held-out images
    are completed, and compared with training images: with themselves they would share what is
    known.
    """
    n = min(samples, len(images), len(held_out))
    rng = np.random.default_rng(config.seed)
    rows = np.sort(rng.permutation(len(held_out))[:n])
    chosen = np.sort(rng.permutation(len(images))[:n])
    real = held_out.x0(rows) / held_out.scale
    other = images.x0(chosen) / images.scale
    told, denoiser = _told(run, held_out, rows, config, condition, method)
    sampling = run.sampling(config)
    parts = list(
        sampling.chunks(
            denoiser, run.shape, n, told, run.device, lambda done, _: reporter.advance(done)
        )
    )
    generated = torch.cat([part.x for part in parts]) / images.scale
    if images.levels is not None:
        # As a picture would be saved.
        generated = generated.clamp(-1, 1)
    if condition is None:
        return Drawn(generated, real, other, parts[-1].nfe)
    label = None if held_out.labels is None else torch.from_numpy(held_out.labels[rows])
    hidden = 1 - told["known"] if "known" in told else torch.ones(n, 1, *run.shape[1:])
    return Drawn(generated, other, real, parts[-1].nfe, real, hidden, label)


def _told(
    run: TrainedRun,
    held_out: ImageSet,
    rows: np.ndarray,
    config: SamplerConfig,
    condition: Condition | None,
    method: str,
) -> tuple[dict[str, Tensor], Denoiser]:
    told = run.objective.context(held_out, rows, config.seed)
    if condition is None:
        return told, run.steered(config.guidance, config.seed, run.null())
    if run.objective.condition is None:
        label = None if held_out.labels is None else torch.from_numpy(held_out.labels[rows])
        rng = torch.Generator().manual_seed(config.seed)
        told |= condition.observe(held_out.x0(rows), label, rng)
    return told, run.completing(method, condition, config)


def classifier_rows(drawn: Drawn, classifier: Classifier) -> list[Row]:
    """Distances in the features of a classifier trained on the data, and how it takes completed
    images.
    """
    name = "a classifier of the training images"
    rows = _distances("clf", "fd", drawn, classifier.features_of, name)
    if drawn.label is not None and drawn.truth is not None:
        rows.append(
            Row(
                f"accuracy_completed_{count(drawn.n)}",
                classifier.accuracy(drawn.generated, drawn.label),
                classifier.accuracy(drawn.truth, drawn.label), None, "higher",
                "Completed images that the classifier takes for what they were; beside it, of the"
                " images as they were.",
            )
        )  # fmt: skip
    return rows


def inception_rows(drawn: Drawn, features: Callable[[Tensor], Tensor]) -> list[Row]:
    """FID, KID, precision and recall in Inception features.

    features: images (n, c, h, w) in [-1, 1] -> (n, d): those of
    `fidelity.inception_features`.
    """
    return _distances("inception", "fid", drawn, features, "FID's Inception network")


def pixel_rows(drawn: Drawn) -> list[Row]:
    """Of completed images: how far hidden pixels are from what they were."""
    if drawn.truth is None or drawn.hidden is None:
        return []
    square = (drawn.generated - drawn.truth).square() * drawn.hidden
    number = float(drawn.hidden.sum()) * drawn.truth.shape[1]
    return [
        Row(
            f"rmse_hidden_{count(drawn.n)}", float((square.sum() / number) ** 0.5), None, None,
            "lower",
            "Root mean square error of hidden pixels, on a scale from -1 to 1. A draw from the true"
            " posterior has 1.41 times that of its mean.",
        )
    ]  # fmt: skip


def _distances(
    kind: str, frechet: str, drawn: Drawn, features: Callable[[Tensor], Tensor], whose: str
) -> list[Row]:
    n = count(drawn.n)
    generated, reference, other = map(features, (drawn.generated, drawn.reference, drawn.other))
    kid, error = kernel_distance(reference, generated)
    precision, recall = precision_recall(reference, generated)
    floors = precision_recall(reference, other)
    many = f"between {drawn.n} generated and as many real images, in features of {whose}."
    return [
        Row(
            f"{frechet}_{kind}_{n}", frechet_distance(reference, generated),
            frechet_distance(reference, other), None, "lower", f"Fréchet distance {many}",
        ),
        Row(
            f"kid_{kind}_{n}", kid, kernel_distance(reference, other)[0],
            None if np.isnan(error) else error, "lower", f"Kernel distance {many}",
        ),
        Row(
            f"precision_{kind}_{n}", precision, floors[0], None, "higher",
            f"Share of generated images that lie among the real ones; {many}",
        ),
        Row(
            f"recall_{kind}_{n}", recall, floors[1], None, "higher",
            f"Share of real images that lie among the generated ones; {many}",
        ),
    ]  # fmt: skip


def count(n: int) -> str:
    """For names: 256, 10k."""
    return f"{n // 1000}k" if n >= 1000 and n % 1000 == 0 else str(n)


def refuse_few(samples: int) -> None:
    """InputError where a distance has too few images."""
    if samples < 2:
        raise InputError(f"--samples {samples}: a distance needs at least 2")
