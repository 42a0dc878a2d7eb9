"""From what a command is given of its data to sequences: a file, or the embedded generator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from infonoise_bio.data.options import PLANTED, Examples
from infonoise_bio.data.sequences import SequenceSet, load_sequences
from infonoise_bio.data.split import SPLITS
from infonoise_bio.synthetic import demo_sequences
from infonoise_core.errors import InputError


def load_examples(examples: Examples, data: str) -> SequenceSet:
    """All sequences of a file, or those of the generator, which takes no options.

    Args:
        examples: How the file is read.
        data: Its path, or PLANTED.

    Raises:
        InputError: Names the record at fault, in one line.
    """
    if data == PLANTED:
        taken = next((name for name in examples.numbers if Path(name).is_file()), None)
        if taken is not None:
            raise InputError(f"--numbers took {taken} for a name: give the file before the options")
        if examples != Examples():
            raise InputError(
                f"{PLANTED} is made up and takes no options of reading; for a file of that"
                f" name give ./{PLANTED}"
            )
        return demo_sequences()
    return load_sequences(
        data,
        examples.reading,
        examples.windowing,
        examples.splitting,
        examples.label,
        examples.numbers,
        unlabelled=examples.unlabelled,
    )


def parts(sequences: SequenceSet, held_out: str) -> tuple[SequenceSet, SequenceSet]:
    """The training sequences, and those that are held out.

    Args:
        sequences: All of them.
        held_out: val or test; where that part is empty, the other one is taken.

    Raises:
        InputError: Where either has fewer than 2 sequences.
    """
    training, found = sequences.part("train"), sequences.part(held_out)
    if not len(found):
        found = sequences.part({"val": "test", "test": "val"}[held_out])
    if len(training) < 2 or len(found) < 2:
        raise InputError(
            f"{sequences.source}: {len(training)} sequences to train on and {len(found)} held out;"
            " give at least 2 of each, by more sequences or larger --val and --test"
        )
    return training, found


def describe(sequences: SequenceSet) -> dict[str, str | int | float | list[str]]:
    """What sequences are, as plain values: for the settings of a run and for results."""
    parts = np.bincount(sequences.split, minlength=len(SPLITS)).tolist()
    shortest = {} if sequences.lengths is None else {"shortest": int(sequences.lengths.min())}
    return {
        "name": sequences.source,
        "length": sequences.length,
        **shortest,
        **dict(zip(SPLITS, parts, strict=True)),
        "classes": list(sequences.classes),
        "numbers": list(sequences.number_names),
        "known": float(sequences.mask.mean()),
    }


def bases_in(described: Mapping[str, Any]) -> str:
    """How long sequences are, in words.

    Args:
        described: What `describe` says of them.
    """
    low, high = described.get("shortest"), described["length"]
    return f"{high} bases" if low is None else f"{low} to {high} bases"
