"""What a user names as data -> a prepared corpus, prepared here and now where it is not yet."""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infonoise_core.errors import InputError
from infonoise_text.data.corpus import MANIFEST_FILE, SEMANTIC_FILE, SPLITS, VERSION, Corpus
from infonoise_text.data.documents import Documents, open_documents
from infonoise_text.data.options import CorpusOptions
from infonoise_text.data.prepare import prepare
from infonoise_text.tokenizers.base import Tokenizer
from infonoise_text.tokenizers.characters import CHARACTERS, Characters
from infonoise_text.tokenizers.load import load_tokenizer
from infonoise_text.tokenizers.pairs import PairTokenizer

# Names the folder of corpora that were prepared on the way.
CACHE_VARIABLE = "INFONOISE_CACHE"
# Tokens of a window by default: a split with fewer has none.
_SHORT = 64


def open_corpus(data: str, options: CorpusOptions, *, semantic: bool = False) -> Corpus:
    """The corpus at `data`: a prepared folder, or any source of `open_documents`.

    The latter is prepared into a cache ($INFONOISE_CACHE, else ~/.cache/infonoise), under a name
    that its content and the options give, and found there the next time.

    Args:
        semantic: With the semantic code book; a prepared folder without one is refused where
            the book is needed.
    """
    if (Path(data) / MANIFEST_FILE).is_file():
        return _checked(Path(data), options)
    documents = documents_of(data, options)
    folder = cache_folder() / f"{_plain(documents.name)}-{_key(documents, options)}"
    if (folder / MANIFEST_FILE).is_file() and (not semantic or (folder / SEMANTIC_FILE).is_file()):
        return Corpus.open(folder)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            f"{data}: several processes cannot prepare one corpus; run infonoise-text prepare"
            " first and give its --out"
        )
    corpus = prepared(documents, folder, options, semantic=semantic, overwrite=folder.exists())
    print(f"{documents.name}: prepared in {folder}", file=sys.stderr)
    for note in notes(documents, corpus):
        print(note, file=sys.stderr)
    return corpus


def prepared(
    documents: Documents, out: Path, options: CorpusOptions, *, semantic: bool, overwrite: bool
) -> Corpus:
    """The corpus that `prepare` makes of documents, with the tokenizer that the options name."""
    characters = options.tokenizer == CHARACTERS
    named = options.tokenizer if not characters else None
    return prepare(
        documents, out, tokenizer=None if named is None else load_tokenizer(named),
        characters=characters, vocab_size=options.vocab_size, pair_bits=options.pair_bits,
        semantic=semantic, overwrite=overwrite,
    )  # fmt: skip


def documents_of(data: str | Sequence[str], options: CorpusOptions) -> Documents:
    """The documents of `data` and of the held-out text that the options name."""
    return open_documents(
        data, options.field, val=options.val, test=options.test, detokenize=options.detokenize,
        skip_bad=options.skip_bad or 0, answer=options.answer,
    )  # fmt: skip


def notes(documents: Documents, corpus: Corpus) -> list[str]:
    """What a user should know of a corpus that was just prepared, a line each."""
    manifest, reading = corpus.manifest, documents.reading
    found = [f"read: {reading.summary()}"]
    if reading.note:
        found.append(f"note: {reading.note}")
    if manifest.split_by == "stretch":
        found.append("note: too few documents to hold some out; the end of each is held out")
    if manifest.given:
        found.append(f"note: the {' and '.join(manifest.given)} text is the one that was given")
    if manifest.shared:
        found.append(
            f"note: {manifest.shared} {'documents' if manifest.pairs is None else 'prompts'} of"
            " train are in the given held-out text too"
        )
    if manifest.changed:
        found.append(
            f"note: {manifest.changed} documents do not come back exactly from this tokenizer"
        )
    for name, counts in manifest.splits.items():
        if counts.tokens < _SHORT:
            found.append(
                f"note: {name} has {counts.tokens} tokens, less than one window of {_SHORT}"
            )
    return found


def fitting(corpus: Corpus, length: int) -> list[str]:
    """What of the pairs does not fit windows of `length` tokens, in one line if there is any."""
    parts = []
    for name in SPLITS:
        pairs = corpus.split(name).pairs
        found = None if pairs is None else pairs.fitted(length)
        if found is not None and (found.cut or found.refused):
            parts.append(
                f"{name} {found.cut} prompts lose their beginning and {found.refused} pairs, whose"
                " answers are too long, are left out"
            )
    return [f"note: in windows of {length} tokens: {'; '.join(parts)}"] if parts else []


def cache_folder() -> Path:
    """Where corpora that were prepared on the way lie; safe to delete."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "infonoise"


def describe(corpus: Corpus) -> dict[str, Any]:
    """What a corpus holds, as plain values: for the settings of a run and for results."""
    manifest = corpus.manifest
    pairs = {}
    if manifest.pairs is not None:
        fields = ("prompt", "answer", "longest")
        pairs = {"pairs": {name: getattr(manifest.pairs, name) for name in fields}}
    return {
        "name": manifest.source,
        "digest": corpus.digest,
        "tokenizer": corpus.tokenizer.name,
        "tokenizer_digest": corpus.tokenizer.digest,
        "vocabulary": corpus.tokenizer.size,
        **{split: manifest.splits[split].tokens for split in SPLITS},
        **pairs,
    }


def _key(documents: Documents, options: CorpusOptions) -> str:
    """Short name of the content and of the options that shape what is made of it."""
    digest = hashlib.sha256()
    for document in documents:
        for part in document.parts:
            digest.update(hashlib.sha256(part.encode()).digest())
        if document.split is not None:
            digest.update(document.split.encode())
    shape = [VERSION, options.vocab_size, options.tokenizer, options.pair_bits]
    shape += [] if options.answer is None else [options.field, options.answer]
    digest.update(json.dumps(shape).encode())
    return digest.hexdigest()[:16]


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name).strip(".") or "corpus"


def _checked(folder: Path, options: CorpusOptions) -> Corpus:
    """The prepared corpus; InputError where the options ask for another one."""
    corpus = Corpus.open(folder)
    tokenizer = corpus.tokenizer
    base = tokenizer.base if isinstance(tokenizer, PairTokenizer) else tokenizer
    fix = "prepare it again, or leave the option out"
    pairs = corpus.manifest.pairs
    if options.answer is not None and (pairs is None or pairs.answer != options.answer):
        holds = "holds no pairs" if pairs is None else f"has answers from {pairs.answer!r}"
        raise InputError(f"--answer {options.answer}: {folder} {holds}; {fix}")
    if options.vocab_size not in (None, base.size):
        raise InputError(
            f"--vocab-size {options.vocab_size}: {folder} was prepared with {base.size} tokens;"
            f" {fix}"
        )
    if options.pair_bits is not None and tokenizer.size != 1 << options.pair_bits:
        raise InputError(
            f"--pair-bits {options.pair_bits}: {folder} was prepared with {tokenizer.size} codes;"
            f" {fix}"
        )
    if options.tokenizer is not None and not _same(options.tokenizer, base):
        raise InputError(
            f"--tokenizer {options.tokenizer}: {folder} was prepared with {base.name!r}; {fix}"
        )
    return corpus


def _same(source: str, known: Tokenizer) -> bool:
    if source == CHARACTERS:
        return isinstance(known, Characters)
    # A name on the hub is known by its name, so that a prepared corpus needs no network.
    if not Path(source).exists():
        return source == known.name
    given = load_tokenizer(source)
    base = given.base if isinstance(given, PairTokenizer) else given
    return base.digest == known.digest
