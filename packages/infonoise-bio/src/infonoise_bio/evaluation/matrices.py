"""Motif files -> matrices: JASPAR, MEME, TRANSFAC, HOMER, CIS-BP, UniPROBE, and plain numbers.

Which format a file has is read from its content. Numbers without letters are rows of A C G T or of
positions, by which way the matrix has four; where it has four both ways, it is refused.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from Bio import motifs
from numpy.typing import NDArray

from infonoise_bio.alphabet import BASES
from infonoise_bio.data.formats.textfile import open_binary, stem_of
from infonoise_core.errors import InputError
from infonoise_core.reading import read_upto, size_words

FORMATS = "JASPAR, MEME, TRANSFAC, HOMER, CIS-BP, or numbers under a line '>id name'"
# What probabilities are multiplied with, so that a pseudocount weighs as little as beside counts.
_SITES = 100
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_BRACKETS = str.maketrans("[]:|", "    ")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
# How far probabilities of one position may be from 1, as they are written with few digits.
_ROUNDING = 0.02
# Counts of a position come to more.
_FEWEST = 2
# Lines of CIS-BP above a table that say what it is called.
_ID, _NAME = "Motif", "TF Name"
_MOST = 64 * 2**20

Rows = list[list[float]]


@dataclass(frozen=True, eq=False)
class Matrix:
    """A motif.

    Attributes:
        id, name: As in the file; either may be empty.
        counts: (width, 4) of A C G T at each position.
    """

    id: str
    name: str
    counts: NDArray[np.float64]


def read_matrices(path: Path) -> list[Matrix]:
    """All matrices of a file.

    Raises:
        InputError: Where it holds none, or one that cannot be read or can be read two ways.
    """
    with open_binary(path) as (stream, place):
        place.record = "motifs"
        # Bytes: asked for so many characters, Python makes room for four times as many.
        content = read_upto(stream, _MOST + 1)
        if len(content) > _MOST:
            raise InputError(f"{path}: holds more than {size_words(_MOST)}; give a part of it")
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise InputError(f"{path}: holds no motif; give {FORMATS}")
    text = re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)
    # Programs of the suite write some lines of their own before it, and some not even the version.
    if re.search(r"^MEME version|^letter-probability matrix:", text, re.MULTILINE):
        found = list(_meme(text, path))
    elif text.lstrip().startswith(">"):
        found = list(_blocks(text, path))
    elif re.search(r"^(P0|PO)\s", text, re.MULTILINE):
        found = _transfac(text, path)
    elif headed := _headed(text, stem_of(path)[0]):
        found = list(_blocks(headed, path))
    else:
        raise InputError(f"{path}: is no file of motifs; give {FORMATS}")
    if not found:
        raise InputError(f"{path}: holds no motif; give {FORMATS}")
    return found


def _headed(text: str, stem: str) -> str:
    """Tables that no '>' names, each under a line with one; nothing where there is no table.

    CIS-BP writes lines such as `Motif M00001_2.00` above a table, UniPROBE a name, and files of one
    motif often nothing: then it is called as the file.
    """
    blocks: list[list[str]] = []
    said: dict[str, str] = {}
    within = False
    for line in filter(str.strip, text.splitlines()):
        is_row = _is_row(line)
        if is_row and not within:
            number = said.get(_ID) or next(iter(said), "") or stem
            blocks.append([f">{number}\t{said.get(_NAME, '')}"])
            said = {}
        if is_row:
            blocks[-1].append(line)
        else:
            key, _, value = line.strip().partition("\t")
            said[key] = value.strip()
        within = is_row
    return "\n".join(line for block in blocks for line in block)


def _is_row(line: str) -> bool:
    """Whether a line is of a matrix: numbers, perhaps behind a base, or letters above columns."""
    first, *others = line.translate(_BRACKETS).split() or [""]
    if sorted(map(_bases, others[-4:])) == sorted(BASES):
        return True
    is_first = _bases(first) in BASES or _NUMBER.fullmatch(first) is not None
    return is_first and bool(others) and all(map(_NUMBER.fullmatch, others))


def _blocks(text: str, path: Path) -> Iterator[Matrix]:
    """JASPAR, HOMER and plain numbers: a header line that starts with '>' before each matrix."""
    for block in text.lstrip()[1:].split("\n>"):
        header, _, body = block.partition("\n")
        lines = [line for line in body.splitlines() if line.strip() and line.strip() != "//"]
        number, *words = header.strip().split("\t" if "\t" in header else None, maxsplit=1) or [""]
        name = number.strip() or "(no name)"
        where = f"{path}: motif '{name}'"
        if not lines:
            raise InputError(f"{where}: has no numbers; give {FORMATS}")
        labelled = [_bases(line.split()[0].strip(":|")) for line in lines]
        heads = _bases(lines[0]).split()
        if sorted(labelled) == sorted(BASES):
            rows = dict(zip(labelled, _numbers(lines, where, skip=1), strict=True))
            table = [rows[base] for base in BASES]
        elif sorted(heads[-4:]) == sorted(BASES):
            # A line of letters above a row for each position, which may be numbered (CIS-BP).
            numbers = _numbers(lines[1:], where, skip=len(heads) - 4)
            if len(numbers[0]) != len(BASES):
                raise InputError(f"{where}: a row has {len(numbers[0])} numbers, not four")
            table = [[row[heads[-4:].index(base)] for row in numbers] for base in BASES]
        else:
            table = _by_base(_numbers(lines, where), where, by_position=_is_homer(header))
        title = words[0].partition("\t")[0].strip() if words else ""
        yield _matrix(name, title, np.array(table, dtype=np.float64).T, where)


def _is_homer(header: str) -> bool:
    """Whether a header has a threshold behind the name, as HOMER's have."""
    words = header.split("\t")
    return len(words) > 2 and _NUMBER.fullmatch(words[2].strip()) is not None


