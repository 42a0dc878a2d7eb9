"""What was met while reading and what became of it: numbers that are always shown."""

from dataclasses import dataclass, field, fields

from infonoise_bio.alphabet import MASKED, codes_of, lower_of
from infonoise_core.shown import amount

# How each number is worded, of one and of several, in the order of reading.
_WORDS = {
    "comments": ("comment line skipped", "comment lines skipped"),
    "blank": ("blank row skipped", "blank rows skipped"),
    "records": ("record read", "records read"),
    "bases": ("base read", "bases read"),
    "uracil": ("U read as T", "U read as T"),
    "ambiguous": ("base not A C G T", "bases not A C G T"),
    "lower": ("base in lower case", "bases in lower case"),
    "unstranded": (
        "interval without a strand, read forward",
        "intervals without a strand, read forward",
    ),
    "joined": (
        "interval of several blocks, which were joined",
        "intervals of several blocks, which were joined",
    ),
    "no_summit": (
        "interval without a summit, cut around its middle",
        "intervals without a summit, cut around their middle",
    ),
    "other_summit": (
        "interval with a summit, not used: --around summit cuts there",
        "intervals with a summit, not used: --around summit cuts there",
    ),
    "partial": (
        "feature left out: its end lies beyond the record",
        "features left out: their end lies beyond the record",
    ),
    "remote": (
        "feature left out: it lies partly in other records",
        "features left out: they lie partly in other records",
    ),
    "pseudo": ("feature left out: of a pseudogene", "features left out: of pseudogenes"),
    "outside": (
        "window dropped: it leaves its record",
        "windows dropped: they leave their record",
    ),
    "repeated": (
        "window dropped: the same place again",
        "windows dropped: the same place again",
    ),
    "symbolic": (
        "allele left out: not spelled out in A C G T",
        "alleles left out: not spelled out in A C G T",
    ),
    "unequal": (
        "allele left out: its window has more unknown bases than the reference's, or fewer",
        "alleles left out: their windows have more unknown bases than the reference's, or fewer",
    ),
    "too_long": (
        "allele left out: longer than half a window",
        "alleles left out: longer than half a window",
    ),
    "short": (
        "sequence dropped: shorter than the window",
        "sequences dropped: shorter than the window",
    ),
    "padded": ("base of padding, masked", "bases of padding, masked"),
    "cropped": ("base cropped", "bases cropped"),
    "unclear": (
        "sequence dropped: with bases not A C G T",
        "sequences dropped: with bases not A C G T",
    ),
    "windows": ("sequence kept", "sequences kept"),
}


# Warnings that are shown; a file may have one for each record.
_REMARKS = 5


@dataclass
class Counts:
    """Tallies of one reading, in lines, records, bases or windows as `lines` words them.

    Attributes:
        remarks: What a library warned of -> how often.
    """

    comments: int = 0
    blank: int = 0
    records: int = 0
    bases: int = 0
    uracil: int = 0
    ambiguous: int = 0
    lower: int = 0
    unstranded: int = 0
    joined: int = 0
    no_summit: int = 0
    other_summit: int = 0
    partial: int = 0
    remote: int = 0
    pseudo: int = 0
    outside: int = 0
    repeated: int = 0
    symbolic: int = 0
    unequal: int = 0
    too_long: int = 0
    short: int = 0
    padded: int = 0
    cropped: int = 0
    unclear: int = 0
    windows: int = 0
    remarks: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, int]:
        """The numbers by name, in the order of reading."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name in _WORDS}

    def lines(self) -> list[str]:
        """One line for each number above zero."""
        lines = [amount(n, *_WORDS[name]) for name, n in self.to_dict().items() if n]
        shown = list(self.remarks.items())[:_REMARKS]
        lines += [f"warning: {text}" + (f" ({n:,} times)" if n > 1 else "") for text, n in shown]
        more = len(self.remarks) - len(shown)
        return [*lines, amount(more, "other warning")] if more else lines

    def add(self, other: "Counts") -> None:
        """What was met in another file."""
        for name, number in other.to_dict().items():
            setattr(self, name, getattr(self, name) + number)
        for text, number in other.remarks.items():
            self.remarks[text] = self.remarks.get(text, 0) + number

    def letters(self, letters: bytes) -> None:
        """Note what of a sequence is no A C G T in upper case."""
        self.uracil += letters.count(b"U") + letters.count(b"u")
        self.ambiguous += codes_of(letters).count(MASKED)
        self.lower += lower_of(letters).count(1)

    def remark(self, text: str) -> None:
        """Note what a library warns of."""
        self.remarks[text] = self.remarks.get(text, 0) + 1
