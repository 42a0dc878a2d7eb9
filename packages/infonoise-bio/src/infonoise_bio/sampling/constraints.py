"""Which bases may stand where: IUPAC letters, motifs at places, and shares of G and C."""

from collections.abc import Sequence

import numpy as np
from Bio.Data.IUPACData import ambiguous_dna_values
from numpy.typing import NDArray

from infonoise_bio.alphabet import AMBIGUITY, BASES, Codes
from infonoise_core.errors import InputError

Allowed = NDArray[np.bool_]

# Letter -> the bases that it stands for.
_LETTERS = {
    letter: np.array([base in {**ambiguous_dna_values, "U": "T"}[letter] for base in BASES])
    for letter in BASES + "U" + AMBIGUITY.decode()
}


def allowed_by(letters: str, where: str) -> Allowed:
    """(L, 4) the bases that IUPAC letters stand for: R is A or G, N any.

    Raises:
        InputError: For a letter that is none.
    """
    foreign = next((x for x in letters.upper() if x not in _LETTERS), None)
    if foreign is not None:
        raise InputError(f"{where}: {foreign!r} is no IUPAC letter of a nucleotide")
    return np.array([_LETTERS[x] for x in letters.upper()]).reshape(-1, len(BASES))


def placed(places: Sequence[str], length: int) -> Allowed:
    """(length, 4) what is left by motifs such as TATAWR@30, each at its first base, from 0.

    Raises:
        InputError: For what is no motif and place, leaves the sequence, or contradicts another.
    """
    allowed = np.ones((length, len(BASES)), np.bool_)
    for text in places:
        motif, at, place = text.partition("@")
        if not at or not motif or not place.isdecimal():
            raise InputError(f"--place {text}: give letters and a position from 0, as in TATA@30")
        start = int(place)
        own = allowed_by(motif, f"--place {text}")
        if start + len(own) > length:
            raise InputError(
                f"--place {text}: its end lies at {start + len(own)}, and sequences have {length}"
                " bases"
            )
        allowed[start : start + len(own)] &= own
        empty = np.flatnonzero(~allowed.any(1))
        if len(empty):
            raise InputError(f"--place {text}: contradicts another at position {empty[0]}")
    return allowed


def parse_gc(text: str) -> tuple[float, float]:
    """Ends of a share of G and C such as 0.4-0.6, both included."""
    low, dash, high = text.partition("-")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = 1.0, 0.0
    if not dash or not 0 <= ends[0] <= ends[1] <= 1:
        raise InputError(f"--gc {text}: give two shares, as in 0.4-0.6")
    return ends


def check_gc(text: str, allowed: Allowed) -> None:
    """InputError where no sequence of the letters (L, 4) that may stand has such a share."""
    low, high = parse_gc(text)
    strong = np.array([base in "CG" for base in BASES])
    least = float((~allowed[:, ~strong].any(1)).mean())
    most = float(allowed[:, strong].any(1).mean())
    if most < low - 1e-9 or least > high + 1e-9:
        raise InputError(
            f"--gc {text}: the letters of --place leave a share of {least:.3g} to {most:.3g}; give"
            " others, or wider ends"
        )


def within_gc(codes: Codes, ends: tuple[float, float]) -> NDArray[np.bool_]:
    """(n,) whether the share of G and C lies within both ends."""
    share = np.isin(codes, [BASES.index("C"), BASES.index("G")]).mean(1)
    # Shares are counts over a length: a rounding of the ends must not leave one out.
    within: NDArray[np.bool_] = (share >= ends[0] - 1e-9) & (share <= ends[1] + 1e-9)
    return within
