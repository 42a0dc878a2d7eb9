"""Designed sequences from a file, brought together like those that a run makes itself."""

from array import array
from dataclasses import replace
from pathlib import Path

import numpy as np

from infonoise_bio.alphabet import MASKED, codes_of
from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.formats.options import Reading
from infonoise_bio.data.formats.record import Record
from infonoise_bio.data.open import read_source
from infonoise_bio.data.sequences import SequenceSet
from infonoise_core.errors import InputError

# The word of a FASTA header in which `sample` names the class.
LABEL = "label"
# As many as an evaluation asks for.
LEAST = 20


def read_designs(
    path: Path, like: SequenceSet, n: int, label: str | None = None, seed: int = 0
) -> SequenceSet:
    """Sequences of a file, of the length (or as long at most) and with the classes of `like`.

    Labels are taken if every sequence has one in its header.

    Args:
        path: FASTA.
        like: What they are compared with.
        n: How many; drawn at random where there are more.
        label: Only this class is taken where there are labels; without them all are taken to be
            of it.
        seed: Of the draw.

    Raises:
        InputError: Names a sequence of another length, or of a class that is not there.
    """
    rows, ids, labels = bytearray(), list[str](), list[str | None]()
    lengths = array("q")
    for record in read_source(path, Reading(), Counts()):
        said = _label(record, like)
        if label is None or said in (None, label):
            rows += codes_of(record.letters).ljust(like.length, bytes([MASKED]))
            lengths.append(len(record))
            ids.append(record.id)
            labels.append(said)
    if len(ids) < LEAST:
        which = "" if label is None else f" of label {label}"
        raise InputError(f"{path}: {len(ids)} sequences{which}; give at least {LEAST}")
    index = [like.classes.index(name) for name in labels if name is not None]
    if label is not None:
        index = [like.classes.index(label)] * len(ids)
    designs = replace(
        like,
        source=str(path),
        codes=np.frombuffer(rows, np.uint8).reshape(len(ids), -1),
        ids=np.array(ids),
        split=np.zeros(len(ids), np.uint8),
        labels=np.array(index, np.int64) if len(index) == len(ids) else None,
        numbers=None,
        number_names=(),
        lower=None,
        lengths=None if like.lengths is None else np.array(lengths),
    )
    return designs.take(np.sort(np.random.default_rng(seed).permutation(len(ids))[:n]))


def _label(record: Record, like: SequenceSet) -> str | None:
    most = "" if like.lengths is None else "at most "
    if len(record) > like.length or (like.lengths is None and len(record) != like.length):
        raise InputError(
            f"{record.where} has {len(record)} bases and those of {like.source}"
            f" {most}{like.length}; give designs of {most}{like.length}"
        )
    label = record.fields.get(LABEL)
    if label is not None and label not in like.classes:
        there = ", ".join(like.classes) or "none"
        raise InputError(f"{record.where}: label '{label}' is not known; there are {there}")
    return label
