"""Tokenizers of the sentencepiece library: read from a .model file, or trained here."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sentencepiece

from infonoise_core.errors import InputError

MODEL_FILE = "tokenizer.model"
# sentencepiece writes a space as this character; one that stands in the text is sent as its bytes.
_MARK = "▁"
# What only an exact model gives back: runs of spaces, a space in front, characters it has not seen.
_PROBE = "  a \n\n\t\0 é\ufffd\U0010fffd  "
_SENTENCES = 4_000_000  # lines a model is trained on at most, a random draw from more
_SENTENCE = 1000  # characters; sentencepiece drops longer lines


class SentencePiece:
    """A sentencepiece model, from the bytes of its .model file.

    Models of `train_sentencepiece` give every text back exactly, as does any model with byte
    pieces that leaves white space alone and does not normalise.
    """

    def __init__(self, model: bytes, name: str) -> None:
        self.name = name
        self.digest = hashlib.sha256(model).hexdigest()
        self._model = model
        try:
            self._processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
            self.size = int(self._processor.get_piece_size())
            if not self.size:
                raise RuntimeError("no pieces")
            self._processor.id_to_piece(list(range(self.size)))  # each is Unicode
        except (RuntimeError, UnicodeDecodeError) as error:
            raise InputError(f"{name}: not a sentencepiece model") from error
        end = int(self._processor.eos_id())
        self.end = end if end >= 0 else None
        self.unknown = int(self._processor.unk_id())
        self._mark = [self._processor.piece_to_id(f"<0x{byte:02X}>") for byte in _MARK.encode()]
        self._exact = (
            all(map(self._processor.is_byte, self._mark))
            and self._processor.decode(self._processor.encode(_PROBE)) == _PROBE
        )

    def encode(self, text: str) -> list[int]:
        if _MARK not in text or not self._exact:
            return list(self._processor.encode(text))
        first, *rest = text.split(_MARK)
        ids = list(self._processor.encode(first))
        for part in rest:
            ids += self._mark
            ids += self._processor.encode(part)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._processor.decode([int(i) for i in ids]))

    def save(self, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(self._model)


def train_sentencepiece(
    texts: Iterable[str], vocab_size: int, *, input_name: str = "the corpus"
) -> SentencePiece:
    """A unigram model (Kudo, arXiv 1804.10959) with byte fallback that gives every text back.

    Args:
        texts: Documents; their lines are what it is trained on.

    Raises:
        VocabularyError: Where they do not support `vocab_size` pieces, with the size that works.
    """
    if vocab_size < 1:
        raise VocabularyError(f"--vocab-size {vocab_size}: give a size such as 4096")
    model = io.BytesIO()
    sentencepiece.set_random_generator_seed(0)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_sentences(texts),
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            byte_fallback=True,
            # Nothing is normalised, joined or put in front, so that nothing is lost.
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            allow_whitespace_only_pieces=True,
            unk_id=0,
            eos_id=1,
            bos_id=-1,
            pad_id=-1,
            unk_surface="\ufffd",
            max_sentence_length=4 * _SENTENCE + 1,
            input_sentence_size=_SENTENCES,
            num_threads=1,  # its sums depend on the number of threads
            minloglevel=3,
        )
    except RuntimeError as error:
        raise _training_error(str(error), vocab_size, input_name) from error
    return SentencePiece(model.getvalue(), f"sentencepiece {vocab_size}")


class VocabularyError(InputError):
    """A corpus does not support a vocabulary.

    Args:
        limit: The size that works, or None if none does.
    """

    def __init__(self, message: str, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit


def _training_error(text: str, vocab_size: int, name: str) -> VocabularyError:
    if found := re.search(r"too high .*value <= (\d+)", text):
        limit = int(found[1])
        return VocabularyError(
            f"--vocab-size {vocab_size}: {name} supports at most {limit}; give --vocab-size"
            f" {limit} or less, or more text",
            limit,
        )
    if found := re.search(r"required_chars\. \d+ vs (\d+)", text):
        limit = int(found[1])
        return VocabularyError(
            f"--vocab-size {vocab_size}: too small for the 256 bytes and the characters of"
            f" {name}; give --vocab-size {limit} or more",
            limit,
        )
    if "sentences_.empty()" in text or "all_chars_count" in text:
        return VocabularyError(f"{name}: no text to train a tokenizer on; give more text")
    reason = text.rpartition("]")[2].strip() or text
    return VocabularyError(f"--vocab-size {vocab_size}: no tokenizer from {name} ({reason})")


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for line in text.split("\n"):
            # The trainer refuses lines with NUL or its own mark; both are encoded as their bytes.
            for part in line.replace("\0", "").split(_MARK):
                yield from (part[i : i + _SENTENCE] for i in range(0, len(part), _SENTENCE))
