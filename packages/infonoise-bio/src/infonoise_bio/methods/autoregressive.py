"""Autoregressive models of bases: predict each from all before it, from the 5' end on."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

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
from infonoise_core.evaluation.discrete import before
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.sampling.discrete import in_chunks, left_to_right
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.task import Batch, Losses


class Autoregressive:
    """A causal network, called once for each base: a `Method`."""

    name = "autoregressive"

    def network(self, config: ModelConfig, encoding: Encoding, seed: int) -> GivenBases:
        """Causal, and so never equivariant."""
        causal = replace(config.network, causal=True, equivariant=False)
        return make_given(replace(config, network=causal), encoding, seed)

    def task(self, objective: Objective, sequences: SequenceSet, seed: int) -> "AutoregressiveTask":
        encoding = encoding_of(objective)
        model = self.network(model_config(objective, sequences), encoding, seed)
        return AutoregressiveTask(sequences, model, weight_of(objective), objective.strand)

    def evaluation(
        self, objective: Objective, training: SequenceSet, held_out: SequenceSet
    ) -> "AutoregressiveBits":
        return AutoregressiveBits(held_out, encoding_of(objective))

    def sample(
        self,
        trained: Trained,
        n: int,
        sampler: SamplerConfig,
        condition: Condition | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Codes]:
        """The network is called once for each base; the options of a solver mean nothing here."""
        check_sampler(sampler)
        return sample_left_to_right(
            trained.denoiser, n, condition,
            seed=sampler.seed, chunk=sampler.chunk, progress=progress,
        )  # fmt: skip


class AutoregressiveTask(GivenTask):
    """Predict each base from all before it, from the 5' end on."""

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """-log p (n,), nats per base; sigma, eps are not used."""
        codes, condition = self.codes(batch)
        loss = autoregressive_nats(denoiser, codes, condition) / self._bases
        return Losses(loss, None)


class AutoregressiveBits(GivenBits):
    """Exact: the product of the probabilities base by base."""

    def nats(
        self, model: nn.Module, codes: Tensor, condition: Mapping[str, Tensor], first: int
    ) -> Tensor:
        return autoregressive_nats(model, codes, condition)


def autoregressive_nats(model: Denoiser, codes: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
    """(n,) exact -log p of codes (n, L)."""
    log_probs = model(before(codes, MASKED), **_shifted(condition))
    return (nats_of(log_probs, codes) * (codes != MASKED)).sum(1)


def _shifted(condition: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # The mask goes along with the bases it belongs to; at the start there is none before.
    changed = dict(condition)
    if "mask" in changed:
        changed["mask"] = before(changed["mask"], True)
    return changed


def sample_left_to_right(
    model: BaseDenoiser,
    n: int,
    condition: Condition | None = None,
    *,
    seed: int = 0,
    chunk: int = 256,
    progress: Progress | None = None,
) -> Iterator[Codes]:
    """New sequences as codes (chunk, L), from the 5' end on.

    Args:
        model: A causal network: bases before -> log probabilities.
        n: How many sequences.
        condition: What they shall be like.
        seed: Of the draws.
        chunk: Sequences at a time.
        progress: Called with (sequences just done, n).

    Raises:
        InputError: For a label or a number that was not seen in training.
    """
    check_number(n)
    length = model.config.length
    log_probs = UnderCondition(model, condition)

    def sampler(rng: torch.Generator, rows: int) -> Tensor:
        lengths = log_probs.lengths(rows, rng)

        def of_next(known: Tensor) -> Tensor:
            start = torch.full((len(known), 1), MASKED)
            return log_probs(torch.cat([start, known], 1), lengths)[:, :, -1]

        return ended(left_to_right(of_next, rows, length, rng), lengths)

    for codes in in_chunks(sampler, n, seed=seed, chunk=chunk, progress=progress):
        yield codes.numpy().astype(np.uint8)
