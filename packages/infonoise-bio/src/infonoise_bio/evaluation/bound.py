"""Held-out bits per base: an upper bound on the negative log-likelihood of sequences.

The model whose likelihood is bounded starts at sigma_1 from the distribution of independent bases
in noise, is denoised down to sigma_0 by the network, and is given its bases there by the
independent posterior. Its variational bound in continuous time (Kingma et al. 2021) has three
terms: a KL at sigma_1, the integral of squared error / sigma^2 over log sigma, and the cost of the
bases at sigma_0. For the exact denoiser of independent bases the three add up to -log of the
sequence's probability under independent bases, whatever the sequence (the pointwise form of I-MMSE:
Kong, Brekelmans & Ver Steeg 2023, arXiv 2302.03792). The terms at both ends are the same for all
networks, so the bound of any other one is

    -log p_independent(sequence) - integral of (its error - the network's error) / sigma^2.

Both errors are measured on the same noises: what both share cancels, and so does most of the
sampling error. The untrained network gives the entropy of independent bases exactly.
"""

import math

import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED
from infonoise_bio.models.denoiser import IndependentBases
from infonoise_bio.models.encoding import Encoding
from infonoise_core.errors import InputError
from infonoise_core.evaluation import likelihood
from infonoise_core.evaluation.held_out import HeldOutError
from infonoise_core.evaluation.likelihood import Bits, Reference
from infonoise_core.training.step.listening import Heard
from infonoise_core.training.task import Batch

# Below a twelfth of the distance between two bases they are mistaken once in 10^9.
_CLEAR = 12
# Above this many distances noise leaves a base 0.001 bits, nearly all of which the distribution at
# the start knows too.
_HIDDEN = 12
# As many sequences fit a processor's cache: of 200 bases, 512 take 1.7 times the time for each.
_ON_CPU = 64


class LikelihoodBound:
    """Bound on -log p of fixed sequences, on fixed noise levels and noises.

    Args:
        batch: x0 (n, C, L) with its condition; bases that are masked or given cost nothing and
            do not count.
        frequencies: (4,) of the independent bases it starts from: those of the training set.
        levels: Noise levels per sequence.
    """

    def __init__(
        self,
        batch: Batch,
        encoding: Encoding,
        frequencies: Tensor,
        sigma_min: float,
        sigma_max: float,
        levels: int = 16,
        seed: int = 0,
    ) -> None:
        low, high = levels_of_interest(encoding, sigma_min, sigma_max)
        free = _free(batch, encoding)
        self.bases = free.sum(1).to(torch.float64)
        if not bool(self.bases.any()):
            raise InputError("no base is left to predict: all are masked or given")
        cost = torch.cat([-frequencies.to(torch.float64).log(), torch.zeros(1)])
        codes = encoding.decode(batch.x0).masked_fill(~free, MASKED)
        self.independent = cost[codes.long()].sum(1)
        self._bound = likelihood.LikelihoodBound(
            HeldOutError(batch, low, high, levels=levels, seed=seed, cpu_chunk=_ON_CPU),
            self.bases,
            reference=Reference(IndependentBases(encoding, frequencies), self.independent),
        )

    def listen(self, heard: Heard | None) -> None:
        """Who is told how far the integral is; None for nobody."""
        self._bound.listen(heard)

    def nats(self, denoiser: nn.Module) -> Tensor:
        """(n,) bound of each sequence, float64; unbiased, and noisy where levels are few."""
        return self._bound.nats(denoiser)

    def by_example(self, denoiser: nn.Module) -> Tensor:
        """(n,) bits per base of each sequence, of which the bound is the mean."""
        return self._bound.by_example(denoiser) / math.log(2)

    def __call__(self, denoiser: nn.Module) -> Bits:
        """Mean over all bases."""
        return self._bound(denoiser).in_bits()


def levels_of_interest(
    encoding: Encoding, sigma_min: float, sigma_max: float
) -> tuple[float, float]:
    """The part of the noise levels where a network's bases can differ from independent ones."""
    distance = float(torch.pdist(encoding.codebook).min())
    low, high = max(sigma_min, distance / _CLEAR), min(sigma_max, distance * _HIDDEN)
    if not low < high:
        raise InputError(
            f"--sigma-min {sigma_min:g} --sigma-max {sigma_max:g}: bases of this encoding lie"
            f" {distance:.3g} apart and become unclear about there; give levels on both sides"
        )
    return low, high


def _free(batch: Batch, encoding: Encoding) -> Tensor:
    """(n, L) bases that are to be predicted."""
    n, _, length = batch.x0.shape
    free = batch.condition.get("mask", torch.ones(n, length, dtype=torch.bool))
    given = batch.condition.get("given")
    return free if given is None else free & (given == MASKED)
