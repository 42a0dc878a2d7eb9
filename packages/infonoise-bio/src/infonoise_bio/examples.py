"""What a command is told of its data: a file and how to read it, or the embedded generator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes

from infonoise_bio.data.open import Reading
from infonoise_bio.data.sequences import SequenceSet, load_sequences
from infonoise_bio.data.split import Splitting
from infonoise_bio.data.windows import Windowing
from infonoise_bio.synthetic import demo_sequences
from infonoise_core.errors import InputError

# Data of this name are made up: they need no file.
PLANTED = "planted"


@dataclass(frozen=True)
class Examples:
    """How a file becomes sequences of one length; the same in train and compare."""

    label: str | None = None
    """column, FASTA header word or qualifier that holds the class of a sequence"""
    numbers: tuple[str, ...] = ()
    """those that hold numbers, such as measured activities"""
    reading: OmitArgPrefixes[Reading] = field(default_factory=Reading)
    windowing: OmitArgPrefixes[Windowing] = field(default_factory=Windowing)
    splitting: OmitArgPrefixes[Splitting] = field(default_factory=Splitting)

    def load(self, data: str) -> SequenceSet:
        """All sequences of a file, or those of the generator, which takes no options."""
        if data == PLANTED:
            if self != Examples():
                raise InputError(
                    f"{PLANTED} is made up and takes no options of reading; for a file of that"
                    f" name give ./{PLANTED}"
                )
            return demo_sequences()
        return load_sequences(
            Path(data), self.reading, self.windowing, self.splitting, self.label, self.numbers
        )

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Examples":
        """What a run's config.json holds."""
        reading = dict(values["reading"])
        if reading["genome"] is not None:
            reading["genome"] = Path(reading["genome"])
        return Examples(
            values["label"],
            tuple(values["numbers"]),
            Reading(**reading),
            Windowing(**values["windowing"]),
            Splitting(**values["splitting"]),
        )


def parts(sequences: SequenceSet, held_out: str) -> tuple[SequenceSet, SequenceSet]:
    """The training sequences and those of `held_out`, val or test; where that part is empty, those
    of the other.
    """
    training, found = sequences.part("train"), sequences.part(held_out)
    if not len(found):
        found = sequences.part({"val": "test", "test": "val"}[held_out])
    if len(training) < 2 or len(found) < 2:
        raise InputError(
            f"{sequences.source}: {len(training)} sequences to train on and {len(found)} held out;"
            " give at least 2 of each"
        )
    return training, found
