"""Token ids <-> bits: code books.

A code book gives each of V tokens a code of m bits, most significant first. What moves between
processes and devices are ids; bits are made where they are used.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from infonoise_core.errors import InputError
from infonoise_core.reading import check_regular, parse_json

FORMAT = "infonoise-text codes"
VERSION = 1
# Codes whose nearest token is looked for at a time.
_ROWS = 256


class Decoded(NamedTuple):
    """Bits read back.

    Attributes:
        ids: int64 of any shape.
        invalid: bool of the same shape, where a code belongs to no token and `ids` holds the
            unknown id; its mean is the invalid-token rate.
    """

    ids: Tensor
    invalid: Tensor


class Codes(Protocol):
    """Ids of tokens <-> bits.

    Attributes:
        size: How many tokens.
        bits: Of each.
    """

    size: int
    bits: int

    @property
    def bit_names(self) -> list[str]:
        """Of the bits of a code, for people, most significant first."""

    def encode(self, ids: Tensor) -> Tensor:
        """(...) ids -> (..., bits) uint8, on the ids' device."""

    def decode(self, bits: Tensor) -> Decoded:
        """(..., bits) zeros and ones, of any type -> ids (...), on the bits' device."""

    def nearest(self, ones: Tensor) -> Tensor:
        """(n, bits) how likely each bit is 1 -> (n,) the token whose code is the likeliest."""


class CodeBook:
    """Ids of `size` tokens <-> codes of `bits` bits.

    Args:
        codes: (size,) whole numbers below 2^bits, all different.
        unknown: The id that a code without a token decodes to.
        name: Of the kind of code, for reports.
    """

    def __init__(self, codes: Tensor, bits: int, unknown: int, name: str) -> None:
        size = len(codes)
        if not 1 <= bits <= 31 or not 0 < size <= 1 << bits:
            raise ValueError(f"{size} tokens do not fit {bits} bits; give 1 to 31 bits, enough")
        if not 0 <= unknown < size:
            raise ValueError(f"unknown id {unknown}: give an id below {size}")
        rising = codes.sort().values
        if rising[0] < 0 or rising[-1] >= 1 << bits or (rising.diff() < 1).any():
            raise ValueError(f"codes must be different numbers between 0 and 2^{bits} - 1")
        self.size, self.bits, self.unknown, self.name = size, bits, unknown, name
        self.codes = codes.to("cpu", torch.int32)
        ids = torch.full((1 << bits,), -1, dtype=torch.int64)
        ids[self.codes.long()] = torch.arange(size)
        # Copies of (code of each id, id of each code) on the devices in use.
        self._tables = {torch.device("cpu"): (self.codes, ids)}

    @property
    def bit_names(self) -> list[str]:
        """Of the bits of a code, for people, most significant first."""
        return [f"bit {i + 1}" for i in range(self.bits)]

    def encode(self, ids: Tensor) -> Tensor:
        """(...) ids -> (..., bits) uint8, most significant bit first, on the ids' device."""
        codes = self._on(ids.device)[0].index_select(0, ids.flatten().int()).reshape(ids.shape)
        return (codes.unsqueeze(-1) >> self._shifts(ids.device) & 1).to(torch.uint8)

    def decode(self, bits: Tensor) -> Decoded:
        """(..., bits) zeros and ones, of any type -> ids (...), on the bits' device."""
        if bits.shape[-1:] != (self.bits,):
            raise ValueError(
                f"bits of shape {tuple(bits.shape)}: give (..., {self.bits}), one code in the"
                " last dimension"
            )
        codes = (bits.int() << self._shifts(bits.device)).sum(-1, dtype=torch.int32)
        ids = self._on(bits.device)[1].index_select(0, codes.flatten()).reshape(codes.shape)
        invalid = ids < 0
        return Decoded(ids.masked_fill(invalid, self.unknown), invalid)

    def nearest(self, ones: Tensor) -> Tensor:
        """(n, bits) how likely each bit is 1 -> (n,) the token whose code is the likeliest."""
        # A bit that is certain rules no token out where no token has all of them.
        log_odds = ones.to(torch.float32).logit(1e-6)
        codes = self.encode(torch.arange(self.size, device=ones.device)).to(torch.float32)
        found = torch.zeros(len(ones), dtype=torch.long, device=ones.device)
        for start in range(0, len(ones), _ROWS):
            rows = slice(start, start + _ROWS)
            found[rows] = (log_odds[rows] @ codes.T).argmax(1)
        return found

    def save(self, path: Path, tokenizer: str) -> None:
        """Write one file.

        Args:
            tokenizer: The digest of the tokenizer whose ids these are.
        """
        about = {"version": VERSION, "name": self.name, "bits": self.bits}
        about |= {"unknown": self.unknown, "tokenizer": tokenizer}
        # One entry, because safetensors writes several in any order.
        path.write_bytes(save({"codes": self.codes}, {FORMAT: json.dumps(about)}))

    @classmethod
    def load(cls, path: Path, tokenizer: str) -> "CodeBook":
        """Read what `save` wrote; InputError where it is something else or of another tokenizer."""
        check_regular(path)
        try:
            with safe_open(path, "pt") as file:
                about = parse_json((file.metadata() or {}).get(FORMAT, "{}"), str(path))
                codes: Any = file.get_tensor("codes") if about else None
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: not a code book ({error})") from error
        if not isinstance(about, dict) or about.get("version") != VERSION:
            raise InputError(f"{path}: not a code book of version {VERSION}")
        if about["tokenizer"] != tokenizer:
            raise InputError(f"{path}: made for another tokenizer; prepare the corpus again")
        try:
            return cls(codes, about["bits"], about["unknown"], about["name"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise InputError(f"{path}: not a code book ({type(error).__name__})") from error

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._tables:
            codes, ids = self._tables[torch.device("cpu")]
            self._tables[device] = codes.to(device), ids.to(device)
        return self._tables[device]

    def _shifts(self, device: torch.device) -> Tensor:
        return torch.arange(self.bits - 1, -1, -1, dtype=torch.int32, device=device)


def bits_for(size: int) -> int:
    """Bits of a code for `size` tokens, ceil(log2 size) and at least 1."""
    return max((size - 1).bit_length(), 1)


def binary_codes(size: int, unknown: int = 0) -> CodeBook:
    """The code of a token is its id."""
    return CodeBook(torch.arange(size), bits_for(size), unknown, "binary")
