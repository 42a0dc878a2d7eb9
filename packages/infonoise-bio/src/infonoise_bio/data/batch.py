"""Sequences as the points that a network is trained on, with what it may be given of them."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infonoise_bio.alphabet import MASKED
from infonoise_bio.data.sequences import SequenceSet
from infonoise_core.training.task import Batch


class Encoder(Protocol):
    """Codes as points: `models.encoding.Encoding`."""

    def encode(self, codes: Tensor) -> Tensor:
        """Codes (n, L), 0..4 -> x0 (n, C, L) float32."""


def example_batch(sequences: SequenceSet, index: NDArray[np.int64], encoding: Encoder) -> Batch:
    """Sequences at `index` (n,) as points, with what the model may be given of them.

    Args:
        sequences: Where they are taken from.
        index: Their numbers.
        encoding: What makes points of their codes.

    Returns:
        x0 (n, C, L), and as conditions `mask` (n, L) where a base is not known, `length` (n,),
        `label` (n,) and `activity` (n, k) where the sequences have them.
    """
    codes = torch.from_numpy(np.array(sequences.codes[index]))
    condition: dict[str, Tensor] = {}
    mask = codes != MASKED
    if not bool(mask.all()):
        condition["mask"] = mask
    if sequences.lengths is not None:
        condition["length"] = torch.from_numpy(np.array(sequences.lengths[index]))
    if sequences.labels is not None:
        condition["label"] = torch.from_numpy(np.array(sequences.labels[index]))
    if sequences.numbers is not None:
        condition["activity"] = torch.from_numpy(np.array(sequences.numbers[index]))
    return Batch(encoding.encode(codes), condition)
