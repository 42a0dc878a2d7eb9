"""A Fréchet distance, precision and recall of a network that is being trained."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Measure
from infonoise_vision.data.cache import cache_folder
from infonoise_vision.data.images import ImageSet
from infonoise_vision.evaluation.bound import Conditioning
from infonoise_vision.evaluation.classifier import trained_classifier
from infonoise_vision.evaluation.fid import (
    Inception,
    frechet_of_moments,
    moments,
    precision_recall,
)
from infonoise_vision.evaluation.generated import count, features
from infonoise_vision.evaluation.measures import CLASSIFIER, INCEPTION
from infonoise_vision.methods.watching import Watching
from infonoise_vision.sampling.drawn import drawn

Features = Callable[[Tensor], Tensor]


class WatchedFrechet:
    """Of averaged weights, from fixed starting points; real images are looked at once.

    Args:
        sigmas: (k,) descending, of the sampler.
        conditioning: What the denoiser is given, that of training images.
    """

    def __init__(
        self,
        train: ImageSet,
        held_out: ImageSet,
        watching: Watching,
        sigmas: Tensor,
        conditioning: Conditioning,
        seed: int = 0,
    ) -> None:
        weights = watching.inception_weights
        if weights is None and (train.labels is None or len(train.classes) < 2):
            raise InputError(
                f"--fid-every {watching.fid_every}: {train.name} has no classes to train a"
                " classifier of; give --inception-weights"
            )
        if weights is not None:
            # What is wrong with the file is said before training begins.
            Inception(weights, train.shape[0], torch.device("cpu"))
        self._train, self._weights, self._watching = train, weights, watching
        self._sigmas, self._seed = sigmas, seed
        self.n = min(watching.fid_samples, len(held_out), len(train))
        rng = np.random.default_rng(seed)
        self._real = held_out.take(np.sort(rng.permutation(len(held_out))[: self.n]))
        self._other = np.sort(rng.permutation(len(train))[: self.n])
        self._given = conditioning(train, self._other)
        self._of: Features | None = None
        self._reference = torch.empty(0)
        self.floors: dict[str, float] = {}

    @property
    def kind(self) -> str:
        """Whose features they are."""
        return CLASSIFIER if self._weights is None else INCEPTION

    @property
    def name(self) -> str:
        """Of the distance, as `evaluate` has it."""
        return f"{'fd' if self._weights is None else 'fid'}_{self.kind}_{count(self.n)}"

    @property
    def measure(self) -> Measure:
        """The distance alone: of precision and recall more is better."""
        whose = "a classifier of the training images"
        whose = whose if self._weights is None else "FID's Inception network"
        return Measure(
            self.name,
            f"Fréchet distance ({count(self.n)})",
            f"Fréchet distance between {self.n} generated and as many held-out images, in features"
            f" of {whose}.",
        )

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """The distance, precision and recall."""
        of = self._prepared(next(denoiser.parameters()).device)
        x = drawn(
            denoiser, self._train.shape, self.n, self._sigmas, solver=self._watching.eval_solver,
            seed=self._seed, condition=self._given,
        )  # fmt: skip
        generated = of((x / self._train.scale).clamp(-1, 1))
        precision, recall = precision_recall(self._reference, generated)
        tag = f"{self.kind}_{count(self.n)}"
        return {
            self.name: _frechet(self._reference, generated),
            f"precision_{tag}": precision,
            f"recall_{tag}": recall,
        }

    def _prepared(self, device: torch.device) -> Features:
        """Features of images of scale 1; those of real images are there after the first call."""
        if self._of is None:
            if self._weights is not None:
                self._of = Inception(self._weights, self._train.shape[0], device)
            else:
                self._of = trained_classifier(self._train, cache_folder(None), device).features_of
            self._reference = features(_plain(self._real), self._of)
            other = features(_plain(self._train.take(self._other)), self._of)
            self.floors = {self.name: _frechet(self._reference, other)}
        return self._of


def _plain(images: ImageSet) -> ImageSet:
    return replace(images, scale=1.0)


def _frechet(first: Tensor, second: Tensor) -> float:
    return frechet_of_moments(moments(first), moments(second))
