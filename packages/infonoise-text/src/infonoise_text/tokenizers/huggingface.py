"""Tokenizers of the Hugging Face `tokenizers` library."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from infonoise_core.errors import InputError
from infonoise_core.extras import require

JSON_FILE = "tokenizer.json"
_END_NAMES = ("</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "[SEP]")
_UNKNOWN_NAMES = ("<unk>", "[UNK]", "<|unk|>")


class HuggingFace:
    """A tokenizer of the Hugging Face `tokenizers` library, from the text of its tokenizer.json.

    The text alone is encoded: no special tokens are added, none are found in it, and nothing is
    cut off. Many of these tokenizers change text (lower case, white space); `infonoise-text
    prepare` counts the documents that do not come back.
    """

    def __init__(self, definition: str, name: str) -> None:
        library = require("tokenizers", "infonoise-text[hf]", "a Hugging Face tokenizer")
        self.name = name
        self.digest = hashlib.sha256(definition.encode()).hexdigest()
        self._definition = definition
        try:
            self._tokenizer = library.Tokenizer.from_str(definition)
        except Exception as error:  # the library raises nothing narrower
            raise InputError(f"{name}: not a tokenizer.json of Hugging Face ({error})") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        ids = self._tokenizer.get_vocab(with_added_tokens=True)
        if not ids:
            raise InputError(f"{name}: this tokenizer has an empty vocabulary")
        self.size = 1 + max(ids.values())  # some vocabularies have holes
        self.end: int | None = next((ids[k] for k in _END_NAMES if k in ids), None)
        fallback = self.end if self.end is not None else 0
        self.unknown = int(next((ids[k] for k in _UNKNOWN_NAMES if k in ids), fallback))

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        kept = [int(i) for i in ids if i != self.end]
        return str(self._tokenizer.decode(kept, skip_special_tokens=False))

    def special(self) -> list[tuple[str, int]]:
        """Added tokens, which stand for no text, and their ids."""
        added = self._tokenizer.get_added_tokens_decoder()
        return [(token.content, id) for id, token in added.items()]

    def save(self, folder: Path, name: str = JSON_FILE) -> None:
        (folder / name).write_bytes(self._definition.encode())
