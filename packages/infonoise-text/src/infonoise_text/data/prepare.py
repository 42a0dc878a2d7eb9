"""Documents -> a prepared corpus, written whole or not at all."""

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infonoise_core.errors import InputError
from infonoise_core.files import whole_folder, write_json
from infonoise_core.training.progress import progress, waiting
from infonoise_text.codes.semantic import semantic_codes
from infonoise_text.data.corpus import (
    MANIFEST_FILE,
    SEMANTIC_FILE,
    SPLITS,
    Corpus,
    Manifest,
    ids_file,
)
from infonoise_text.data.documents import Documents
from infonoise_text.data.pairs import PairFields
from infonoise_text.data.split import Division
from infonoise_text.data.writing import writers
from infonoise_text.tokenizers.base import Tokenizer
from infonoise_text.tokenizers.characters import Characters
from infonoise_text.tokenizers.pairs import PairCoder, PairTokenizer
from infonoise_text.tokenizers.sentencepiece import VocabularyError, train_sentencepiece

DEFAULT_VOCABULARY = 4096
# Bytes that a tokenizer is trained on at most, of lines by chance: its trainer takes 17 to 19 bytes
# of memory for each.
_SAMPLE = 14_000_000
_PAIR_TOKENS = 5_000_000  # tokens that pairs are learnt from at most
_READ = 1 << 20  # tokens read at a time


def prepare(
    documents: Documents,
    out: Path,
    *,
    tokenizer: Tokenizer | None = None,
    characters: bool = False,
    vocab_size: int | None = None,
    pair_bits: int | None = None,
    semantic: bool = False,
    overwrite: bool = False,
) -> Corpus:
    """Tokenise `documents` into the folder `out`.

    Args:
        tokenizer: What to use; by default sentencepiece, trained on the train split.
        characters: One token for each character of the train split instead.
        vocab_size: Of that training; by default 4096, or the largest power of two below that the
            corpus supports.
        pair_bits: Learn pairs of tokens on top until there are 2^pair_bits.
        semantic: Learn the semantic code book too.
        overwrite: Replace a corpus that is already there.

    Raises:
        InputError: For what is wrong with the documents, the settings or `out`; then, and after an
            interruption, `out` is as it was.
    """
    if (characters or tokenizer is not None) and vocab_size is not None:
        raise InputError(
            "--vocab-size and --tokenizer together: a given tokenizer has its own size"
        )
    pairs = documents.new().answer is not None
    if pairs and pair_bits is not None:
        raise InputError(
            f"--answer with --pair-bits {pair_bits}: learn pairs of tokens on text first, and give"
            " that folder as --tokenizer"
        )
    _refuse(out, overwrite)
    division = Division.of(documents, said=_counting())
    if characters:
        tokenizer = Characters.of(_training_texts(documents, division, 1.0), documents.name)
    elif tokenizer is None:
        tokenizer = _trained(documents, division, vocab_size)
    if pairs and tokenizer.end is None:
        raise InputError(
            f"--answer with the tokenizer {tokenizer.name}: it has no token for an end, by which"
            " answers stop; give another one"
        )
    with whole_folder(out) as draft:
        manifest = _tokenise(documents, division, tokenizer, draft)
        if pair_bits is not None:
            tokenizer, manifest = _fill(tokenizer, pair_bits, manifest, draft)
        tokenizer.save(draft)
        write_json(draft / MANIFEST_FILE, manifest.to_json())
        if semantic:
            train = _mapped(draft, "train", manifest)
            with waiting("learning semantic codes"):
                book = semantic_codes(train, tokenizer.size, tokenizer.unknown)
            del train  # some systems replace no file that is still mapped
            book.save(draft / SEMANTIC_FILE, tokenizer.digest)
    return Corpus.open(out)


