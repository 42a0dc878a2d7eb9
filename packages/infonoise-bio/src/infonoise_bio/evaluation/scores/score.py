"""Likelihood bounds of sequences one by one, from a stream of any length to a table."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED, codes_of
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.windows import padded
from infonoise_bio.evaluation.bound import levels_of_interest
from infonoise_bio.models.denoiser import BaseDenoiser, IndependentBases
from infonoise_bio.models.encoding import Encoding
from infonoise_core.errors import InputError
from infonoise_core.files import whole_file
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.rng import Stream, generator
from infonoise_core.shown import cell
from infonoise_core.training.task import Batch

# Batches of 64 sequences fit a processor's cache: 256 take twice the time for each.
# The estimate's error is estimated from this many independent parts.
_PARTS = 4
# Share of the levels that follows the profile of independent bases; the others are even.
_FOCUS = 0.8


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
        self._sigma, self._weight = _levels(encoding, frequencies, low, high, place)
        shape = (_PARTS, strata, encoding.channels, denoiser.config.length)
        self._eps = torch.randn(shape, generator=rng)

    def parts(
        self, codes: Tensor, label: int | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """(n, 4) independent estimates of the bound of codes (n, L), in nats."""
        return self.positions(codes, label, lengths).sum(2)

    @torch.no_grad()
    def positions(
        self, codes: Tensor, label: int | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """(n, 4, L) what each base adds to the bound, in nats; it can be below zero.

        The bound is a sum over positions: of what the base costs as an independent one, and of
        the squared error by which the network's point is nearer to it.

        Args:
            codes: The sequences, no longer than the model's.
            label: Their class.
            lengths: (n,) of them, where they differ; what is beyond adds nothing.
        """
        n, encoding = len(codes), self.denoiser.encoding
        condition: dict[str, Tensor] = {"mask": codes != MASKED}
        if label is not None:
            condition["label"] = torch.full((n,), label)
        if lengths is not None:
            condition["length"] = lengths
        batch = Batch(encoding.encode(codes), condition).to(self.device)
        plain = Batch(batch.x0, {"mask": batch.condition["mask"]})
        saved = torch.zeros(n, _PARTS, codes.shape[1], dtype=torch.float64)
        for part, noises in enumerate(self._eps):
            levels = zip(self._sigma[part].tolist(), self._weight[part].tolist(), strict=True)
            for (sigma, weight), eps in zip(levels, noises, strict=True):
                s = torch.full((n,), sigma, device=self.device)
                e = eps[:, : codes.shape[1]].to(self.device).expand(batch.x0.shape)
                gain = _errors(self._start, plain, s, e)
                gain = gain - _errors(self.denoiser, batch, s, e)
                saved[:, part] += gain.cpu().to(torch.float64) * (weight / sigma**2)
        return self._cost[codes.long()][:, None] - saved / self._sigma.shape[1]

    def score(
        self, records: Iterable[Record], label: int | None = None, chunk: int = 64
    ) -> Iterator[Score]:
        """Scores of records of the model's length, in order; memory holds one chunk."""
        stream = iter(records)
        while some := list(islice(stream, chunk)):
            codes, lengths = self.codes(some)
            known = (codes != MASKED).sum(1).tolist()
            parts = self.parts(codes, label, lengths)
            nats, error = parts.mean(1).tolist(), (parts.std(1) / math.sqrt(_PARTS)).tolist()
            for record, bases, value, spread in zip(some, known, nats, error, strict=True):
                unit = max(1, bases) * math.log(2)
                yield Score(record.id, bases, value, value / unit, spread / unit)

    def check(self, record: Record) -> None:
        """InputError for a record that cannot be scored."""
        length = self.denoiser.config.length
        if self.denoiser.config.lengths is not None:
            if len(record) > length:
                raise InputError(
                    f"{record.where} has {len(record)} bases and the model takes at most {length};"
                    f" give --window {length} --lengths as-they-are"
                )
        elif len(record) != length:
            pad = " --shorter pad" if len(record) < length else ""
            raise InputError(
                f"{record.where} has {len(record)} bases and the model takes {length}; give"
                f" --window {length}{pad}"
            )

    def codes(self, records: Sequence[Record]) -> tuple[Tensor, Tensor | None]:
        """(n, L) of records, and their lengths (n,) where a model knows several.

        Raises:
            InputError: For a record of another length, or longer than any.
        """
        for record in records:
            self.check(record)
        lengths = np.array([len(record) for record in records])
        codes = padded(bytearray().join(codes_of(r.letters) for r in records), lengths, MASKED)
        several = self.denoiser.config.lengths is not None
        return torch.from_numpy(codes.copy()), torch.from_numpy(lengths) if several else None


def _levels(
    encoding: Encoding, frequencies: Tensor, low: float, high: float, place: Tensor
) -> tuple[Tensor, Tensor]:
    """Noise levels and their weights in an integral over log sigma, each like `place`.

    Most levels lie where independent bases become unclear, as a network differs from them there
    and nowhere else: with as many levels the error is 0.6 of that of evenly spread ones.

    Args:
        encoding: Of the bases.
        frequencies: (4,) of A C G T.
        low, high: Ends of the levels.
        place: Quantiles between 0 and 1.
    """
    profile = encoding.profile(VarianceExploding(low, high), 1, frequencies)
    grid = torch.linspace(math.log(low), math.log(high), 4001, dtype=torch.float64)
    rate = profile.at(grid.exp())
    density = _FOCUS * rate / torch.trapezoid(rate, grid) + (1 - _FOCUS) / (grid[-1] - grid[0])
    mass = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(density, grid)])
    log_sigma = np.interp(place.numpy(), (mass / mass[-1]).numpy(), grid.numpy())
    weight = mass[-1].item() / np.interp(log_sigma, grid.numpy(), density.numpy())
    return torch.from_numpy(log_sigma).exp().to(torch.float32), torch.from_numpy(weight)


def _errors(denoiser: nn.Module, batch: Batch, sigma: Tensor, eps: Tensor) -> Tensor:
    """(n, L) `|D(x0 + sigma eps) - x0|^2` of each base."""
    x = batch.x0 + sigma[:, None, None] * eps
    error: Tensor = denoiser(x, sigma, **batch.condition) - batch.x0
    return error.square().sum(1)


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
