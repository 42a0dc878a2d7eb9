"""Text <-> token ids: sentencepiece (trained here or given) and Hugging Face tokenizers.

A prepared corpus and a trained run each hold a copy of their tokenizer, and the hash of that copy
says whether two of them speak the same language.
"""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import sentencepiece

from infonoise_core.errors import InputError
from infonoise_core.extras import require

MODEL_FILE = "tokenizer.model"
JSON_FILE = "tokenizer.json"

# sentencepiece writes a space as this character; one that stands in the text is sent as its bytes.
_MARK = "▁"
# What only an exact model gives back: runs of spaces, a space in front, characters it has not seen.
_PROBE = "  a \n\n\t\0 é\ufffd\U0010fffd  "
_SENTENCES = 4_000_000  # lines a model is trained on at most, a random draw from more
_SENTENCE = 1000  # characters; sentencepiece drops longer lines
_END_NAMES = ("</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "[SEP]")
_UNKNOWN_NAMES = ("<unk>", "[UNK]", "<|unk|>")


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
        except RuntimeError as error:
            raise InputError(f"{name}: not a sentencepiece model") from error
        if self.size == 0:
            raise InputError(f"{name}: not a sentencepiece model")
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


class HuggingFace:
    """A tokenizer of the Hugging Face `tokenizers` library, from the text of its tokenizer.json.

    The text alone is encoded: no special tokens are added, none are found in it, and nothing is
    cut off. Many of these tokenizers change text (lower case, white space); `infonoise-text
    prepare` counts the documents that do not come back.
    """

    def __init__(self, definition: str, name: str) -> None:
        library = require("tokenizers", "hf", "a Hugging Face tokenizer")
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

    def save(self, folder: Path) -> None:
        (folder / JSON_FILE).write_bytes(self._definition.encode())


def train_sentencepiece(
    texts: Iterable[str], vocab_size: int, *, input_name: str = "the corpus"
) -> SentencePiece:
    """A unigram model (Kudo, arXiv 1804.10959) with byte fallback that gives every text back.

    Args:
        texts: documents; their lines are what it is trained on. Raises InputError where the
            texts do not support `vocab_size` pieces, with the size that works.
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
            # The trainer refuses lines with NUL; such a character is encoded as its byte.
            line = line.replace("\0", "")
            yield from (line[i : i + _SENTENCE] for i in range(0, len(line), _SENTENCE))


def load_tokenizer(source: str | Path, name: str | None = None) -> Tokenizer:
    """The tokenizer at `source`.

    source: a sentencepiece .model file, a Hugging Face tokenizer.json, a folder that holds one
        of the two (with `pairs.safetensors` beside it, the pairs learnt on top), or the name of a
        tokenizer on the Hugging Face hub.
    name: for people; from the source by default.
    """
    path = Path(source)
    if path.is_dir():
        return _load_folder(path, name or path.resolve().name)
    if not path.exists():
        if path.suffix == ".model" or path.suffix == ".json" or path.is_absolute():
            raise InputError(f"{source}: no tokenizer here; give a .model file or a tokenizer.json")
        return _load_from_hub(str(source), name or str(source))
    content = path.read_bytes()
    if path.suffix != ".json":
        return SentencePiece(content, name or path.stem)
    try:
        return HuggingFace(content.decode(), name or path.stem)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8") from error


def _load_folder(folder: Path, name: str) -> Tokenizer:
    from infonoise_text.tokenizers.pairs import FILLED, PAIRS_FILE, PairTokenizer

    # With pairs, `name` is that of both together.
    name = name.partition(FILLED)[0]
    for file in (folder / MODEL_FILE, folder / JSON_FILE):
        if file.is_file():
            tokenizer = load_tokenizer(file, name)
            if (folder / PAIRS_FILE).is_file():
                return PairTokenizer.load(tokenizer, folder / PAIRS_FILE)
            return tokenizer
    raise InputError(f"{folder}: no tokenizer here; neither {MODEL_FILE} nor {JSON_FILE} is there")


def _load_from_hub(source: str, name: str) -> Tokenizer:
    library = require("tokenizers", "hf", f"{source} is no file, and a tokenizer of the hub")
    try:
        definition = library.Tokenizer.from_pretrained(source).to_str()
    except Exception as error:  # the library raises nothing narrower
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{source}: neither a file nor a tokenizer on the Hugging Face hub ({reason})"
        ) from error
    return HuggingFace(definition, name)
