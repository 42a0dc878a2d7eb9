"""Sequences from the models that diffusion is compared with, one chunk at a time."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from infonoise_bio.alphabet import MASKED, Codes
from infonoise_bio.methods.baselines import GivenBases
from infonoise_bio.sampling.sequences import Progress, Wanted
from infonoise_core.errors import InputError
from infonoise_core.rng import Stream, generator
from infonoise_core.sampling.discrete import first_hitting, left_to_right


@torch.no_grad()
def design_from_given(
    model: GivenBases,
    n: int,
    calls: int | None = None,
    wanted: Wanted | None = None,
    *,
    seed: int = 0,
    chunk: int = 256,
    progress: Progress | None = None,
) -> Iterator[Codes]:
    """n new sequences as codes (chunk, L): of a causal network from the 5' end on, of another by
    the first-hitting sampler of masked diffusion.

    Args:
        calls: Of the network for each sequence, 1 to L, if it is not causal: fewer than L let
            several bases come to light at once, each as if alone.  A causal one is called L
            times.

    Raises:
        InputError: For a label or a number that was not seen in training.
    """
    length = model.config.length
    calls = length if calls is None else calls
    if n < 1:
        raise InputError(f"--n {n}: give at least 1")
    if not 1 <= calls <= length:
        raise InputError(f"--steps {calls}: give 1 to {length}, one for each base")
    told = _Told(model.eval(), wanted or Wanted())
    for start in range(0, n, chunk):
        rows, rng = min(chunk, n - start), generator(seed, Stream.SAMPLE, start)
        if model.config.network.causal:
            codes = left_to_right(told.next_base, rows, length, rng)
        else:
            codes = first_hitting(told.hidden_bases, rows, length, calls, rng)
        yield codes.numpy().astype(np.uint8)
        if progress is not None:
            progress(rows, n)


class _Told:
    """What a network says of bases that are not known, given those that are, under a condition."""

    def __init__(self, model: GivenBases, wanted: Wanted) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._condition = {k: v.to(self._device) for k, v in wanted.condition(model).items()}

    def hidden_bases(self, codes: Tensor, hidden: Tensor) -> Tensor:
        """codes (n, L) and which of them are hidden (n, L) -> (n, L, 4)."""
        return self._chances(codes.masked_fill(hidden, MASKED)).transpose(1, 2)

    def next_base(self, before: Tensor) -> Tensor:
        """codes so far (n, i) -> (n, 4)."""
        start = torch.full((len(before), 1), MASKED)
        return self._chances(torch.cat([start, before], 1))[:, :, -1]

    def _chances(self, given: Tensor) -> Tensor:
        condition = {k: v.expand(len(given), *v.shape[1:]) for k, v in self._condition.items()}
        chances: Tensor = self._model(given.to(self._device), **condition)
        return chances
