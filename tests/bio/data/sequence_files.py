"""Sequences for tests: random ones, files of given ones, and how they are read."""

from pathlib import Path

import numpy as np
import pytest

from infonoise_bio.data.options import Splitting, Windowing
from infonoise_bio.data.sequences import SequenceSet, load_sequences
from infonoise_core import InputError

DNA = Path(__file__).parents[4] / "shared" / "data" / "dna"
NOTHING_HELD_OUT = Splitting(val=0, test=0)


def random_codes(n: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (n, length), dtype=np.uint8)


def fasta(path: Path, sequences: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in sequences.items()))
    return path


def load(path: Path, splitting: Splitting = NOTHING_HELD_OUT, **windowing) -> SequenceSet:
    return load_sequences(path, windowing=Windowing(**windowing), splitting=splitting)


def refused(match: str, call, *arguments, **options) -> None:
    with pytest.raises(InputError, match=match) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
