"""2bit genomes (UCSC): windows are read from their place, sizes are compared with the file."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from Bio import SeqIO

from infonoise_bio.data.formats.counts import Counts
from infonoise_bio.data.genomes.indexed import Chromosome, counted
from infonoise_core.errors import InputError
from infonoise_core.reading import check_regular

# The signature as either byte order writes it -> that order, in struct's letters.
_ORDERS = {b"\x43\x27\x41\x1a": "<", b"\x1a\x41\x27\x43": ">"}
_HEADER, _NUMBER = 16, 4


class _Letters:
    """Letters of one record, by Biopython."""

    def __init__(self, sequence: Any) -> None:
        self._sequence = sequence

    def __len__(self) -> int:
        return len(self._sequence)

    def __getitem__(self, places: slice, /) -> bytes:
        start, stop, _ = places.indices(len(self))
        return bytes(self._sequence[start:stop]) if stop > start else b""


def twobit_genome(path: Path, counts: Counts) -> Iterator[Chromosome]:
    """The sequences of a 2bit file, in its order."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            _check_sizes(file, path.stat().st_size)
            file.seek(0)
            records = list(SeqIO.parse(file, "twobit"))  # type: ignore[no-untyped-call]
            for record in records:
                where = f"{path}: record '{record.id}'"
                yield counted(Chromosome(record.id, _Letters(record.seq), where), counts)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    # Biopython raises any of these for a file that ends too early.
    except (ValueError, RuntimeError, MemoryError, OverflowError, IndexError) as error:
        raise InputError(
            f"{path}: is no 2bit file that can be read ({error}); get it again"
        ) from None


def _check_sizes(file: BinaryIO, size: int) -> None:
    """ValueError for an index or a record that would reach beyond the end of the file.

    Biopython believes the numbers in it, and makes room for as many records as they say.
    """
    order = _ORDERS.get(file.read(_NUMBER))
    if order is None:
        raise ValueError("it does not begin as one")

    def numbers(n: int) -> tuple[int, ...]:
        if n * _NUMBER > size - file.tell():
            raise ValueError("it ends too early")
        return struct.unpack(f"{order}{n}I", file.read(n * _NUMBER))

    _, count, _ = numbers(3)
    if count * (1 + _NUMBER) > size - _HEADER:
        raise ValueError(f"it has no room for {count} sequences")
    places = list[int]()
    for _ in range(count):
        file.seek((file.read(1) or b"\0")[0], 1)
        places += numbers(1)
    for place in places:
        file.seek(place)
        (bases,) = numbers(1)
        for _ in ("unknown", "lower case"):
            (blocks,) = numbers(1)
            starts, lengths = numbers(blocks), numbers(blocks)
            if any(s + n > bases for s, n in zip(starts, lengths, strict=True)):
                raise ValueError("a block of letters ends after its sequence")
        numbers(1)
        if file.tell() + -(-bases // 4) > size:
            raise ValueError(f"it has no room for a sequence of {bases} bases")