def _counting(seconds: float = 5.0) -> Callable[[int], None]:
    """Says how many bytes have been read, now and then: how many there are is not known yet."""
    last = time.monotonic()

    def said(total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            print(f"reading: {total / 1e6:.0f} MB so far", file=sys.stderr)

    return said


def _trained(documents: Documents, division: Division, vocab_size: int | None) -> Tokenizer:
    def trained(size: int) -> Tokenizer:
        share = min(1.0, _SAMPLE / division.total)
        texts = _training_texts(documents, division, share)
        with ExitStack() as stack:
            read = _then(texts, lambda: stack.enter_context(waiting("learning the tokenizer")))
            return train_sentencepiece(read, size, input_name=documents.name)

    if vocab_size is not None:
        return trained(vocab_size)
    try:
        return trained(DEFAULT_VOCABULARY)
    except VocabularyError as error:
        if error.limit is None:
            raise
        limit = error.limit
    # Too little text for 4096 pieces, or (in scripts of many characters) too few pieces for it.
    below = 1 << limit.bit_length() - 1
    size = below if limit < DEFAULT_VOCABULARY else below * 2
    try:
        return trained(size)
    except VocabularyError:
        return trained(limit)


def _training_texts(documents: Documents, division: Division, share: float) -> Iterator[str]:
    """What the train split holds, with a share of its lines by chance."""
    chance = random.Random(0)
    with progress(division.total, "bytes read for the tokenizer") as reporter:
        for document in documents:
            for split, piece in division.pieces(document):
                if split == "train":
                    yield _thinned(piece, share, chance)
            reporter.advance(len(document.text.encode()))


def _then(texts: Iterable[str], act: Callable[[], object]) -> Iterator[str]:
    """The texts; once all are taken, something is done."""
    yield from texts
    act()


def _thinned(text: str, share: float, chance: random.Random) -> str:
    """A share of the lines of a text, each kept by chance."""
    if share >= 1:
        return text
    return "\n".join(line for line in text.split("\n") if chance.random() < share)


def _tokenise(
    documents: Documents, division: Division, tokenizer: Tokenizer, draft: Path
) -> Manifest:
    dtype = _dtype(tokenizer.size)
    end = [] if tokenizer.end is None else [tokenizer.end]
    answer = documents.new().answer
    changed = 0
    with (
        writers(draft, dtype) as there,
        progress(division.total, "bytes tokenised") as reporter,
    ):
        for document in documents:
            sizes: list[tuple[int, int]] = []
            for split, piece in division.pieces(document):
                ids = tokenizer.encode(piece)
                changed += tokenizer.decode(ids) != piece
                writer, size = there[split], len(piece.encode())
                writer.write(ids + end)
                writer.documents += answer is None or not sizes
                writer.bytes += size
                sizes.append((len(ids + end), size))
                reporter.advance(size)
            if answer is not None:
                (prompt, _), (tokens, size) = sizes
                writer.pair(prompt, tokens, size)
        splits = {split: w.close(pairs=answer is not None) for split, w in there.items()}
    if sum(counts.bytes for counts in splits.values()) != division.total:
        raise InputError(f"{documents.name} changed while it was read; prepare it again")
    split_by = "stretch" if division.by_stretch else "document"
    given = [split for split in SPLITS[1:] if split not in division.drawn]
    pairs = None
    if answer is not None:
        hashes = {split: writer.pairs for split, writer in there.items()}
        pairs = PairFields(documents.new().field, answer, there["train"].longest, hashes)
    return Manifest(
        documents.name, split_by, dtype, changed, _about(tokenizer), splits, given,
        division.shared, pairs,
    )  # fmt: skip


def _fill(
    tokenizer: Tokenizer, bits: int, manifest: Manifest, draft: Path
) -> tuple[Tokenizer, Manifest]:
    """Learn pairs from the train split and write all splits anew in them."""
    if tokenizer.end is None:
        raise InputError(
            f"--pair-bits with {tokenizer.name}: this tokenizer has no token for the end of a"
            " document, across which no pair may reach; give another one"
        )
    if not 1 <= bits <= 24:
        raise InputError(f"--pair-bits {bits}: give 1 to 24 bits")
    train = _mapped(draft, "train", manifest)[:_PAIR_TOKENS]
    coder = PairCoder.learn(train, tokenizer.size, bits, tokenizer.end)
    del train  # some systems replace no file that is still mapped
    filled = PairTokenizer(tokenizer, coder)
    dtype = _dtype(filled.size)
    again = draft / "again"
    again.mkdir()
    with writers(again, dtype) as there:
        for split, writer in there.items():
            for codes in coder.encode_stream(_chunks(_mapped(draft, split, manifest))):
                writer.write(codes)
        written = {split: writer.close() for split, writer in there.items()}
    splits = {}
    for split, counts in manifest.splits.items():
        (again / ids_file(split)).replace(draft / ids_file(split))
        new = written[split]
        splits[split] = replace(counts, tokens=new.tokens, sha256=new.sha256)
    again.rmdir()
    return filled, replace(manifest, dtype=dtype, tokenizer=_about(filled), splits=splits)


def _mapped(draft: Path, split: str, manifest: Manifest) -> NDArray[np.integer]:
    dtype = np.dtype(manifest.dtype).newbyteorder("<")
    if not manifest.splits[split].tokens:
        return np.empty(0, dtype)
    return np.memmap(draft / ids_file(split), dtype, "r")


def _chunks(ids: NDArray[np.integer]) -> Iterable[NDArray[np.integer]]:
    return (ids[start : start + _READ] for start in range(0, len(ids), _READ))


def _dtype(size: int) -> str:
    return "uint16" if size <= 1 << 16 else "uint32"


def _about(tokenizer: Tokenizer) -> dict[str, str | int | None]:
    return {
        "name": tokenizer.name,
        "digest": tokenizer.digest,
        "size": tokenizer.size,
        "unknown": tokenizer.unknown,
        "end": tokenizer.end,
    }


def _refuse(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: give a folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / MANIFEST_FILE).is_file():
        # Only a folder that prepare made is ever replaced.
        raise InputError(f"--out {out} holds other things than a corpus: give another folder")
    if not overwrite:
        raise InputError(f"--out {out} holds a corpus: give another folder or --overwrite")
