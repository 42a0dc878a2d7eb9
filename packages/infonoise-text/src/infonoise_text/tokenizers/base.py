"""What every tokenizer is: text <-> token ids.

A prepared corpus and a trained run each hold a copy of their tokenizer, and the hash of that copy
says whether two of them speak the same language.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Tokenizer(Protocol):
    """Text <-> token ids."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the tokenizer is, in hexadecimal."""

    @property
    def size(self) -> int:
        """Number of tokens: ids are 0 .. size - 1."""

    @property
    def unknown(self) -> int:
        """The id that stands for what is none."""

    @property
    def end(self) -> int | None:
        """The id put behind each document, or None; `decode` shows nothing for it."""

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without an end."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`."""

    def save(self, folder: Path) -> None:
        """Write into `folder` what `load_tokenizer` reads."""
