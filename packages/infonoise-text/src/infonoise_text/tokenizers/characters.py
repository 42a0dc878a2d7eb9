"""One token for each character: of text8, and of small models that are compared by character."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.files import read_json, write_json

CHARACTERS_FILE = "characters.json"
# What --tokenizer calls it.
CHARACTERS = "characters"
# Ids of what is no known character, and of the end of a document; characters follow.
_UNKNOWN, _END, _FIRST = 0, 1, 2
_SHOWN = "\ufffd"


class Characters:
    """The characters of a text in the order of their code points, as tokens.

    It gives every text of these characters back exactly; others are unknown.
    """

    unknown: int = _UNKNOWN
    end: int | None = _END

    def __init__(self, characters: str) -> None:
        self._characters = characters
        self._ids = {character: i for i, character in enumerate(characters, _FIRST)}
        self.size = _FIRST + len(characters)
        self.name = f"{len(characters)} {CHARACTERS}"
        self.digest = hashlib.sha256(json.dumps(characters).encode()).hexdigest()

    @classmethod
    def of(cls, texts: Iterable[str], source: str = "the corpus") -> "Characters":
        """Those of `texts`; InputError where there are none."""
        found: set[str] = set()
        for text in texts:
            found.update(text)
        if not found:
            raise InputError(f"{source}: no text to take characters from; give more text")
        return cls("".join(sorted(found)))

    @classmethod
    def load(cls, path: Path) -> "Characters":
        """What `save` wrote; InputError for anything else."""
        characters = read_json(path, "prepare the corpus again").get("characters")
        if not isinstance(characters, str) or not characters:
            raise InputError(f"{path}: holds no characters; prepare the corpus again")
        if len(set(characters)) < len(characters):
            raise InputError(f"{path}: a character stands there twice; prepare the corpus again")
        if any("\ud800" <= character <= "\udfff" for character in characters):
            raise InputError(f"{path}: half of a surrogate pair; prepare the corpus again")
        return cls(characters)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(character, _UNKNOWN) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self._shown(int(i)) for i in ids if i != _END)

    def save(self, folder: Path) -> None:
        write_json(folder / CHARACTERS_FILE, {"characters": self._characters})

    def _shown(self, i: int) -> str:
        return self._characters[i - _FIRST] if _FIRST <= i < self.size else _SHOWN
