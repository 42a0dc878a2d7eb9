"""Held-out bits per base of a denoiser, measured again and again while it is trained."""

import math

import numpy as np
from torch import Tensor, nn

from infonoise_bio.alphabet import base_frequencies
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.options import Strand
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.bound import LikelihoodBound
from infonoise_bio.models.encoding import Encoding
from infonoise_core.errors import InputError
from infonoise_core.evaluation.measures import Measure
from infonoise_core.training.step.listening import Heard


class DnaEvaluation:
    """Bits per base of averaged weights, on fixed held-out sequences, levels and noises.

    Sequences that have labels or numbers are measured given these.
    """

    def __init__(
        self,
        train: SequenceSet,
        held_out: SequenceSet,
        encoding: Encoding,
        strand: Strand,
        sigma_min: float,
        sigma_max: float,
        levels: int = 8,
        seed: int = 0,
    ) -> None:
        if len(held_out) < 2:
            raise InputError(f"{train.source}: {len(held_out)} sequences held out; give more")
        batch = example_batch(held_out, np.arange(len(held_out)), encoding)
        frequencies = base_frequencies(train.codes, both_strands=strand == "both")
        self.bound = LikelihoodBound(
            batch, encoding, frequencies, sigma_min, sigma_max, levels=levels, seed=seed
        )
        self.independent = float(self.bound.independent.sum() / self.bound.bases.sum())
        self.independent /= math.log(2)

    def listen(self, heard: Heard | None) -> None:
        """Who is told how far a measurement is; None for nobody."""
        self.bound.listen(heard)

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """bits_per_base, its standard error, and how far it is below independent bases."""
        bits = self.bound(denoiser)
        return {
            "bits_per_base": bits.value,
            "bits_per_base_stderr": bits.stderr,
            "bits_below_independent": self.independent - bits.value,
        }

    def by_example(self, denoiser: nn.Module) -> Tensor:
        """(n,) bits per base of each held-out sequence."""
        return self.bound.by_example(denoiser)

    @property
    def floors(self) -> dict[str, float]:
        """None: a likelihood has no value between real and real."""
        return {}

    def measures(self) -> list[Measure]:
        """What the number is, for tables and reports."""
        return [
            Measure(
                "bits_per_base",
                "bits per base",
                "Upper bound on the negative log-likelihood of held-out sequences, from the squared"
                " error of the averaged weights on a fixed set of noise levels and noises."
                f" Independent bases: {self.independent:.4f}.",
            )
        ]