def _bases(text: str) -> str:
    """Letters in upper case, those of RNA as those of DNA."""
    return text.upper().replace("U", "T")


def _numbers(lines: Sequence[str], where: str, skip: int = 0) -> Rows:
    rows = []
    for line in lines:
        if len(line.split()) > 1 and any(_DECIMAL_COMMA.fullmatch(word) for word in line.split()):
            raise InputError(f"{where}: {line.strip()[:40]!r} has decimal commas; write points")
        words = line.replace("[", " ").replace("]", " ").replace(",", " ").split()[skip:]
        if not words or not all(_NUMBER.fullmatch(word) for word in words):
            raise InputError(f"{where}: {line.strip()[:40]!r} is no row of numbers")
        rows.append([float(word) for word in words])
    if not rows:
        raise InputError(f"{where}: has letters above its columns and no numbers below them")
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{where}: its rows have not all as many numbers; give {FORMATS}")
    return rows


def _by_base(rows: Rows, where: str, *, by_position: bool = False) -> Rows:
    """Four rows, of A C G T, of a matrix without letters."""
    height, width = len(rows), len(rows[0])
    if height == width == len(BASES) and not by_position:
        raise InputError(
            f"{where}: four rows of four numbers are A C G T or four positions; write the letters"
            " A C G T in front of its rows"
        )
    if height == len(BASES) and not by_position:
        return rows
    if width == len(BASES):
        return [list(column) for column in zip(*rows, strict=True)]
    raise InputError(f"{where}: {height} rows of {width} numbers; one of both must be four")


def _meme(text: str, path: Path) -> Iterator[Matrix]:
    """Minimal MEME: `MOTIF id name`, then a letter-probability matrix, a row for each position."""
    alphabet = re.search(r"^ALPHABET=\s*(\S+)", text, re.MULTILINE)
    if alphabet is not None and _bases(alphabet[1]) != BASES:
        raise InputError(f"{path}: its alphabet is {alphabet[1]}; give motifs of DNA")
    for block in re.split(r"^MOTIF\s+", text, flags=re.MULTILINE)[1:]:
        words = block.partition("\n")[0].split(maxsplit=1)
        where = f"{path}: motif '{words[0] if words else ''}'"
        match = re.search(r"letter-probability matrix:[^\n]*\n((?:[ \t]*[-+.\deE \t]+\n?)+)", block)
        if not words or match is None:
            raise InputError(f"{where}: has no letter-probability matrix")
        rows = _numbers([line for line in match[1].splitlines() if line.strip()], where)
        if len(rows[0]) != len(BASES):
            raise InputError(f"{where}: a row has {len(rows[0])} numbers, not four")
        width = re.search(r"letter-probability matrix:[^\n]*\bw=\s*(\d+)", block)
        if width is not None and int(width[1]) != len(rows):
            raise InputError(
                f"{where}: has {len(rows)} rows, and w= {width[1]} above them; the file is cut off"
                " or was changed: get it again, or correct w="
            )
        name = words[1].strip() if len(words) > 1 else ""
        yield _matrix(words[0], name, np.array(rows, dtype=np.float64), where)


def _transfac(text: str, path: Path) -> list[Matrix]:
    # Biopython passes over a motif without its end.
    if re.search(r"^(P0|PO)\s", re.split(r"^//", text, flags=re.MULTILINE)[-1], re.MULTILINE):
        raise InputError(
            f"{path}: its last motif has no end ('//'); write it, or get the file again if it is"
            " cut off"
        )
    try:
        with warnings.catch_warnings():
            # Files by hand have one space where the format has two.
            warnings.simplefilter("ignore")
            parsed = motifs.parse(io.StringIO(text), "TRANSFAC", strict=False)  # type: ignore[no-untyped-call]
            found = list(parsed)
    except (ValueError, IndexError, KeyError, AttributeError, NameError) as error:
        raise InputError(f"{path}: is no TRANSFAC file that can be read ({error})") from None
    matrices = []
    for motif in found:
        table = np.array([motif.counts[base] for base in BASES], dtype=np.float64).T
        name, number = str(motif.get("ID") or ""), str(motif.get("AC") or "")
        where = f"{path}: motif '{number or name}'"
        matrices.append(_matrix(number or name, name if number else "", table, where))
    return matrices


def _matrix(number: str, name: str, table: NDArray[np.float64], where: str) -> Matrix:
    """Counts of probabilities or counts; InputError for what is neither."""
    total = table.sum(1)
    if not np.isfinite(table).all() or (table < 0).any():
        raise InputError(
            f"{where}: holds numbers below 0, as scores do; give counts or probabilities"
        )
    if (total <= 0).any():
        raise InputError(f"{where}: position {int(np.argmin(total))} has no counts (from 0)")
    off = np.abs(total - 1)
    probabilities = bool((off < _ROUNDING).all())
    if not probabilities and (total < _FEWEST).all():
        at = int(off.argmax())
        raise InputError(
            f"{where}: position {at} (from 0) comes to {total[at]:.3g}, and probabilities come to"
            " 1; correct it, or give counts"
        )
    return Matrix(number, name, table * (_SITES if probabilities else 1))
