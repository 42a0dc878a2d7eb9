"""Two tokenizers, one upon the other: codes over the ids of the first, as published networks have.

The first one's ids become characters, U+F0000 + id, and the second is a tokenizer of such text.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_text.tokenizers.huggingface import HuggingFace

BASE_FILE = "base.json"
# Between the names of the two.
UPON = "+"
# The character of id 0: private ones, of which there are 65,534.
_FIRST, _MANY = 0xF0000, 65_534
# Letters of the codes that end a sequence, whatever stands around them.
_PAD, _END = "PAD", "EOSEQ"


class TwoStages:
    """Text <-> ids of `base` <-> codes.

    Decoding stops at the first padding or end, and drops what stands for no id of `base`.

    Args:
        base: Whose ids the codes are over.
        definition: The text of the second tokenizer.json.
        name: For people.
    """

    def __init__(self, base: HuggingFace, definition: str, name: str) -> None:
        if base.size > _MANY:
            raise InputError(
                f"{base.name}: has {base.size:,} tokens, and codes can be over {_MANY:,}"
            )
        self.base, self.name = base, name
        self._codes = HuggingFace(definition, name)
        both = f"{base.digest} {self._codes.digest}"
        self.digest = hashlib.sha256(both.encode()).hexdigest()
        self.size, self.unknown = self._codes.size, self._codes.unknown
        marks = {letters: id for word, id in self._codes.special() if (letters := _letters(word))}
        self.end: int | None = marks.get(_END)
        self._stops = frozenset(id for mark, id in marks.items() if mark in (_PAD, _END))

    def encode(self, text: str) -> list[int]:
        return self._codes.encode("".join(chr(_FIRST + id) for id in self.base.encode(text)))

    def decode(self, ids: Sequence[int]) -> str:
        kept: list[int] = []
        for code in ids:
            if int(code) in self._stops:
                break
            kept.append(int(code))
        found = (ord(character) - _FIRST for character in self._codes.decode(kept))
        return self.base.decode([id for id in found if 0 <= id < self.base.size])

    def save(self, folder: Path) -> None:
        self._codes.save(folder)
        self.base.save(folder, BASE_FILE)


def _letters(word: str) -> str:
    return re.sub("[^A-Za-z]", "", word).upper()
