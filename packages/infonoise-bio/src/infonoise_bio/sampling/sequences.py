"""Sequences from a trained denoiser: new ones, and old ones with parts redesigned."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_bio.alphabet import MASKED, Codes, designs_of
from infonoise_bio.data.formats.fasta import write_fasta
from infonoise_bio.data.formats.record import Record
from infonoise_bio.models.denoiser import BaseDenoiser
from infonoise_bio.models.guided import Guided
from infonoise_bio.models.lengths import places_of
from infonoise_bio.models.restricted import Restricted
from infonoise_core.errors import InputError
from infonoise_core.processes.denoiser import Denoiser
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.churn import Churn
from infonoise_core.sampling.generate import generate_chunks

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sampling:
    """How the solver goes from noise to sequences.

    Attributes:
        sigmas: (k,) descending.
        guidance: 1 for none; needs a condition.
    """

    sigmas: Tensor
    solver: str = "dpmpp-2m"
    churn: Churn | None = None
    guidance: float = 1.0
    seed: int = 0
    chunk: int = 256
    s_noise: float = 1.003


@dataclass(frozen=True)
class Condition:
    """What the sequences shall be like; None where the model may choose.

    Attributes:
        label: Name of a class.
        activity: Numbers by name; NaN stands for those left out.
    """

    label: str | None = None
    activity: Mapping[str, float] = field(default_factory=dict)

    def rows(self, denoiser: BaseDenoiser) -> dict[str, Tensor]:
        """One row of each condition that is given: label (1,), activity (1, k).

        Raises:
            InputError: For a class or a number that was not seen in training.
        """
        known = denoiser.config.conditions
        rows: dict[str, Tensor] = {}
        if self.label is not None:
            rows["label"] = torch.tensor([known.label(self.label)])
        foreign = [name for name in self.activity if name not in known.activities]
        if foreign:
            there = ", ".join(known.activities) or "none"
            raise InputError(f"activity '{foreign[0]}' was not seen in training; there are {there}")
        if self.activity:
            numbers = [self.activity.get(name, float("nan")) for name in known.activities]
            rows["activity"] = torch.tensor([numbers])
        return rows


# Standard deviations from the mean of training beyond which a number is hardly known to a model.
_FAR = 3.0


def far_from_training(condition: Condition, denoiser: BaseDenoiser) -> list[str]:
    """A line for each number that lies beyond what the model was trained with."""
    known = denoiser.config.conditions
    lines = []
    for name, value in condition.activity.items():
        i = known.activities.index(name)
        mean, std = known.mean[i], known.std[i]
        if abs(value - mean) > _FAR * std:
            lines.append(
                f"note: --activity {name}={value:g} lies {abs(value - mean) / std:.3g} standard"
                f" deviations from the mean of training ({mean:.4g} ± {std:.3g}); the model knows"
                " little of it"
            )
    return lines


def design(
    denoiser: BaseDenoiser,
    n: int,
    sampling: Sampling,
    condition: Condition | None = None,
    progress: Progress | None = None,
) -> Iterator[Codes]:
    """New sequences, as codes (chunk, L), one chunk at a time.

    Of a model of several lengths they are as long as those of training, of its class, were.

    Args:
        denoiser: The trained network.
        n: How many.
        sampling: How the solver goes.
        condition: What they shall be like.
        progress: Called with (sequences just done, n).

    Raises:
        InputError: For a class or a number that was not seen in training.
    """
    rows = (condition or Condition()).rows(denoiser)
    each = {k: v.expand(n, *v.shape[1:]) for k, v in rows.items()}
    law = denoiser.config.lengths
    if law is not None:
        rng = generator(sampling.seed, Stream.SAMPLE, place=1)
        each["length"] = law.draw(n, rng, int(rows["label"]) if "label" in rows else None)
    return design_each(denoiser, n, sampling, each, progress)


def infill(
    denoiser: BaseDenoiser,
    templates: Codes,
    sampling: Sampling,
    condition: Condition | None = None,
    progress: Progress | None = None,
    allowed: NDArray[np.bool_] | None = None,
    lengths: NDArray[np.int64] | None = None,
) -> Iterator[Codes]:
    """Templates (n, L) completed: bases 0..3 stay, 4 are designed; one chunk at a time.

    With `allowed` (n, L, 4), as letters such as R have it, among the bases that may stand there.
    With `lengths` (n,) nothing is designed beyond the end of a template, which is 4, too.

    The model should have been trained with bases given (`Objective.infill`); otherwise it has not
    learned to look at them.
    """
    if templates.shape[1] != denoiser.config.length:
        raise InputError(
            f"templates of {templates.shape[1]} bases for a model of {denoiser.config.length}:"
            " give windows of its length"
        )
    n, start = len(templates), 0
    rows = (condition or Condition()).rows(denoiser)
    each = {k: v.expand(n, *v.shape[1:]) for k, v in rows.items()}
    each["given"] = torch.from_numpy(np.array(templates))
    if allowed is not None:
        each["allowed"] = torch.from_numpy(allowed).transpose(1, 2)
    if lengths is not None:
        each["length"] = torch.from_numpy(lengths)
    for codes in design_each(denoiser, n, sampling, each, progress):
        part = templates[start : start + len(codes)]
        start += len(codes)
        yield np.where(part == MASKED, codes, part)


def records_of(
    chunks: Iterable[Codes],
    names: Callable[[int], str],
    fields: Mapping[str, str] | None = None,
) -> Iterator[Record]:
    """FASTA records, named by their number from 0; what is masked at an end is padding."""
    number = 0
    for codes in chunks:
        for letters in designs_of(codes):
            name = names(number)
            yield Record(name, letters.encode(), dict(fields or {}), name)
            number += 1


def write_designs(
    out: Path, chunks: Iterable[Codes], prefix: str, fields: Mapping[str, str] | None = None
) -> int:
    """Write sequences as they come, numbered from 1; nothing is left behind by an interruption."""
    return write_fasta(out, records_of(chunks, lambda number: f"{prefix}_{number + 1}", fields))


def design_each(
    denoiser: BaseDenoiser,
    n: int,
    sampling: Sampling,
    condition: Mapping[str, Tensor],
    progress: Progress | None = None,
) -> Iterator[Codes]:
    """New sequences, each with conditions of its own, as codes (chunk, L), one chunk at a time.

    At the end of the way the state is the mean point of the posterior at the lowest level; the
    nearest base to it is the most probable one. Beyond the end of a sequence codes are 4.
    """
    if n < 1:
        raise InputError(f"--samples {n}: give at least 1")
    null = {k: v for k, v in denoiser.config.conditions.null().items() if k in condition}
    device = next(denoiser.parameters()).device
    posterior: BaseDenoiser | Guided = denoiser.eval()
    if sampling.guidance != 1:
        if not null:
            raise InputError(
                f"--guidance {sampling.guidance:g} without a condition: give a label or an activity"
            )
        posterior = Guided(denoiser, sampling.guidance, null)
    allowed, lengths = condition.get("allowed"), condition.get("length")
    conditioned: Denoiser = posterior if allowed is None else Restricted(posterior)
    encoding, start = denoiser.encoding, 0
    shape = (encoding.channels, denoiser.config.length)
    for part in generate_chunks(
        conditioned, shape, n, sampling.sigmas,
        solver=sampling.solver, churn=sampling.churn, s_noise=sampling.s_noise,
        seed=sampling.seed, chunk=sampling.chunk, condition=condition, progress=progress,
        origin=encoding.origin, device=device,
    ):  # fmt: skip
        if not bool(part.x.isfinite().all()):
            raise InputError("the model's sequences are not finite; train again with a lower --lr")
        codes = encoding.decode(part.x)
        rows = slice(start, start + len(codes))
        if allowed is not None:
            logits = encoding.logits(part.x, part.x.new_ones(len(codes)))
            codes = logits.masked_fill(~allowed[rows], -torch.inf).argmax(1)
        if lengths is not None:
            codes = codes.masked_fill(~places_of(lengths[rows], codes.shape[1]), MASKED)
        start = rows.stop
        yield codes.to(torch.uint8).numpy()
