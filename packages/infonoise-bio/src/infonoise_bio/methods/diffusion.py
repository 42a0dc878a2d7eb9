"""DNA as a denoising task: what core's loop trains on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.options import Strand
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.evaluation.held_out import DnaEvaluation
from infonoise_bio.methods.base import Trained
from infonoise_bio.methods.options import Objective
from infonoise_bio.methods.recipe import encoding_of, model_config, weight_of
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser, make_denoiser, mean_point
from infonoise_bio.models.encoding import Encoding
from infonoise_bio.models.lengths import end_of, read_backwards
from infonoise_bio.sampling.sequences import Condition, Progress, Sampling, design
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.weighting import Weight
from infonoise_core.sampling.generate import sampler_churn, sampler_levels
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.task import Batch, Losses, squared_x0_error


class Diffusion:
    """Gaussian noise on the points of the bases: a `Method`."""

    name = "diffusion"

    def network(self, config: ModelConfig, encoding: Encoding, seed: int) -> BaseDenoiser:
        return make_denoiser(config, encoding, seed)

    def task(self, objective: Objective, sequences: SequenceSet, seed: int) -> "DnaTask":
        """The training sequences, with a fresh network."""
        encoding = encoding_of(objective)
        denoiser = self.network(model_config(objective, sequences), encoding, seed)
        hiding = Hiding(objective.cond_dropout, objective.infill)
        weight = None if objective.cross_entropy else weight_of(objective)
        return DnaTask(sequences, denoiser, weight, objective.strand, hiding)

    def evaluation(
        self, objective: Objective, training: SequenceSet, held_out: SequenceSet
    ) -> DnaEvaluation:
        return DnaEvaluation(
            training,
            held_out,
            encoding_of(objective),
            objective.strand,
            objective.sigma_min,
            objective.sigma_max,
        )

    def sample(
        self,
        trained: Trained,
        n: int,
        sampler: SamplerConfig,
        condition: Condition | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Codes]:
        sampling = sampling_of(trained, sampler)
        return design(trained.denoiser, n, sampling, condition, progress)


def sampling_of(trained: Trained, config: SamplerConfig) -> Sampling:
    """The options of a command for the noise levels and the profile of a trained denoiser."""
    low, high = trained.objective.sigma_min, trained.objective.sigma_max
    return Sampling(
        sampler_levels(config, low, high, trained.profile),
        config.solver,
        sampler_churn(config, trained.profile),
        config.guidance,
        config.seed,
        config.chunk,
        config.s_noise,
    )


@dataclass(frozen=True)
class Hiding:
    """What the model does without now and then, so that it learns to do without or with more.

    Attributes:
        cond_dropout: Share of examples without their label, and of those without their numbers.
        infill: Share of examples whose bases are given but for one stretch, or in one stretch.
    """

    cond_dropout: float = 0.1
    infill: float = 0.0


class DnaTask:
    """Denoise bases, over those that are known.

    The loss is their cross entropy in nats per base, or with a weight
    `w(sigma) |D(x0 + sigma eps, sigma) - x0|^2 / dim`. What is observed is the squared error of the
    same answer in either case. Where lengths differ, bases and dim are those of a sequence of mean
    length: every base counts alike, and padding does not count.

    With strand `both` every second example, at random, is trained as its other strand. This, and
    what `hiding` keeps back, is drawn from the global generator, which the loop seeds from the
    step. dim: coordinates of one sequence.
    """

    unit = "bases"

    def __init__(
        self,
        sequences: SequenceSet,
        denoiser: BaseDenoiser,
        weight: Weight | None,
        strand: Strand,
        hiding: Hiding | None = None,
    ) -> None:
        self.sequences, self.strand, self.weight = sequences, strand, weight
        self.hiding = hiding or Hiding()
        self._encoding, self._conditions = denoiser.encoding, denoiser.config.conditions
        self.denoiser: nn.Module = denoiser
        self._bases = sequences.mean_length
        self.units = max(1, round(self._bases))
        self.dim = self.units * self._encoding.channels

    def __len__(self) -> int:
        return len(self.sequences)

    def batch(self, index: np.ndarray) -> Batch:
        """Where lengths differ, `mask` ends soon after the longest of these, but x0 does not.

        Its noise is drawn by its shape, and shall not hang on what else is in the batch.
        """
        batch = example_batch(self.sequences, index, self._encoding)
        lengths = self.sequences.lengths
        if lengths is None:
            return batch
        end = end_of(int(lengths[index].max()), self.sequences.length)
        mask = batch.condition.get("mask")
        if mask is None or end == self.sequences.length:
            return batch
        return Batch(batch.x0, {**batch.condition, "mask": mask[:, :end]})

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """Loss and error (n,); bases that are masked or given add exactly nothing."""
        batch = self._within(batch)
        eps = eps[:, :, : batch.x0.shape[2]]
        if self.strand == "both":
            batch = self._turned(batch)
        batch = self._hidden(batch)
        if self.weight is None:
            return self._cross_entropy(denoiser, batch, sigma, eps)
        error = squared_x0_error(denoiser, batch, sigma, eps)
        dim = self._bases * self._encoding.channels
        return Losses(self.weight(sigma) * error / dim, error.detach())

    def _cross_entropy(
        self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor
    ) -> Losses:
        given, mask = (batch.condition.get(name) for name in ("given", "mask"))
        x = batch.x0 + sigma[:, None, None] * eps
        logits = denoiser(x, sigma, logits=True, **batch.condition)
        codes = self._encoding.decode(batch.x0, mask)
        if given is not None:
            codes = codes.masked_fill(given != MASKED, MASKED)
        nats = nn.functional.cross_entropy(
            logits, codes.long(), ignore_index=MASKED, reduction="none"
        ).sum(1)
        with torch.no_grad():
            x0 = mean_point(logits, self._encoding, given, mask)
            error = (x0 - batch.x0).flatten(1).square().sum(1)
        return Losses(nats / self._bases, error)

    def _within(self, batch: Batch) -> Batch:
        """Without the padding that is that of all of them."""
        mask = batch.condition.get("mask")
        return batch if mask is None else replace(batch, x0=batch.x0[:, :, : mask.shape[1]])

    def _turned(self, batch: Batch) -> Batch:
        x0 = batch.x0
        turn = torch.rand(len(x0), device=x0.device) < 0.5
        condition = dict(batch.condition)
        lengths = condition.get("length")
        other = read_backwards(self._encoding.reverse_complement(x0).flip(2), lengths)
        if "mask" in condition:
            mask = condition["mask"]
            condition["mask"] = torch.where(turn[:, None], read_backwards(mask, lengths), mask)
        return Batch(torch.where(turn[:, None, None], other, x0), condition)

    def _hidden(self, batch: Batch) -> Batch:
        condition, n, device = dict(batch.condition), len(batch.x0), batch.x0.device
        if self.hiding.cond_dropout:
            for name, nothing in self._conditions.null().items():
                value = condition[name]
                drop = torch.rand(n, device=device) < self.hiding.cond_dropout
                drop = drop.reshape(n, *(1,) * (value.dim() - 1))
                condition[name] = torch.where(drop, nothing.to(value), value)
        if self.hiding.infill:
            codes = self._encoding.decode(batch.x0, condition.get("mask"))
            given = _given(codes, self.hiding.infill, condition.get("length"))
            condition["given"] = codes.masked_fill(~given, MASKED)
        return Batch(batch.x0, condition)


def _given(codes: Tensor, share: float, lengths: Tensor | None = None) -> Tensor:
    """(n, L) which bases are given: in `share` of the rows those in a random stretch or outside."""
    n, length = codes.shape
    some, first, second, side = torch.rand(4, n, 1, device=codes.device)
    ends = torch.cat([first, second], 1).sort(1)[0] * (
        length if lengths is None else lengths[:, None]
    )
    place = torch.arange(length, device=codes.device)
    inside = (place >= ends[:, :1]) & (place < ends[:, 1:])
    given: Tensor = (some < share) & torch.where(side < 0.5, inside, ~inside)
    return given
