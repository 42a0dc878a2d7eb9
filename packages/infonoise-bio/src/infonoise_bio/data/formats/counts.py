"""What was met while reading and what became of it: numbers that are always shown."""

from dataclasses import dataclass, fields

# How each number is worded, in the order of reading.
_WORDS = {
    "comments": "comment lines skipped",
    "records": "records read",
    "bases": "bases read",
    "uracil": "U read as T",
    "ambiguous": "bases not A C G T",
    "lower": "bases in lower case",
    "outside": "windows dropped: they leave their record",
    "repeated": "windows dropped: the same place again",
    "short": "sequences dropped: shorter than the window",
    "padded": "bases of padding, masked",
    "cropped": "bases cropped",
    "unclear": "sequences dropped: with bases not A C G T",
    "windows": "sequences kept",
}


@dataclass
class Counts:
    """Tallies of one reading, in lines, records, bases or windows as `lines` words them."""

    comments: int = 0
    records: int = 0
    bases: int = 0
    uracil: int = 0
    ambiguous: int = 0
    lower: int = 0
    outside: int = 0
    repeated: int = 0
    short: int = 0
    padded: int = 0
    cropped: int = 0
    unclear: int = 0
    windows: int = 0

    def to_dict(self) -> dict[str, int]:
        """The numbers by name, in the order of reading."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def lines(self) -> list[str]:
        """One line for each number above zero."""
        return [f"{n:,} {_WORDS[name]}" for name, n in self.to_dict().items() if n]
