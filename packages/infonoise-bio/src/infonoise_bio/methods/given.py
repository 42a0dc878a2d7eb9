"""What the baselines share: a network that is shown known bases and no noise.

Both are trained on the trunk of diffusion, with bases as `given` and no noisy sequence, so the
network is the same to the last layer; before training both are independent bases.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.batch import example_batch
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.methods.diffusion import DnaTask
from infonoise_bio.models.config import ModelConfig
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.models.encoding import Encoding
from infonoise_bio.models.lengths import places_of
from infonoise_bio.sampling.sequences import Condition
from infonoise_core.errors import InputError
from infonoise_core.evaluation.discrete import costs_of
from infonoise_core.evaluation.likelihood import per_unit
from infonoise_core.evaluation.measures import Measure
from infonoise_core.sampling.options import SamplerConfig
from infonoise_core.training.task import Batch

_CHUNK = 512
# In units of the code: where the noisy sequence would say nothing.
_NO_SIGNAL = 10.0


class GivenBases(BaseDenoiser):
    """Known bases `given` (n, L), 4 where not known -> log probabilities (n, 4, L) of A C G T."""

    def forward(  # type: ignore[override]
        self,
        given: Tensor,
        label: Tensor | None = None,
        activity: Tensor | None = None,
        mask: Tensor | None = None,
        length: Tensor | None = None,
    ) -> Tensor:
        """The conditions are BaseDenoiser's."""
        n, places = given.shape
        shape = (n, self.encoding.channels, places)
        x = torch.full(shape, self.encoding.origin, device=given.device)
        sigma = torch.full((n,), _NO_SIGNAL * self.encoding.std, device=given.device)
        return self.log_probs(
            x, sigma, given=given, label=label, activity=activity, mask=mask, length=length
        )


def make_given(config: ModelConfig, encoding: Encoding, seed: int) -> GivenBases:
    """A fresh network, the same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GivenBases(config, encoding)


class GivenTask(DnaTask):
    """The training sequences as codes, turned and hidden as for diffusion."""

    def codes(self, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Codes (n, L) and conditions of a batch."""
        batch = self._within(batch)
        if self.strand == "both":
            batch = self._turned(batch)
        batch = self._hidden(batch)
        return self._encoding.decode(batch.x0, batch.condition.get("mask")), batch.condition


class GivenBits(ABC):
    """Held-out bits per base of a network that is shown known bases.

    Args:
        held_out: The sequences.
        encoding: The network's.
        levels: Evaluations for each sequence, where the value is an estimate.
        seed: Of that estimate.

    Attributes:
        how: Whether the number is exact, in words.
    """

    how = "exact"

    def __init__(
        self, held_out: SequenceSet, encoding: Encoding, levels: int = 16, seed: int = 0
    ) -> None:
        self._batch = example_batch(held_out, np.arange(len(held_out)), encoding)
        self._codes = torch.from_numpy(np.array(held_out.codes))
        self.levels, self.seed = levels, seed

    @abstractmethod
    def nats(
        self, model: nn.Module, codes: Tensor, condition: Mapping[str, Tensor], first: int
    ) -> Tensor:
        """-log p or a bound on it of codes (n, L), the held-out ones from row `first` on."""

    @property
    def floors(self) -> dict[str, float]:
        """None."""
        return {}

    def __call__(self, denoiser: nn.Module) -> dict[str, float]:
        """bits_per_base and its standard error over sequences."""

        def cost(rows: slice, device: torch.device) -> Tensor:
            condition = {k: v[rows].to(device) for k, v in self._batch.condition.items()}
            return self.nats(denoiser, self._codes[rows].to(device), condition, rows.start)

        nats = costs_of(denoiser, cost, len(self._codes), _CHUNK)
        bits = per_unit(nats, (self._codes != MASKED).sum(1)).in_bits()
        return {"bits_per_base": bits.value, "bits_per_base_stderr": bits.stderr}

    def measures(self) -> list[Measure]:
        """What the number is."""
        return [Measure("bits_per_base", "bits per base", f"Held-out sequences, {self.how}.")]


def ended(codes: Tensor, lengths: Tensor | None) -> Tensor:
    """Codes (n, L), masked beyond the ends of sequences of lengths (n,)."""
    if lengths is None:
        return codes
    return codes.masked_fill(~places_of(lengths, codes.shape[1]), MASKED)


def nats_of(log_probs: Tensor, codes: Tensor) -> Tensor:
    """(n, L) cost of each base of codes (n, L) under log_probs (n, 4, L); any where masked."""
    index = codes.long().clamp_max(MASKED - 1)[:, None]
    return -log_probs.gather(1, index)[:, 0]


class UnderCondition:
    """The log probabilities of a network under one condition, whatever the number of sequences.

    Args:
        model: A network of this module.
        condition: What the sequences shall be like.

    Raises:
        InputError: For a label or a number that was not seen in training.
    """

    def __init__(self, model: BaseDenoiser, condition: Condition | None) -> None:
        self._model = model.eval()
        self._device = next(model.parameters()).device
        rows = (condition or Condition()).rows(model)
        self._condition = {k: v.to(self._device) for k, v in rows.items()}

    def lengths(self, n: int, rng: torch.Generator) -> Tensor | None:
        """(n,) of new sequences, as those of training were; None where all have the same."""
        law, label = self._model.config.lengths, self._condition.get("label")
        return None if law is None else law.draw(n, rng, None if label is None else int(label))

    def __call__(self, given: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (n, L), 4 where a base is not known, of lengths (n,) -> (n, 4, L)."""
        condition = {k: v.expand(len(given), *v.shape[1:]) for k, v in self._condition.items()}
        if lengths is not None:
            condition["length"] = lengths.to(self._device)
        log_probs: Tensor = self._model(given.to(self._device), **condition)
        return log_probs


def check_number(n: int) -> None:
    """InputError for fewer than one sequence."""
    if n < 1:
        raise InputError(f"--samples {n}: give at least 1")


def check_sampler(sampler: SamplerConfig) -> None:
    """InputError for what no baseline can do."""
    if sampler.guidance != 1:
        raise InputError(
            f"--guidance {sampler.guidance:g}: a baseline has none; leave it out, the label alone"
            " conditions it"
        )
