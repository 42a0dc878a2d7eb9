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
    make_given,
    nats_of,
)
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import encoding_of, model_config, weight_of
from infonoise_bio.models.denoiser import BaseDenoiser, ModelConfig
from infonoise_bio.models.encoding import Encoding
from infonoise_bio.sampling.sequences import Condition, Progress
from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.discrete import first_hitting
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
        """--steps are calls of the network, at most one for each base; the other options of a
        solver mean nothing here.
        """
        check_sampler(sampler)
        calls = min(sampler.steps, trained.denoiser.config.length)
        return sample_masked(
            trained.denoiser, n, calls, condition,
            seed=sampler.seed, chunk=sampler.chunk, progress=progress,
        )  # fmt: skip


class MaskedTask(GivenTask):
    """Masked diffusion in the form without time (Ou et al. 2024; Sahoo et al. 2024).

    A random number of bases is hidden; each counts L over that number. The same bound as that of
    an autoregressive model in random order (Hoogeboom et al. 2022).
    """

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """The bound on -log p in nats per base, estimated.

        sigma and eps are not used.
        """
        codes, condition = self.codes(batch)
        hidden = torch.rand((2, *codes.shape), device=codes.device)
        number = 1 + (hidden[1, :, :1] * codes.shape[1]).floor()
        nats = masked_nats(denoiser, codes, hidden[0].argsort(1).argsort(1), number, condition)
        loss = nats / codes.shape[1]
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
        for level in range(self.levels):
            # One number of hidden bases from each stratum.
            share = (level + torch.rand(n, 1, generator=rng)) / self.levels
            number = (1 + (share * length).floor()).clamp_max(length).to(codes.device)
            rank = torch.rand(n, length, generator=rng).argsort(1).argsort(1).to(codes.device)
            nats = masked_nats(model, codes, rank, number, condition)
            total += nats.cpu().to(torch.float64) / self.levels
        return total


def masked_nats(
    model: Denoiser, codes: Tensor, rank: Tensor, number: Tensor, condition: Mapping[str, Tensor]
) -> Tensor:
    """(n,) unbiased estimate of the bound on -log p of codes (n, L).

    Args:
        model: Known bases -> log probabilities of all.
        codes: The sequences.
        rank: (n, L), a random order of the bases.
        number: (n, 1), how many are hidden: those of a lower rank.
        condition: What the model is given beside.
    """
    given = codes.masked_fill(rank < number, MASKED)
    log_probs = model(given, **condition)
    hidden = (given == MASKED) & (codes != MASKED)
    return (nats_of(log_probs, codes) * hidden).sum(1) * codes.shape[1] / number[:, 0]


@torch.no_grad()
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
    calls = length if calls is None else calls
    if not 1 <= calls <= length:
        raise InputError(f"--steps {calls}: give 1 to {length}, one for each base")
    log_probs = UnderCondition(model, condition)

    def of_hidden(codes: Tensor, hidden: Tensor) -> Tensor:
        return log_probs(codes.masked_fill(hidden, MASKED)).transpose(1, 2)

    for start in range(0, n, chunk):
        rows, rng = min(chunk, n - start), generator(seed, Stream.SAMPLE, start)
        yield first_hitting(of_hidden, rows, length, calls, rng).numpy().astype(np.uint8)
        if progress is not None:
            progress(rows, n)
