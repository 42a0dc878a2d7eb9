"""DNA as a denoising task: what core's loop trains on."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from infonoise_bio.alphabet import MASKED
from infonoise_bio.composition import Strand, base_frequencies
from infonoise_bio.data.sequences import SequenceSet
from infonoise_bio.models.denoiser import BaseDenoiser, Conditions, ModelConfig, make_denoiser
from infonoise_bio.models.encoding import Encoding, make_encoding
from infonoise_bio.models.network import Kind, NetworkConfig, preset
from infonoise_core.errors import InputError
from infonoise_core.processes.channel import VarianceExploding
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.processes.weighting import Weight, edm_weight
from infonoise_core.schedules.registry import ScheduleContext
from infonoise_core.training.task import Batch, Losses, squared_x0_error


@dataclass(frozen=True)
class Hiding:
    """What is kept from the model now and then, so that it learns to do without or with more.

    Attributes:
        drop: Share of examples without their label, and of those without their numbers.
        infill: Share of examples whose bases are given but for one stretch, or in one stretch.
    """

    drop: float = 0.1
    infill: float = 0.0


@dataclass(frozen=True)
class Objective:
    """What is learned of the sequences; the same in train and compare."""

    strand: Strand
    """both: the other strand is as good an example (peaks, enhancers); forward: it is none
    (promoters, coding starts); `inspect` has a hint"""
    encoding: str = "one-hot"
    """one-hot (-1 and 1), one-hot-01, bits or tetrahedron"""
    scale: float = 1.0
    """what the codes are multiplied with"""
    network: Kind = "cnn"
    """cnn or transformer"""
    size: str = "laptop"
    """laptop, small, medium or large"""
    equivariant: bool = False
    """a network that gives the same answer on both strands; with --strand both"""
    drop: float = 0.1
    """share of examples trained without their label or numbers, for guidance"""
    infill: float = 0.0
    """share of examples trained with bases given; their error is part of the profile"""
    sigma_min: float = 0.002
    """lowest noise level; --scale does not move it"""
    sigma_max: float = 80.0
    """highest noise level"""
    weight: str = "unit"
    """loss weight: unit or edm"""

    def __post_init__(self) -> None:
        if self.strand not in ("both", "forward"):
            raise InputError(f"--strand {self.strand}: give both or forward")
        if self.equivariant and self.strand != "both":
            raise InputError("--equivariant is for --strand both: on forward there is one strand")
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise InputError(
                f"--sigma-min {self.sigma_min:g} and --sigma-max {self.sigma_max:g} do not span a"
                " range: give 0 < sigma-min < sigma-max"
            )
        for name, share in (("--drop", self.drop), ("--infill", self.infill)):
            if not 0 <= share <= 1:
                raise InputError(f"{name} {share:g}: give a share from 0 to 1")
        self.weighting()
        preset(self.size, self.network)

    def code(self) -> Encoding:
        """The encoding that `encoding` and `scale` name; InputError where there is none such."""
        return make_encoding(self.encoding, self.scale)

    def weighting(self) -> Weight:
        """In units of the codes, so that their scale changes neither the loss nor its gradient."""
        std = self.code().std
        if self.weight == "edm":
            return edm_weight(std)
        if self.weight != "unit":
            raise InputError(f"--weight {self.weight}: no such weight; give edm or unit")
        return lambda sigma: torch.full_like(sigma, std**-2)

    def model(self, sequences: SequenceSet) -> ModelConfig:
        """The model for these training sequences."""
        network: NetworkConfig = preset(
            self.size,
            self.network,
            positions=self.strand == "forward",
            equivariant=self.equivariant,
        )
        frequencies = base_frequencies(sequences.codes, self.strand)
        a, c, g, t = frequencies.tolist()
        return ModelConfig(sequences.length, network, conditions_of(sequences), (a, c, g, t))

    def schedule_context(self, updates: int, sequences: SequenceSet) -> ScheduleContext:
        """What a schedule is made for."""
        channel = VarianceExploding(self.sigma_min, self.sigma_max)
        encoding = self.code()
        bases = max(1, round(float(sequences.mask.sum()) / len(sequences)))
        frequencies = base_frequencies(sequences.codes, self.strand)
        symbols = encoding.profile(channel, bases, frequencies)
        return ScheduleContext(
            channel, self.weighting(), updates, bases * encoding.channels, symbols
        )

    def task(self, sequences: SequenceSet, seed: int) -> "DnaTask":
        """The training sequences, with a fresh network."""
        denoiser = make_denoiser(self.model(sequences), self.code(), seed)
        hiding = Hiding(self.drop, self.infill)
        return DnaTask(sequences, denoiser, self.weighting(), self.strand, hiding)


def conditions_of(sequences: SequenceSet) -> Conditions:
    """The classes and the numbers with their mean and spread."""
    if sequences.numbers is None:
        return Conditions(sequences.classes)
    mean = sequences.numbers.mean(0, dtype=np.float64)
    std = sequences.numbers.std(0, dtype=np.float64)
    return Conditions(
        sequences.classes, sequences.number_names, tuple(mean.tolist()), tuple(std.tolist())
    )


def example_batch(sequences: SequenceSet, index: np.ndarray, encoding: Encoding) -> Batch:
    """Sequences at `index` (n,) as points, with what the model may be told of them."""
    codes = torch.from_numpy(np.array(sequences.codes[index]))
    condition: dict[str, Tensor] = {}
    mask = codes != MASKED
    if not bool(mask.all()):
        condition["mask"] = mask
    if sequences.labels is not None:
        condition["label"] = torch.from_numpy(np.array(sequences.labels[index]))
    if sequences.numbers is not None:
        condition["activity"] = torch.from_numpy(np.array(sequences.numbers[index]))
    return Batch(encoding.encode(codes), condition)


class DnaTask:
    """Denoise bases: w(sigma) |D(x0 + sigma eps, sigma) - x0|^2 / dim, over known bases.

    With strand `both` every second example, by chance, is trained as its other strand. This, and
    what `hiding` keeps back, is drawn from the global generator, which the loop seeds from the
    step. dim: coordinates of one sequence.
    """

    def __init__(
        self,
        sequences: SequenceSet,
        denoiser: BaseDenoiser,
        weight: Weight,
        strand: Strand,
        hiding: Hiding | None = None,
    ) -> None:
        self.sequences, self.strand, self.weight = sequences, strand, weight
        self.hiding = hiding or Hiding()
        self._encoding, self._conditions = denoiser.encoding, denoiser.config.conditions
        self.denoiser: nn.Module = denoiser
        self.dim = sequences.length * self._encoding.channels

    def __len__(self) -> int:
        return len(self.sequences)

    def batch(self, index: np.ndarray) -> Batch:
        return example_batch(self.sequences, index, self._encoding)

    def losses(self, denoiser: Denoiser, batch: Batch, sigma: Tensor, eps: Tensor) -> Losses:
        """Masked and given bases are reproduced by the denoiser and add exactly nothing."""
        if self.strand == "both":
            batch = self._turned(batch)
        batch = self._hidden(batch)
        error = squared_x0_error(denoiser, batch, sigma, eps)
        return Losses(self.weight(sigma) * error / self.dim, error.detach())

    def _turned(self, batch: Batch) -> Batch:
        x0 = batch.x0
        turn = torch.rand(len(x0), device=x0.device) < 0.5
        other = self._encoding.reverse_complement(x0)
        condition = dict(batch.condition)
        if "mask" in condition:
            mask = condition["mask"]
            condition["mask"] = torch.where(turn[:, None], mask.flip(1), mask)
        return Batch(torch.where(turn[:, None, None], other, x0), condition)

    def _hidden(self, batch: Batch) -> Batch:
        condition, n, device = dict(batch.condition), len(batch.x0), batch.x0.device
        if self.hiding.drop:
            for name, nothing in self._conditions.null().items():
                value = condition[name]
                drop = torch.rand(n, device=device) < self.hiding.drop
                drop = drop.reshape(n, *(1,) * (value.dim() - 1))
                condition[name] = torch.where(drop, nothing.to(value), value)
        if self.hiding.infill:
            codes = self._encoding.decode(batch.x0, condition.get("mask"))
            condition["given"] = codes.masked_fill(~_given(codes, self.hiding.infill), MASKED)
        return Batch(batch.x0, condition)


def _given(codes: Tensor, share: float) -> Tensor:
    """(n, L) which bases are given: in `share` of the rows all inside a random stretch, or all
    outside it.
    """
    n, length = codes.shape
    chance, first, second, side = torch.rand(4, n, 1, device=codes.device)
    ends = torch.cat([first, second], 1).sort(1)[0] * length
    place = torch.arange(length, device=codes.device)
    inside = (place >= ends[:, :1]) & (place < ends[:, 1:])
    given: Tensor = (chance < share) & torch.where(side < 0.5, inside, ~inside)
    return given


def describe(sequences: SequenceSet) -> dict[str, str | int | float | list[str]]:
    """What was trained on, as plain values: for the settings of a run and for results."""
    parts = np.bincount(sequences.split, minlength=3).tolist()
    return {
        "name": sequences.source,
        "length": sequences.length,
        "train": parts[0],
        "val": parts[1],
        "test": parts[2],
        "classes": list(sequences.classes),
        "numbers": list(sequences.number_names),
        "known": float(sequences.mask.mean()),
    }
