"""Masked diffusion of bases: hide a random number of them, predict them from the others."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.methods.base import Trained
from infonoise_bio.methods.given import (
    GivenBases,
    GivenBits,
    GivenTask,
    UnderCondition,
    check_number,
    check_sampler,
    ended,
    make_given,
    nats_of,
)
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import encoding_of, model_config, weight_of
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.models.encoding import Encoding
from infonoise_bio.sampling.sequences import Condition, Progress
from infonoise_core.evaluation.discrete import Hidden, any_hidden, masked_nats, strata_hidden
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.discrete import checked_calls, first_hitting, in_chunks
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.task import Batch, Losses


class Masked:
    """Masked diffusion (Austin et al. 2021): a `Method`."""

    name = "masked"

    def network(self, config: ModelConfig, encoding: Encoding, seed: int) -> GivenBases:
        return make_given(config, encoding, seed)

    def task(self, objective: Objective, sequences: SequenceSet, seed: int) -> "MaskedTask":
        encoding = encoding_of(objective)
        model = self.network(model_config(objective, sequences), encoding, seed)
        return MaskedTask(sequences, model, weight_of(objective), objective.strand)

    def evaluation(
        self, objective: Objective, training: SequenceSet, held_out: SequenceSet
    ) -> "MaskedBits":
        return MaskedBits(held_out, encoding_of(objective))

    def sample(
        self,
        trained: Trained,
        n: int,
        sampler: SamplerConfig,
        condition: Condition | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Codes]:
        """--steps are calls of the network, at most one for each base.

        The other options of a solver mean nothing here.
        """
        check_sampler(sampler)
        calls = min(sampler.steps, trained.denoiser.config.length)
        return sample_masked(
            trained.denoiser, n, calls, condition,
            seed=sampler.seed, chunk=sampler.chunk, progress=progress,
        )  # fmt: skip


class MaskedTask(GivenTask):
    """Masked diffusion in the form without time (Ou et al. 2024; Sahoo et al. 2024).

    A random number of bases is hidden; each counts L over that number.
    """

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """The bound (n,) on -log p in nats per base, estimated.

        sigma and eps are not used.
        """
        codes, condition = self.codes(batch)
        n, length = codes.shape
        drawn = any_hidden(n, length, codes.device)
        loss = bound_nats(denoiser, codes, drawn, condition) / self._bases
        return Losses(loss, None)


class MaskedBits(GivenBits):
    """An upper bound, on fixed orders and numbers of hidden bases, `levels` for each sequence."""

    how = "upper bound"

    def nats(
        self, model: nn.Module, codes: Tensor, condition: Mapping[str, Tensor], first: int
    ) -> Tensor:
        rng = generator(self.seed, Stream.EVALUATE, first)
        n, length = codes.shape
        total = torch.zeros(n, dtype=torch.float64)
        for drawn in strata_hidden(n, length, self.levels, rng, codes.device):
            nats = bound_nats(model, codes, drawn, condition)
            total += nats.cpu().to(torch.float64) / self.levels
        return total


def bound_nats(
    model: Denoiser, codes: Tensor, drawn: Hidden, condition: Mapping[str, Tensor]
) -> Tensor:
    """(n,) unbiased estimate of the bound on -log p of codes (n, L).

    Args:
        model: Known bases -> log probabilities of all.
        codes: The sequences; unknown bases cost nothing.
        drawn: Which bases are hidden.
        condition: What the model is given beside.
    """

    def costs(hidden: Tensor) -> Tensor:
        log_probs = model(codes.masked_fill(hidden, MASKED), **condition)
        return nats_of(log_probs, codes) * (codes != MASKED)

    return masked_nats(costs, drawn)


def sample_masked(
    model: BaseDenoiser,
    n: int,
    calls: int | None = None,
    condition: Condition | None = None,
    *,
    seed: int = 0,
    chunk: int = 256,
    progress: Progress | None = None,
) -> Iterator[Codes]:
    """New sequences as codes (chunk, L), by the first-hitting sampler of masked diffusion.

    Args:
        model: Known bases -> log probabilities of all.
        n: How many sequences.
        calls: Of the network for each sequence, 1 to L: fewer than L let several bases come to
            light at once, each as if alone.
        condition: What they shall be like.
        seed: Of the draws.
        chunk: Sequences at a time.
        progress: Called with (sequences just done, n).

    Raises:
        InputError: For a label or a number that was not seen in training.
    """
    check_number(n)
    length = model.config.length
    calls = checked_calls(calls, length, "base")
    log_probs = UnderCondition(model, condition)

    def sampler(rng: torch.Generator, rows: int) -> Tensor:
        lengths = log_probs.lengths(rows, rng)

        def of_hidden(codes: Tensor, hidden: Tensor) -> Tensor:
            return log_probs(codes.masked_fill(hidden, MASKED), lengths).transpose(1, 2)

        return ended(first_hitting(of_hidden, rows, length, calls, rng), lengths)

    for codes in in_chunks(sampler, n, seed=seed, chunk=chunk, progress=progress):
        yield codes.numpy().astype(np.uint8)
