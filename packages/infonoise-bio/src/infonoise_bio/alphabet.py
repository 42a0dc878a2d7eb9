"""DNA letters and their codes: A C G T are 0 1 2 3, and 4 is a base that is not known."""

import numpy as np
import torch
from Bio.Seq import Seq
from numpy.typing import NDArray
from torch import Tensor

Codes = NDArray[np.uint8]

BASES = "ACGT"
MASKED = 4
# Stands for a base where there is none (beyond the end of a record); never read from a file.
PAD = b"-"
AMBIGUITY = b"RYSWKMBDHVN"

ALLOWED = b"ACGTU" + AMBIGUITY + b"acgtu" + AMBIGUITY.lower()
_BASE_BYTES = tuple(BASES.encode())
# Bytes that are compared at once: they stay in a processor's cache.
_AT_ONCE = 1 << 16
_RNA = bytes.maketrans(b"Uu", b"Tt")
_TO_CODES = bytes(BASES.lower().find(chr(i).lower()) % 5 for i in range(256))
_IS_LOWER = bytes(chr(i).islower() and i < 128 for i in range(256))
_TO_LETTERS = np.frombuffer(b"ACGTN", np.uint8)
_COMPLEMENT = bytes([3, 2, 1, 0, 4]) + bytes(range(5, 256))


def only_bases(letters: bytes) -> bool:
    """Whether all are A C G T in upper case; a tenth of the time of `bytes.translate`."""
    if b"E" in letters:
        return False
    row = np.frombuffer(letters, np.uint8)
    for start in range(0, len(row), _AT_ONCE):
        part = row[start : start + _AT_ONCE]
        # Without these bits A, C, E and G are one byte.
        clear = (part & 0xF9) == _BASE_BYTES[0]
        clear |= part == _BASE_BYTES[3]
        if not clear.all():
            return False
    return True


def foreign_letter(letters: bytes) -> int | None:
    """Place of the first letter that is neither a base nor an IUPAC ambiguity code, if any."""
    foreign = letters.translate(None, ALLOWED)
    return letters.index(foreign[:1]) if foreign else None


def rna_to_dna(letters: bytes) -> bytes:
    """U -> T, the case kept."""
    return letters.translate(_RNA)


def codes_of(letters: bytes) -> bytes:
    """One code per letter; everything but A C G T, in either case, is masked."""
    return letters.translate(_TO_CODES)


def lower_of(letters: bytes) -> bytes:
    """1 where a letter is lower case, else 0."""
    return letters.translate(_IS_LOWER)


def letters_of(codes: Codes) -> list[str]:
    """Sequences of codes (n, L) as text, N where masked."""
    return [row.tobytes().decode("ascii") for row in _TO_LETTERS[codes]]


def designs_of(codes: Codes) -> list[str]:
    """Sequences in which all bases are known, as text: what is masked at their end is padding."""
    return [text.rstrip("N") for text in letters_of(codes)]


def reverse_complement(letters: bytes) -> bytes:
    """The other strand, read from its own 5' end; ambiguity codes and case are respected."""
    return bytes(Seq(letters).reverse_complement())  # type: ignore[no-untyped-call]


def complement_codes(codes: bytes) -> bytes:
    """The other strand of codes, read from its own 5' end."""
    return codes.translate(_COMPLEMENT)[::-1]


def reverse_complement_codes(codes: Codes) -> Codes:
    """The other strand of sequences (n, L), each read from its own 5' end."""
    table = np.frombuffer(_COMPLEMENT[:5], np.uint8)
    return table[codes[:, ::-1]]


def base_frequencies(codes: Codes, *, both_strands: bool) -> Tensor:
    """Shares of A C G T among the known bases of codes (n, L), as (4,) float64.

    Args:
        codes: A C G T as 0 1 2 3; 4 is left out.
        both_strands: Count the reverse complement of each sequence, too: then A and T have the same
            share, and C and G.
    """
    counts = np.bincount(np.ravel(codes), minlength=MASKED + 1)[:MASKED]
    # One of each on top, so that none is impossible.
    table = torch.from_numpy(counts + 1).to(torch.float64)
    if both_strands:
        table = table + table.flip(0)
    return table / table.sum()
