"""Likelihood bounds of sequences one by one, from a stream of any length to a table."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from infonoise_bio.alphabet import MASKED, codes_of
from infonoise_bio.data.formats.record import Record
from infonoise_bio.evaluation.bound import levels_of_interest
from infonoise_bio.models.denoiser import BaseDenoiser, IndependentBases
from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.rng import Stream, generator
from infonoise_core.shown import cell
from infonoise_core.training.task import Batch, squared_x0_error

# The estimate's error is estimated from this many independent parts.
_PARTS = 4


@dataclass(frozen=True)
class Score:
    """Bound on -log p of one sequence: nats, over `bases` known ones.

    Attributes:
        stderr: Of the estimate, from the noises that were drawn, in bits per base.
    """

    id: str
    bases: int
    nats: float
    bits_per_base: float
    stderr: float


class Scorer:
    """Bounds as in `bound`, on the same noises for every sequence.

    So a score depends on nothing but the sequence, whatever the order of the file, and two
    sequences that differ in one base share most of their error.
    """

    def __init__(
        self,
        denoiser: BaseDenoiser,
        frequencies: Tensor,
        sigma_min: float,
        sigma_max: float,
        levels: int = 64,
        seed: int = 0,
    ) -> None:
        if levels < _PARTS or levels % _PARTS:
            raise InputError(f"--levels {levels}: give a multiple of {_PARTS}")
        self.denoiser = denoiser.eval()
        self.device = next(denoiser.parameters()).device
        encoding = denoiser.encoding
        self._start = IndependentBases(encoding, frequencies).to(self.device)
        self._cost = torch.cat([-frequencies.to(torch.float64).log(), torch.zeros(1)])
        low, high = levels_of_interest(encoding, sigma_min, sigma_max)
        strata = levels // _PARTS
        rng = generator(seed, Stream.EVALUATE)
        # Each part has a level in each of its strata, all shifted by the same random amount.
        shift = torch.rand(_PARTS, 1, generator=rng, dtype=torch.float64)
        place = (torch.arange(strata) + shift) / strata
        self._span = math.log(high / low)
        self._sigma = (low * (self._span * place).exp()).to(torch.float32)
        shape = (_PARTS, strata, encoding.channels, denoiser.config.length)
        self._eps = torch.randn(shape, generator=rng)

    @torch.no_grad()
    def parts(self, codes: Tensor, label: int | None = None) -> Tensor:
        """(n, 4) independent estimates of the bound of codes (n, L), in nats."""
        n, encoding = len(codes), self.denoiser.encoding
        condition: dict[str, Tensor] = {"mask": codes != MASKED}
        if label is not None:
            condition["label"] = torch.full((n,), label)
        batch = Batch(encoding.encode(codes), condition).to(self.device)
        plain = Batch(batch.x0, {"mask": batch.condition["mask"]})
        saved = torch.zeros(n, _PARTS, dtype=torch.float64)
        for part, (sigmas, noises) in enumerate(zip(self._sigma, self._eps, strict=True)):
            for sigma, eps in zip(sigmas.tolist(), noises, strict=True):
                s = torch.full((n,), sigma, device=self.device)
                e = eps.to(self.device).expand(batch.x0.shape)
                gain = squared_x0_error(self._start, plain, s, e)
                gain = gain - squared_x0_error(self.denoiser, batch, s, e)
                saved[:, part] += gain.cpu().to(torch.float64) / sigma**2
        independent = self._cost[codes.long()].sum(1)
        return independent[:, None] - saved * self._span / self._sigma.shape[1]

    def score(
        self, records: Iterable[Record], label: int | None = None, chunk: int = 256
    ) -> Iterator[Score]:
        """Scores of records of the model's length, in order; memory holds one chunk."""
        stream = iter(records)
        while some := list(islice(stream, chunk)):
            codes = torch.from_numpy(np.stack([self._codes(record) for record in some]))
            known = (codes != MASKED).sum(1).tolist()
            parts = self.parts(codes, label)
            nats, error = parts.mean(1).tolist(), (parts.std(1) / math.sqrt(_PARTS)).tolist()
            for record, bases, value, spread in zip(some, known, nats, error, strict=True):
                unit = max(1, bases) * math.log(2)
                yield Score(record.id, bases, value, value / unit, spread / unit)

    def check(self, record: Record) -> None:
        """InputError for a record that cannot be scored."""
        length = self.denoiser.config.length
        if len(record) != length:
            raise InputError(
                f"{record.where} has {len(record)} bases and the model takes {length}; give"
                f" --window {length}"
            )

    def _codes(self, record: Record) -> np.ndarray:
        self.check(record)
        return np.frombuffer(codes_of(record.letters), np.uint8)


def write_scores(out: Path, scores: Iterable[Score]) -> int:
    """Write a table (tab-separated) as scores come; it appears when it is complete."""
    number = 0
    with whole_file(out) as file, file.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write("id\tbases\tnats\tbits_per_base\tstderr\n")
        for s in scores:
            handle.write(
                f"{cell(s.id)}\t{s.bases}\t{s.nats:.4f}\t{s.bits_per_base:.5f}\t{s.stderr:.5f}\n"
            )
            number += 1
    return number
